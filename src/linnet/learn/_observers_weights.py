"""Observers of a network's weights: balance, norms, recurrent eigenvalues."""

from typing import Any

import equinox as eqx
from jaxtyping import Array

from .. import analyse
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("saxe2014exact", "domine2025lazy")
class Balancedness(AbstractObserver):
    """How far each hidden layer is from balanced, `linnet.analyse.balancedness`; conserved by the flow of linear "
    "networks."""

    @property
    def name(self) -> str:
        return "balancedness"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("layer",)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return analyse.balancedness(network)


class WeightNorms(AbstractObserver):
    """The Frobenius norm of each array of parameters."""

    names: tuple[str, ...] = eqx.field(default=(), static=True)

    @property
    def name(self) -> str:
        return "weight_norms"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("weight",)

    def coords(self) -> dict[str, Any]:
        return {"weight": self.names}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "WeightNorms":
        return WeightNorms(analyse.weight_names(network))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return analyse.weight_norms(network)


class RecurrentEigenvalues(AbstractObserver):
    """The eigenvalues of the recurrent weights, real and imaginary parts, the largest modulus first."""

    @property
    def name(self) -> str:
        return "recurrent_eigenvalues"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("eigenvalue", "part")

    def coords(self) -> dict[str, Any]:
        return {"part": ("real", "imaginary")}

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return analyse.recurrent_eigenvalues(network)
