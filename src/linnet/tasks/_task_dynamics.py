"""Sequence tasks with given singular vectors and given task dynamics."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch
from ._linear_algebra import root_and_inverse
from ._moments import SequenceMoments, TemporalMoments
from ._profiles import AbstractProfile, Steps
from ._task import AbstractTask


@cite("proca2025learning")
class TaskDynamics(AbstractTask):
    r"""White sequences and targets that weigh their steps, $y_T = \sum_{i=1}^T U S_i V^\top x_i + \epsilon$.

    The singular vectors $U$ and $V$ are constant, the importances $S_i$ change over time.

    With `every_step`, $y_t = \sum_{i \le t} U S_{t,i} V^\top x_i + \epsilon_t$ for all $t$, where $S_{t,i}$ is the
    profile of a sequence that ends at step $t$; the loss then sums over steps.

    Args:
        left: $U$, orthonormal columns.
        right: $V$, orthonormal columns.
        profile: the importances: a profile, or an array `"step mode"` or `"step mode mode"`.
        num_steps: $T$ in training; may be left out for an array.
        every_step: targets at every step rather than at the last.
        noise_variance: the variance of $\epsilon$ in each output.
        exactly_white: make the inputs of each sample exactly white, jointly over steps and channels, as the theory
            assumes; a sample then needs at least steps x inputs sequences.

    !!! example
        ```python
        profile = ln.tasks.InverseExponential(strengths=jnp.array([1.1, 0.5]), rates=jnp.array([0.5, 1.1]))
        task = ln.tasks.TaskDynamics.random(profile, num_steps=7, inputs=4, outputs=3, key=jr.key(0))
        task.moments()  # TemporalMoments
        task.sample(100, key=jr.key(1), length=50)  # beyond the trained length
        ```
    """

    left: Float[Array, "out mode"]
    right: Float[Array, "in mode"]
    profile: AbstractProfile
    noise_variance: Float[Array, ""]
    num_steps: int = eqx.field(static=True)
    every_step: bool = eqx.field(static=True)
    exactly_white: bool = eqx.field(static=True)

    def __init__(
        self,
        left: Float[Array, "..."],
        right: Float[Array, "..."],
        profile: AbstractProfile | Float[Array, "step ..."],
        num_steps: int | None = None,
        *,
        every_step: bool = False,
        noise_variance: float | Float[Array, ""] = 0.0,
        exactly_white: bool = False,
    ) -> None:
        self.left, self.right = jnp.asarray(left), jnp.asarray(right)
        self.profile = profile if isinstance(profile, AbstractProfile) else Steps(profile)
        self.noise_variance = jnp.asarray(noise_variance, self.left.dtype)
        if num_steps is None:
            if not isinstance(self.profile, Steps):
                raise ValueError("TaskDynamics needs num_steps, the length of a sequence in training, got None.")
            num_steps = self.profile.values.shape[0]
        self.num_steps = num_steps
        self.every_step, self.exactly_white = every_step, exactly_white
        modes = self.profile.last(self.num_steps).shape[-1]
        shapes = self.left.shape, self.right.shape
        if any(len(shape) != 2 or shape[1] != modes or shape[0] < modes for shape in shapes):
            raise ValueError(
                f"TaskDynamics needs left of shape (out, {modes}) and right of shape (in, {modes}) with at least as "
                f"many rows, as its profile has {modes} modes; got {shapes[0]} and {shapes[1]}."
            )

    @classmethod
    def random(
        cls,
        profile: AbstractProfile | Float[Array, "step ..."],
        num_steps: int | None = None,
        *,
        inputs: int,
        outputs: int,
        key: PRNGKey,
        every_step: bool = False,
        noise_variance: float | Float[Array, ""] = 0.0,
        exactly_white: bool = False,
    ) -> "TaskDynamics":
        """The task with random singular vectors, uniform over all orthonormal ones.

        Args:
            profile: the importances.
            num_steps: steps of a sequence in training.
            inputs: input channels, at least as many as modes.
            outputs: output channels, at least as many as modes.
            key: of the singular vectors.
            every_step: see the class.
            noise_variance: see the class.
            exactly_white: see the class.
        """
        profile = profile if isinstance(profile, AbstractProfile) else Steps(profile)
        first = profile.last(1)
        modes, dtype = first.shape[-1], first.dtype
        if min(inputs, outputs) < modes:
            raise ValueError(
                f"{modes} modes need at least {modes} inputs and outputs, got {inputs} inputs and {outputs} outputs."
            )
        left_key, right_key = jr.split(key)
        left = jr.orthogonal(left_key, outputs, dtype=dtype)[:, :modes]
        right = jr.orthogonal(right_key, inputs, dtype=dtype)[:, :modes]
        return cls(
            left,
            right,
            profile,
            num_steps,
            every_step=every_step,
            noise_variance=noise_variance,
            exactly_white=exactly_white,
        )

    def at_length(self, num_steps: int) -> "TaskDynamics":
        """The same task for sequences of another length."""
        return TaskDynamics(
            self.left,
            self.right,
            self.profile,
            num_steps,
            every_step=self.every_step,
            noise_variance=self.noise_variance,
            exactly_white=self.exactly_white,
        )

    def maps(self) -> Float[Array, "*step out in"]:
        r"""The maps $U S_i V^\top$, `"step out in"`; with `every_step`, $U S_{t,i} V^\top$, `"step step out in"`."""
        core = self.profile.every(self.num_steps) if self.every_step else self.profile.last(self.num_steps)
        return jnp.einsum("om,...mn,in->...oi", self.left, core.astype(self.left.dtype), self.right)

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        if length is not None and length != self.num_steps:
            return self.at_length(length).sample(num, key=key)
        input_key, noise_key = jr.split(key)
        dtype = self.left.dtype
        x = jr.normal(input_key, (num, self.num_steps, self.right.shape[0]), dtype)
        x = exactly_white(x) if self.exactly_white else x
        maps = self.maps()
        y = jnp.einsum("tsoi,psi->pto" if self.every_step else "soi,psi->po", maps, x)
        return Batch(x, y + jnp.sqrt(self.noise_variance) * jr.normal(noise_key, y.shape, dtype))

    def moments(self) -> TemporalMoments | SequenceMoments:
        maps = self.maps()
        noise = self.noise_variance * jnp.eye(self.left.shape[0], dtype=self.left.dtype)
        if self.every_step:
            return SequenceMoments(None, maps, jnp.einsum("tsoi,tsqi->oq", maps, maps) + self.num_steps * noise)
        return TemporalMoments(None, maps, jnp.einsum("soi,sqi->oq", maps, maps) + noise)


def exactly_white(x: Float[Array, "num step in"]) -> Float[Array, "num step in"]:
    r"""The nearest inputs that are exactly white in the sample, $\frac1P \sum_p x_p x_p^\top = I$ (over steps too).

    Raises:
        ValueError: if there are fewer sequences than steps x inputs, whose moments cannot have full rank.
    """
    num, steps, inputs = x.shape
    if num < steps * inputs:
        raise ValueError(
            f"Exactly white inputs over {steps} steps and {inputs} channels need at least {steps * inputs} sequences, "
            f"got {num}. Draw more, or train on the moments."
        )
    flat = x.reshape(num, -1)
    root, inverse = root_and_inverse(flat.T @ flat / num)
    return (flat @ (root @ inverse)).reshape(x.shape)
