"""Columns to numbers: categories and classes one-hot, discovered while the file streams by."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import InputError
from ._missing import check_size
from ._source import BOOLEAN, TEXT, AbstractSource, Chunk, Text, leave_out

#: A text column with more different values than this is free text (a target may have `MAX_CLASSES` if classes are
#: asked for).
MAX_CATEGORIES = 100
MAX_CLASSES = 1000
#: A target of whole numbers with at most so many different values is taken for classes.
MAX_INTEGER_CLASSES = 20
_FEW = 5


@dataclasses.dataclass(frozen=True)
class Slot:
    """A column of encoded rows: a column's numbers (no label), or where it has a certain value."""

    column: str
    label: str | float | None = None

    @property
    def name(self) -> str:
        if self.label is None:
            return self.column
        label = self.label
        return f"{self.column}={int(label) if isinstance(label, float) and label.is_integer() else label}"


class TableEncoder:
    """Encodes chunks to float64 rows, with a new slot at the end for each category that is met.

    A target of numbers is encoded twice, as it is and, as long as it may be classes, one-hot: only the whole file tells
    which it is, and one pass must do.

    Args:
        source: the file.
        inputs, targets: columns.
        classes: whether targets are classes; `None`: text is, and whole numbers with few different values are.
    """

    def __init__(
        self, source: AbstractSource, inputs: Sequence[str], targets: Sequence[str], classes: bool | None
    ) -> None:
        self._source, self._inputs, self._targets, self._classes = source, inputs, targets, classes
        self.slots: list[Slot] = []
        self._index: dict[Slot, int] = {}
        self._labels: dict[str, set[str | float]] = {name: set() for name in (*inputs, *targets)}
        # Targets of numbers that may still be classes.
        self._open = {name for name in targets if source.kinds[name] != TEXT and classes is not False}
        self.rows = 0

    def encode(self, chunk: Chunk, good: np.ndarray) -> np.ndarray:
        """The good rows of a chunk, `"row slot"`."""
        num = int(np.sum(good))
        self.rows += num
        whole = num == len(good)
        filled: list[tuple[Any, Any, Any]] = []
        everything, every = np.arange(num), slice(None)
        for name, values in chunk.items():
            if isinstance(values, Text):
                codes = values.codes if whole else values.codes[good]
                table = np.zeros(len(values.labels), np.int64)
                for code in np.unique(codes):
                    table[code] = self._slot(Slot(name, values.labels[code]))
                filled.append((everything, table[codes], 1.0))
                continue
            numbers = values if whole else values[good]
            check_size(self._source.path, name, numbers)
            filled.append((every, self._slot(Slot(name)), numbers))
            if name in self._open and num:
                different, codes = np.unique(numbers, return_inverse=True)
                if self._may_be_classes(name, different):
                    table = np.array([self._slot(Slot(name, float(value))) for value in different], np.int64)
                    filled.append((everything, table[codes], 1.0))
        self._check_free_text(chunk)
        rows = np.zeros((num, len(self.slots)))
        for where, slot, value in filled:
            rows[where, slot] = value
        return rows

    def is_classes(self, name: str) -> bool:
        """Whether a target is classes (after the last row)."""
        if (
            self._source.kinds[name] == TEXT
            or name in self._open
            and (self._classes or self._source.kinds[name] == BOOLEAN)
        ):
            return True
        return name in self._open and 2 * len(self._labels[name]) <= self.rows

    def slots_of(self, name: str) -> list[int]:
        """The slots that a column ended up in, categories in their natural order (after the last row)."""
        one_hot = self._source.kinds[name] == TEXT or (name in self._targets and self.is_classes(name))
        if not one_hot:
            return [self._index[Slot(name)]]
        return [self._index[Slot(name, label)] for label in sorted(self._labels[name], key=_natural)]

    def slot_name(self, slot: int) -> str:
        """What a slot is called, such as `age` or `species=setosa`."""
        found = self.slots[slot]
        if found.label is not None and self._source.kinds[found.column] == BOOLEAN:
            return f"{found.column}={bool(found.label)}"
        return found.name

    def finish(self) -> None:
        """Refuses, after the last row, text in which hardly a value comes twice.

        Raises:
            InputError: with the number of different values and of rows.
        """
        for name, labels in self._labels.items():
            num = len(labels)
            if self._source.kinds[name] != TEXT or self._classes and name in self._targets:
                continue
            if num > _FEW and 2 * num > self.rows or num == self.rows > 2:
                raise self._free_text(name, f"{num} different values in {self.rows:,} rows")

    def _slot(self, slot: Slot) -> int:
        if slot not in self._index:
            self._index[slot] = len(self.slots)
            self.slots.append(slot)
            if slot.label is not None:
                self._labels[slot.column].add(slot.label)
        return self._index[slot]

    def _may_be_classes(self, name: str, different: np.ndarray) -> bool:
        together = len(self._labels[name] | set(different.tolist()))
        if self._classes:
            if together > MAX_CLASSES:
                raise InputError(
                    f"Target {name!r} has more than {MAX_CLASSES} different values: too many to be classes. Read it "
                    "as numbers by classes=False."
                )
            return True
        whole = bool(np.all(different == np.round(different)))
        if not whole or together > MAX_INTEGER_CLASSES:
            self._open.discard(name)
        return name in self._open

    def _check_free_text(self, chunk: Chunk) -> None:
        for name, values in chunk.items():
            limit = MAX_CLASSES if self._classes and name in self._targets else MAX_CATEGORIES
            if isinstance(values, Text) and len(self._labels[name]) > limit:
                raise self._free_text(name, f"more than {limit} different values in the first {self.rows:,} rows")

    def _free_text(self, name: str, counts: str) -> InputError:
        example = next(iter(sorted(self._labels[name], key=_natural)))
        shown = str(example) if len(str(example)) <= 40 else f"{str(example)[:37]}..."
        text = f"Column {name!r} of {self._source.path} is free text or an identifier: {counts} (such as {shown!r})"
        if name in self._targets:
            return InputError(f"{text}, which cannot be a target. Choose another, or force classes by classes=True.")
        rest = [other for other in self._inputs if other != name]
        return InputError(f"{text}. {leave_out('input', rest)}")


def _natural(label: str | float) -> tuple[int, float, str]:
    """Numbers by value, then text by letters."""
    try:
        return 0, float(label), ""
    except ValueError:
        return 1, 0.0, str(label)
