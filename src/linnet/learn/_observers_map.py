"""Observers of a network's linear map: its alignment with the task, its singular values."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver, bind_response, respond


@cite("saxe2014exact")
class ModeAlignment(AbstractObserver):
    """How nearly each mode of the task is a pair of singular vectors of the network's map
    (`linnet.analyse.mode_alignment`).

    Args:
        inputs: on which the best linear map of a nonlinear network is measured; by default the training inputs.
    """

    inputs: Float[Array, "num ..."] | None = None
    modes: tasks.SingularModes | None = None
    response: analyse.BestLinearMap | None = None

    @property
    def name(self) -> str:
        return "mode_alignment"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("mode",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "ModeAlignment":
        modes = tasks.as_moments(task).singular_modes()
        return ModeAlignment(None, modes, bind_response(network, task, self.inputs))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.modes is None:
            raise ValueError("ModeAlignment has to be bound to a task first; `simulate` does it.")
        return analyse.mode_alignment(respond(network, self.response, self.modes), self.modes)


class SingularValues(AbstractObserver):
    """The singular values of the network's end-to-end map, or of one of its weights; descending.

    Of a `LinearRNN` those of $W_y W_x$, of a nonlinear network those of the linear map that fits it best on the
    training inputs (over sequences, from the last input to the last output).

    Args:
        weight: which of the weight matrices, by its place among them (of a `LinearRNN`: 0 input, 1 recurrent, 2
            output); `None` for the end-to-end map. The quantity is then called "singular_values_0" and so on.
        inputs: on which the best linear map of a nonlinear network is measured; by default the training inputs.
    """

    weight: int | None = eqx.field(default=None, static=True)
    inputs: Float[Array, "num ..."] | None = None
    response: analyse.BestLinearMap | None = None

    @property
    def name(self) -> str:
        return "singular_values" if self.weight is None else f"singular_values_{self.weight}"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("rank",) if self.weight is None else (f"rank_{self.weight}",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "SingularValues":
        if self.weight is None:
            return SingularValues(None, None, bind_response(network, task, self.inputs))
        num = len(nn.weight_matrices(network))
        if not 0 <= self.weight < num:
            raise ValueError(
                f"SingularValues needs a weight from 0 to {num - 1}, the number of weight matrices of this "
                f"{type(network).__name__} less one, got {self.weight}."
            )
        return dataclasses.replace(self, inputs=None)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.weight is not None:
            matrix = nn.weight_matrices(network)[self.weight][1]
        elif self.response is not None:
            linear_map = self.response(network)
            matrix = linear_map if linear_map.ndim == 2 else linear_map[-1]
        else:
            return analyse.singular_values(network)
        return jnp.linalg.svd(matrix, compute_uv=False)
