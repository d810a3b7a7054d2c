"""What linnet has computed of each system: exponents, dimension and period, with their errors."""

import dataclasses

from ._system import closest
from ._table import invariant_table, table

#: How the computation of a spectrum ended.
VERDICTS = {
    "chaotic": "the largest exponent is positive, its error less than a tenth of it",
    "regular": "the largest exponent is zero or negative within its error",
    "unconverged": "the error is too large for either",
    "discontinuous": "the derivative misses the jumps of the right-hand side: the exponents are not the system's",
    "failed": "no spectrum was computed; `reason` says why",
}


@dataclasses.dataclass(frozen=True)
class Invariants:
    """The recomputed invariants of a system, as `tools/recompute_invariants.py` has stored them.

    Args:
        verdict: a word of `VERDICTS`.
        exponents: the Lyapunov exponents, descending (of delay flows the largest four), per unit of time.
        errors: their errors: the standard error and the difference between two steps, in quadrature.
        kaplan_yorke_dimension: the Kaplan-Yorke dimension.
        kaplan_yorke_error: its error.
        period: the period of the strongest oscillation; `None` for maps.
        period_error: its error.
        reason: why a computation failed.
    """

    verdict: str
    exponents: tuple[float, ...] = ()
    errors: tuple[float, ...] = ()
    kaplan_yorke_dimension: float | None = None
    kaplan_yorke_error: float | None = None
    period: float | None = None
    period_error: float | None = None
    reason: str = ""


def invariants(name: str) -> Invariants | None:
    """The recomputed invariants of a system of the table; `None` where none have been computed yet.

    Raises:
        ValueError: if no system has this name.
    """
    if name not in table():
        raise ValueError(f"There is no system {name!r}{closest(name, table())}; `linnet.systems.names()` lists all.")
    entry = invariant_table().get(name)
    if entry is None:
        return None
    known = {field.name for field in dataclasses.fields(Invariants)}
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key in known}
    return Invariants(**values)
