"""Handwritten digits that come with scikit-learn: real data without a file."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._cite import cite
from ._file_task import FileTask
from ._parts import Fractions, as_fractions
from ._scale import AbstractScale, Standardise
from ._source import NUMBER, AbstractSource, Chunk
from ._table_pass import read_table


class _Arrays(AbstractSource):
    """Columns in memory."""

    def __init__(self, file: str, columns: dict[str, np.ndarray]) -> None:
        self.file, self.path, self.format, self.notes = file, file, "arrays", ()
        self._columns = columns
        self.names, self.reasons = tuple(columns), {}
        self.kinds = dict.fromkeys(columns, NUMBER)

    def num_rows(self) -> int:
        return len(next(iter(self._columns.values())))

    def chunks(self, columns: Sequence[str], size: int) -> Iterator[Chunk]:
        for start in range(0, self.num_rows(), size):
            yield {name: self._columns[name][start : start + size].astype(np.float64) for name in columns}


@cite("alpaydin1998optical")
def digits(
    *,
    scale: AbstractScale = Standardise(),  # noqa: B008 (immutable)
    split: Fractions | tuple[float, float, float] = Fractions(),  # noqa: B008 (immutable)
    seed: int = 0,
    dtype: Any = None,
) -> FileTask:
    """1,797 handwritten digits of 8 by 8 pixels in 10 classes, read in the same way as a table on disk.

    Inputs are `pixel ROW,COLUMN` (pixels that are blank in all images are dropped and reported), targets `digit=0` to
    `digit=9`, one-hot.

    Args:
        scale, split, seed, dtype: as in `from_table`.

    !!! example
        ```python
        task = ln.tasks.digits(scale=ln.tasks.Whiten())
        task.singular_modes().singular_values  # nine classes against the rest: the tenth is zero
        ```
    """
    from sklearn.datasets import load_digits

    loaded: Any = load_digits()
    pixels = [f"pixel {row},{column}" for row in range(8) for column in range(8)]
    columns = dict(zip(pixels, loaded.data.T))
    columns["digit"] = loaded.target
    return read_table(
        _Arrays("scikit-learn's digits", columns),
        pixels,
        ["digit"],
        classes=True,
        drop_missing=False,
        scale=scale,
        fractions=as_fractions(split),
        seed=seed,
        chunk_size=65_536,
        max_bytes=1 << 28,
        dtype=dtype,
    )
