"""What was read from a file, and every decision on the way, in words and numbers."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class ColumnReading:
    """One column that was used.

    Args:
        name: as in the file.
        role: "input", "target", or "input and target" in time series.
        kind: "number", "categories", "classes" or "time".
        categories: how many there are; `None` for numbers.
    """

    name: str
    role: str
    kind: str
    categories: int | None = None


@dataclasses.dataclass(frozen=True)
class Reading:
    """The account of one reading.

    Args:
        path: the file.
        format: "csv", "parquet", "npz" or "arrays".
        rows: in the file.
        columns: those that were used.
        unused: columns of the file that were not asked for.
        dropped_columns: inputs that were left out, each with the reason.
        dropped_rows: rows left out because a value was missing.
        missing: columns with missing values and how many.
        infinite: columns with infinite values and how many.
        parts: examples in the training, validation and test part that the moments were made of.
        kept: examples in each part that are kept as samples; fewer than `parts` where all would not fit in memory.
        discarded: directions of the inputs that whitening left out, in terms of columns.
        notes: further decisions, as sentences.
    """

    path: str
    format: str
    rows: int
    columns: tuple[ColumnReading, ...]
    unused: tuple[str, ...] = ()
    dropped_columns: tuple[tuple[str, str], ...] = ()
    dropped_rows: int = 0
    missing: tuple[tuple[str, int], ...] = ()
    infinite: tuple[tuple[str, int], ...] = ()
    parts: tuple[int, int, int] = (0, 0, 0)
    kept: tuple[int, int, int] = (0, 0, 0)
    discarded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """The account in sentences, for a person."""
        lines = [f"{self.rows:,} rows were read from {self.path}."]
        inputs = [column for column in self.columns if "input" in column.role]
        targets = [column for column in self.columns if "target" in column.role]
        lines.append(f"Inputs: {_columns(inputs)}. Target: {_columns(targets)}.")
        train, validation, test = self.parts
        lines.append(f"{train:,} examples to train, {validation:,} to validate, {test:,} to test.")
        if self.dropped_rows:
            where = ", ".join(f"{name} {count:,}" for name, count in (*self.missing, *self.infinite)[:8])
            lines.append(f"{self.dropped_rows:,} rows with missing or infinite values were dropped ({where}).")
        reasons: dict[str, list[str]] = {}
        for name, reason in self.dropped_columns:
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            lines.append(f"Dropped, because {reason}: {_some(names, 12)}.")
        if self.kept != self.parts:
            lines.append(
                f"Moments were made of all examples; {sum(self.kept):,} of {sum(self.parts):,}, drawn evenly, are "
                "kept as samples."
            )
        if self.discarded:
            lines.append(
                f"Whitening discarded {len(self.discarded)} directions without variance: "
                f"{_some(self.discarded, 4, '; ')}."
            )
        return (*lines, *self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)


def _columns(columns: list[ColumnReading]) -> str:
    shown = [
        f"{column.name} ({column.categories} {column.kind})" if column.categories else column.name for column in columns
    ]
    return _some(shown, 8)


def _some(names: Any, most: int, between: str = ", ") -> str:
    names = list(names)
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
