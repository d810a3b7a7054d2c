"""The contract of a study: one paper's claims, each decided by a comparison with a tolerance."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import xarray as xr

from ..report import Figure

Relation = Literal["close", "at least", "at most"]


@dataclasses.dataclass(frozen=True)
class Claim:
    """One decided claim.

    Args:
        statement: what is claimed, as a sentence a reader can check.
        predicted: the number the claim asks for: the value, or the bound.
        measured: the number that was found.
        tolerance: how far the two may be apart (absolute; for bounds, how far the bound may be overstepped).
        relation: "close" ($|m - p| \\le$ tolerance), "at least" ($m \\ge p$ - tolerance) or "at most" ($m \\le p$ +
            tolerance).
        control: whether this is a negative control: it holds if the effect is gone once its cause is taken away.
    """

    statement: str
    predicted: float
    measured: float
    tolerance: float = 0.0
    relation: Relation = "close"
    control: bool = False

    @property
    def holds(self) -> bool:
        """Whether the claim holds (never for NaN)."""
        gap = float(self.measured) - float(self.predicted)
        bounds = {"close": abs(gap), "at least": -gap, "at most": gap}
        return bool(np.isfinite(self.measured) and bounds[self.relation] <= self.tolerance)

    def to_dict(self) -> dict[str, Any]:
        """The claim as the command line's JSON has it."""
        return {
            "statement": self.statement,
            "predicted": float(self.predicted),
            "measured": float(self.measured),
            "tolerance": float(self.tolerance),
            "relation": self.relation,
            "control": self.control,
            "holds": self.holds,
        }


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a study found.

    Args:
        claims: the decided claims, the negative controls among them.
        figures: its figures, the most telling first.
        datasets: the arrays behind them, by name.
    """

    claims: tuple[Claim, ...]
    figures: tuple[Figure, ...]
    datasets: dict[str, xr.Dataset] = dataclasses.field(default_factory=dict)

    @property
    def hold(self) -> bool:
        """Whether all claims hold."""
        return all(claim.holds for claim in self.claims)


#: A study: a cited function `(config, *, key, progress) -> Findings`, reproducible from its config and key alone.
Study = Callable[..., Findings]


def silent(stage: str) -> None:
    """The default progress: says nothing."""
