"""The observer of how near a filter is to its teacher."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver

_QUANTITIES = ("norm", "angle", "distance")


@cite("du2018when")
class TeacherFilter(AbstractObserver):
    """A filter against its teacher's: "filter_norm", "filter_angle" (0 to pi) or "filter_distance".

    Args:
        quantity: "norm", "angle" or "distance".
    """

    quantity: str = eqx.field(default="angle", static=True)
    teacher: Float[Array, " in"] | None = None

    def __check_init__(self) -> None:
        if self.quantity not in _QUANTITIES:
            raise ValueError(f'TeacherFilter observes "norm", "angle" or "distance", got "{self.quantity}".')

    @property
    def name(self) -> str:
        return f"filter_{self.quantity}"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "TeacherFilter":
        if not isinstance(task, (tasks.FilterTeacher, tasks.FilterPatches)):
            raise ValueError(f"TeacherFilter needs a FilterTeacher or FilterPatches, got a {type(task).__name__}.")
        return TeacherFilter(self.quantity, task.filter)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.teacher is None:
            raise ValueError("TeacherFilter has to be bound to a task first; `simulate` does it.")
        if self.quantity == "norm":
            return jnp.linalg.norm(network.filter)
        if self.quantity == "distance":
            return jnp.linalg.norm(network.filter - self.teacher)
        # By sum and difference of unit vectors, which keep the digits near 0 and pi.
        one, two = (w / jnp.maximum(jnp.linalg.norm(w), 1e-30) for w in (network.filter, self.teacher))
        return 2 * jnp.arctan2(jnp.linalg.norm(one - two), jnp.linalg.norm(one + two))
