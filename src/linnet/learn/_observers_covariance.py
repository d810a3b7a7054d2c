"""An observer of what covariance a linear network generates."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("brechet2023critical")
class GeneratedVariances(AbstractObserver):
    r"""The variance that a network generates along each eigenvector of its target, $q_i^\top W W^\top q_i$."""

    basis: Float[Array, "out mode"] | None = None

    @property
    def name(self) -> str:
        return "generated_variances"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("mode",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "GeneratedVariances":
        if not isinstance(task, tasks.CovarianceMatching):
            raise ValueError(f"GeneratedVariances needs a CovarianceMatching, got a {type(task).__name__}.")
        return GeneratedVariances(task.modes()[1])

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.basis is None:
            raise ValueError("GeneratedVariances has to be bound to a task first; `simulate` does it.")
        return jnp.sum((self.basis.T @ network.end_to_end()) ** 2, axis=1)
