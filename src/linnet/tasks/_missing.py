"""Missing and infinite values: counted, located, and refused or dropped."""

from collections.abc import Sequence

import numpy as np

from .._errors import InputError
from ._source import Chunk, Text, listing

_FIRST = 3
_NAT = np.iinfo(np.int64).min
#: Squares of larger numbers, summed, leave float64.
_LARGEST = 1e150


class Gaps:
    """Counts what is missing or infinite in each column while chunks stream by.

    Attributes:
        seen: rows so far.
        dropped: rows with at least one gap.
    """

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        self._path, self.seen, self.dropped = path, 0, 0
        self._missing = dict.fromkeys(columns, 0)
        self._infinite = dict.fromkeys(columns, 0)
        self._first: dict[str, list[int]] = {name: [] for name in columns}

    def good(self, chunk: Chunk) -> np.ndarray:
        """Which rows of the next chunk are whole, `"row"`."""
        good = np.ones(_rows(chunk), bool)
        for name in self._missing:
            values = chunk[name]
            if isinstance(values, Text):
                gap = values.codes < 0
            elif values.dtype == np.int64:
                gap = values == _NAT
            else:
                gap = ~np.isfinite(values)
            if not gap.any():
                continue
            infinite = (
                int(np.sum(np.isinf(values))) if isinstance(values, np.ndarray) and values.dtype != np.int64 else 0
            )
            self._infinite[name] += infinite
            self._missing[name] += int(np.sum(gap)) - infinite
            first = self._first[name]
            first.extend((np.flatnonzero(gap)[: _FIRST - len(first)] + self.seen + 1).tolist())
            good &= ~gap
        self.seen += len(good)
        self.dropped += int(np.sum(~good))
        return good

    def missing(self) -> tuple[tuple[str, int], ...]:
        """Columns with missing values."""
        return tuple((name, count) for name, count in self._missing.items() if count)

    def infinite(self) -> tuple[tuple[str, int], ...]:
        """Columns with infinite values."""
        return tuple((name, count) for name, count in self._infinite.items() if count)

    def check(self, drop_missing: bool) -> None:
        """Refuses gaps, unless their rows may be dropped and others are left.

        Raises:
            InputError: with the number and the place of the gaps in each column.
        """
        if not self.dropped or (drop_missing and self.dropped < self.seen):
            return
        counts = [(name, count, "missing") for name, count in self.missing()]
        counts += [(name, count, "infinite") for name, count in self.infinite()]
        counts.sort(key=lambda item: -item[1])
        empty = [name for name, count, _ in counts if count == self.seen]
        if empty:
            raise InputError(
                f"Column {listing(empty)} of {self._path} has no value in any of the {self.seen:,} rows. "
                "Leave it out by naming the others in columns=[...] (--columns)."
            )
        shown = " and ".join(
            f"column {name!r} has {count:,} {what}{self._where(name, count)}" for name, count, what in counts[:4]
        )
        more = f" (and {len(counts) - 4} more columns)" if len(counts) > 4 else ""
        if drop_missing:
            raise InputError(
                f"No row of {self._path} is whole: {shown}{more}. Leave such columns out by columns=[...] (--columns)."
            )
        raise InputError(
            f"Finite values are needed, but in {self._path} {shown}{more}. Correct them, or go on without the "
            f"{self.dropped:,} of {self.seen:,} rows by drop_missing=True (--drop-missing)."
        )

    def _where(self, name: str, count: int) -> str:
        first = ", ".join(str(row) for row in self._first[name])
        if count == 1:
            return f" value (row {first}, counted from 1)"
        return f" values (rows {first}{', ...' if count > _FIRST else ''}, counted from 1)"


def check_size(path: str, name: str, values: np.ndarray) -> None:
    """Refuses values whose squares would overflow."""
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest > _LARGEST:
        raise InputError(
            f"Column {name!r} of {path} holds values as large as {largest:.1e}, whose squares overflow. Rescale it."
        )


def _rows(chunk: Chunk) -> int:
    first = next(iter(chunk.values()))
    return len(first.codes if isinstance(first, Text) else first)
