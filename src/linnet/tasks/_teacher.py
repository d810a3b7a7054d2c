"""A linear teacher with noise."""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch
from ._moments import Moments
from ._task import AbstractTask


@cite("advani2020high")
class Teacher(AbstractTask):
    r"""A linear teacher with noise, $y = \bar W x + \epsilon$, with Gaussian inputs.

    The conventions are Advani, Saxe and Sompolinsky's: $\bar W_{ki} \sim N(0, \sigma_w^2)$, $\epsilon_k \sim N(0,
    \sigma_\epsilon^2)$ and inputs of variance $1 / N$, so that $\mathrm{SNR} = \sigma_w^2 / \sigma_\epsilon^2$ and the
    spectrum of $X X^\top = \sum_p x_p x_p^\top$ over $P$ samples is Marchenko and Pastur's with aspect ratio $\alpha =
    P / N$. linnet's moments are means, so that

    | theirs | here |
    |---|---|
    | $\Lambda$, eigenvalues of $X X^\top$ | $P$ times those of `split.train.moments().xx` |
    | $t / \tau$ | learning time $/ P$ (`linnet.conventions.advani`) |
    | errors $E_t$, $E_g$ without a half | twice the loss |

    Args:
        weights: the teacher $\bar W$.
        noise_variance: $\sigma_\epsilon^2$.
        input_variances: variances of the inputs; a number for all, by default $1 / N$.

    !!! example
        ```python
        task = ln.tasks.Teacher.random(100, snr=5.0, key=jr.key(0))
        split = task.draw(task.num_samples(aspect_ratio=1.0), key=jr.key(1))  # the worst case for overtraining
        ```
    """

    weights: Float[Array, "out in"]
    noise_variance: Float[Array, ""]
    input_variances: Float[Array, " in"]

    def __init__(
        self,
        weights: Float[Array, "..."],
        noise_variance: float | Float[Array, ""] = 0.0,
        input_variances: float | Float[Array, "..."] | None = None,
    ) -> None:
        self.weights = jnp.asarray(weights)
        if self.weights.ndim != 2:
            raise ValueError(f"Teacher needs weights of shape (out, in), got {self.weights.shape}.")
        size, dtype = self.weights.shape[1], self.weights.dtype
        self.noise_variance = jnp.asarray(noise_variance, dtype)
        variances = jnp.asarray(1 / size if input_variances is None else input_variances, dtype)
        if variances.shape not in ((), (size,)):
            raise ValueError(
                f"Teacher needs one input variance, or one for each of its {size} inputs, got shape {variances.shape}."
            )
        self.input_variances = jnp.broadcast_to(variances, (size,))

    @classmethod
    def random(
        cls,
        inputs: int,
        snr: float | Float[Array, ""],
        *,
        key: PRNGKey,
        outputs: int = 1,
        dtype: str | None = None,
    ) -> "Teacher":
        r"""A Gaussian teacher, scaled so that targets have variance 1.

        $\sigma_w^2 = \frac{\mathrm{SNR}}{1 + \mathrm{SNR}}$ and $\sigma_\epsilon^2 = \frac{1}{1 + \mathrm{SNR}}$.

        Args:
            inputs: $N$.
            snr: the signal-to-noise ratio; infinite for no noise. Traceable, so that it can be an axis of an ensemble.
            key: of the teacher's weights.
            outputs: how many outputs, each a teacher of its own.
            dtype: the dtype of the weights; JAX's default if `None`.
        """
        snr = jnp.asarray(snr, dtype or jnp.result_type(float))
        signal = 1 / (1 + 1 / snr)
        return cls(jnp.sqrt(signal) * jr.normal(key, (outputs, inputs), snr.dtype), 1 / (1 + snr))

    @property
    def snr(self) -> Float[Array, ""]:
        """The power of the teacher's output over that of its noise, for these very weights."""
        power = jnp.sum(self.weights**2 * self.input_variances) / self.weights.shape[0]
        return power / self.noise_variance

    def num_samples(self, aspect_ratio: float) -> int:
        r"""The number of samples $P = \alpha N$ of an aspect ratio $\alpha$, at least 1."""
        return max(1, round(aspect_ratio * self.weights.shape[1]))

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        if length is not None:
            raise ValueError(f"A Teacher has no sequences, so that `length` must be None, got {length}.")
        input_key, noise_key = jr.split(key)
        outputs, inputs = self.weights.shape
        dtype = self.weights.dtype
        x = jnp.sqrt(self.input_variances) * jr.normal(input_key, (num, inputs), dtype)
        noise = jnp.sqrt(self.noise_variance) * jr.normal(noise_key, (num, outputs), dtype)
        return Batch(x, x @ self.weights.T + noise)

    def moments(self) -> Moments:
        yx = self.weights * self.input_variances
        yy = yx @ self.weights.T + self.noise_variance * jnp.eye(self.weights.shape[0], dtype=self.weights.dtype)
        return Moments(jnp.diag(self.input_variances), yx, yy)
