"""Integrate a noisy stimulus over time."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch
from ._linear_algebra import root_and_inverse
from ._moments import TemporalMoments
from ._task import AbstractTask


@cite("proca2025learning")
class SensoryIntegration(AbstractTask):
    r"""Report the sum or the mean of a noisy stimulus.

    $x_t = z + \sigma_n \xi_t$ and $y_T = g \sum_{t=1}^T x_t$ with $g = 1$ for the sum and $g = 1 / T$ for the mean. The
    stimulus $z \sim N(0, \Sigma_z)$ stays the same during a sequence, so that inputs are correlated over time and *not*
    white: $\Sigma_{xx}[i, j] = \Sigma_z + \delta_{ij} \sigma_n^2 I$ and $\Sigma_{yx}[i] = g\,(T \Sigma_z + \sigma_n^2
    I)$. Networks that reach zero loss have recurrent strength 1 and input-output strength $g$: what was learned as a
    sum holds for any length, what was learned as a mean does not.

    The stimuli are Gaussian in place of NeuroGym's (Proca et al. use its multisensory task); several modalities with
    one stimulus are a $\Sigma_z$ with correlated channels.

    Args:
        num_steps: $T$ in training.
        channels: input channels, each with an output of its own; may be left out for a covariance.
        mean: report the mean rather than the sum.
        stimulus_covariance: $\Sigma_z$, `"channel channel"`, or one variance for independent channels.
        noise_variance: $\sigma_n^2$.

    !!! example
        ```python
        task = ln.tasks.SensoryIntegration(num_steps=4, channels=4, mean=True)
        task.sample(100, key=jr.key(0), length=50)  # the mean over 50 steps
        ```
    """

    stimulus_covariance: Float[Array, "channel channel"]
    noise_variance: Float[Array, ""]
    num_steps: int = eqx.field(static=True)
    mean: bool = eqx.field(static=True)

    def __init__(
        self,
        num_steps: int,
        channels: int | None = None,
        *,
        mean: bool = False,
        stimulus_covariance: float | Float[Array, ""] | Float[Array, "channel channel"] = 1.0,
        noise_variance: float | Float[Array, ""] = 1.0,
    ) -> None:
        if num_steps < 1:
            raise ValueError(f"SensoryIntegration needs num_steps >= 1, got {num_steps}.")
        covariance = jnp.asarray(stimulus_covariance, jnp.result_type(float, stimulus_covariance))
        if covariance.ndim == 0 and channels is not None:
            covariance = covariance * jnp.eye(channels, dtype=covariance.dtype)
        size = covariance.shape[0] if covariance.ndim == 2 else 0
        if covariance.shape != (size, size) or size < 1 or channels not in (None, size):
            raise ValueError(
                "SensoryIntegration needs a number of channels and one variance for all of them, or a covariance of "
                f"shape (channel, channel), got {channels} channels and shape {covariance.shape}."
            )
        self.stimulus_covariance = covariance
        self.noise_variance = jnp.asarray(noise_variance, covariance.dtype)
        self.num_steps, self.mean = num_steps, mean

    @property
    def gain(self) -> float:
        """$g$: 1 for the sum, $1 / T$ for the mean."""
        return 1 / self.num_steps if self.mean else 1.0

    def at_length(self, num_steps: int) -> "SensoryIntegration":
        """The same task for sequences of another length."""
        return SensoryIntegration(
            num_steps,
            mean=self.mean,
            stimulus_covariance=self.stimulus_covariance,
            noise_variance=self.noise_variance,
        )

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        if length is not None and length != self.num_steps:
            return self.at_length(length).sample(num, key=key)
        stimulus_key, noise_key = jr.split(key)
        channels, dtype = self.stimulus_covariance.shape[0], self.stimulus_covariance.dtype
        root, _ = root_and_inverse(self.stimulus_covariance)
        stimulus = jr.normal(stimulus_key, (num, 1, channels), dtype) @ root
        x = stimulus + jnp.sqrt(self.noise_variance) * jr.normal(noise_key, (num, self.num_steps, channels), dtype)
        return Batch(x, self.gain * jnp.sum(x, axis=1))

    def moments(self) -> TemporalMoments:
        steps, stimulus = self.num_steps, self.stimulus_covariance
        noise = self.noise_variance * jnp.eye(stimulus.shape[0], dtype=stimulus.dtype)
        xx = stimulus + jnp.eye(steps, dtype=stimulus.dtype)[:, :, None, None] * noise
        power = steps * stimulus + noise
        yx = jnp.broadcast_to(self.gain * power, (steps, *stimulus.shape))
        return TemporalMoments(xx, yx, self.gain**2 * steps * power)
