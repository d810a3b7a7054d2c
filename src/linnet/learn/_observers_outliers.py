"""Observers of recurrent weights that few modes explain: outliers, and overlaps with read-in and read-out."""

from typing import Any

import equinox as eqx
from jaxtyping import Array

from .. import analyse
from .._cite import cite
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("bordelon2025dynamically")
class OutlierEigenvalues(AbstractObserver):
    """The eigenvalues of the recurrent weights of largest modulus, real and imaginary parts.

    Learning adds outliers to a bulk of random ones: one for a leaky integrator, a conjugate pair for an oscillation. As
    long as they are within the bulk, its largest ones are recorded.

    Args:
        num: how many.
    """

    num: int = eqx.field(static=True, default=1)

    @property
    def name(self) -> str:
        return "outlier_eigenvalues"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("outlier", "part")

    def coords(self) -> dict[str, Any]:
        return {"part": ("real", "imaginary")}

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        found = analyse.recurrent_eigenvalues(network)
        if not 1 <= self.num <= found.shape[0]:
            raise ValueError(
                f"OutlierEigenvalues needs a num from 1 to {found.shape[0]}, the hidden units, got {self.num}."
            )
        return found[: self.num]


@cite("bordelon2025dynamically")
class Overlaps(AbstractObserver):
    """The overlaps of read-in, read-out and recurrent weights, `linnet.analyse.overlaps`."""

    @property
    def name(self) -> str:
        return "overlaps"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("overlap",)

    def coords(self) -> dict[str, Any]:
        return {"overlap": analyse.OVERLAPS}

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return analyse.overlaps(network)
