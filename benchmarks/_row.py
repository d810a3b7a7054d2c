"""What a benchmark reports: one row for each number, and the seconds behind it."""

import dataclasses
import operator

_RELATIONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}


@dataclasses.dataclass(frozen=True)
class Row:
    """One number of the results table.

    Args:
        benchmark: the name of the benchmark.
        what: what the number is.
        value: the number; `None` where it could not be measured.
        unit: "x" (a ratio), "%", "s", "programs" or nothing.
        relation: how the number should stand to its target: "<=", ">=" or "<".
        target: the target; `None` for a number that only accompanies others.
        seconds: what was measured, by contestant: CPU seconds (all threads) and wall seconds.
        note: what one has to know to read the number, or why there is none.
    """

    benchmark: str
    what: str
    value: float | None
    unit: str = "x"
    relation: str = ">="
    target: float | None = None
    seconds: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the target is reached; `None` where there is no target or no number."""
        if self.value is None or self.target is None:
            return None
        return bool(_RELATIONS[self.relation](self.value, self.target))

    def asked(self) -> str:
        """The target as text."""
        return "" if self.target is None else f"{self.relation} {self.target:g} {self.unit}".strip()

    def measured(self) -> str:
        """The number as text, in three digits."""
        if self.value is None:
            return "skipped"
        digits = f"{self.value:.0f}" if abs(self.value) >= 1000 or self.unit == "programs" else f"{self.value:.3g}"
        return f"{digits} {self.unit}".strip()
