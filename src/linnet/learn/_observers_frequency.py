"""Observer of what each spatial frequency does for the modes of a task."""

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import analyse, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver, bind_response, respond


@cite("pinson2023linear")
class FrequencyStrengths(AbstractObserver):
    r"""What each frequency contributes to the strength of each mode, $\mathrm{Re}\,(u_\alpha^\top \hat M_f)
    \overline{\hat v_{\alpha,f}}$, which sums over frequencies to $u_\alpha^\top M v_\alpha$.

    Transforms are unitary; of a nonlinear network $M$ is the linear map that fits it best on the training inputs.

    Args:
        space: the shape of the images that the inputs are.
        inputs: on which the best linear map of a nonlinear network is measured; by default the training inputs.
    """

    space: tuple[int, ...] = eqx.field(static=True)
    inputs: Float[Array, "num in"] | None = None
    modes: tasks.SingularModes | None = None
    response: analyse.BestLinearMap | None = None

    @property
    def name(self) -> str:
        return "frequency_strengths"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("mode", "frequency")

    def coords(self) -> dict[str, Any]:
        return {"frequency": np.arange(math.prod(self.space))}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "FrequencyStrengths":
        modes = tasks.as_moments(task).singular_modes()
        if modes.step_singular_values is not None or modes.right.shape[0] != math.prod(self.space):
            raise ValueError(
                f"FrequencyStrengths needs inputs that are images of shape {self.space}, {math.prod(self.space)} "
                f"pixels, got modes of shape {modes.right.shape}. Pass the shape of the task's images."
            )
        return FrequencyStrengths(self.space, None, modes, bind_response(network, task, self.inputs))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.modes is None:
            raise ValueError("FrequencyStrengths has to be bound to a task first; `simulate` does it.")
        linear_map = respond(network, self.response, self.modes)
        read, images = (
            jnp.fft.fftn(rows.reshape(-1, *self.space), axes=tuple(range(1, len(self.space) + 1)), norm="ortho")
            for rows in (self.modes.left.T @ linear_map, self.modes.right.T)
        )
        return jnp.real(read * jnp.conj(images)).reshape(images.shape[0], -1)
