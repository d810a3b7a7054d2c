"""A table on disk as a task: one pass, in chunks, moments exact however large the file is."""

import os
from collections.abc import Sequence
from typing import Any

from .._errors import InputError
from ._file_task import FileTask
from ._parts import Fractions, as_fractions
from ._read import open_source
from ._scale import AbstractScale, Standardise
from ._source import BOOLEAN, NUMBER, TEXT, AbstractSource, check_kinds, listing, resolve
from ._table_pass import read_table


def from_table(
    path: str | os.PathLike,
    target: str | Sequence[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    classes: bool | None = None,
    drop_missing: bool = False,
    scale: AbstractScale = Standardise(),  # noqa: B008 (immutable)
    split: Fractions | tuple[float, float, float] = Fractions(),  # noqa: B008 (immutable)
    seed: int = 0,
    chunk_size: int = 65_536,
    max_bytes: int = 1 << 28,
    dtype: Any = None,
) -> FileTask:
    """Reads a table, one row an example.

    The file is read once, in chunks, and need not fit in memory: means and second moments of each part are accumulated
    in float64 by a stable merge. Rows are kept as samples too, all of them if they fit into `max_bytes`, otherwise an
    even, seeded choice. Columns of text become categories, one input each; classes become one-hot targets. Inputs and
    targets are centred by the means of the training part; how they are scaled is fitted there too.

    Args:
        path: a CSV (comma, semicolon, tab; UTF-8), Parquet or NPZ file; in an NPZ, `x` of shape `(rows, 3)` is the
            columns `x[0]`, `x[1]`, `x[2]`.
        target: one or several columns to be predicted; in an NPZ with an array `y`, that by default.
        columns: the inputs; by default all columns but the target.
        classes: whether targets are classes. By default text, booleans, and whole numbers with at most 20 different
            values are; what was decided is in `task.report`.
        drop_missing: leaves out rows with missing or infinite values, which are an error otherwise.
        scale: `Standardise()`, `Whiten()` or `Centre()`.
        split: shares of the training, validation and test part; a part comes out `None` if no row falls into it.
        seed: decides which row goes to which part.
        chunk_size: rows at a time; changes memory and nothing else.
        max_bytes: memory for samples.
        dtype: of the results; by default float64 if x64 is on, else float32.

    Returns:
        A task whose `draw()` is the split and whose `moments()` are those of the training part.

    Raises:
        InputError: for a file or a column that cannot be used, in a sentence that says what to do.

    !!! example
        ```python
        task = ln.tasks.from_table("iris.csv", target="species")
        split = task.draw()
        print(*task.report.sentences(), sep="\\n")
        ```
    """
    if chunk_size < 1 or max_bytes < 1:
        raise InputError(f"chunk_size and max_bytes need to be at least 1, got {chunk_size} and {max_bytes}.")
    fractions = as_fractions(split)
    source = open_source(path)
    targets = _targets(source, target)
    inputs = _inputs(source, columns, targets)
    check_kinds(source, targets, "target", (NUMBER, BOOLEAN) if classes is False else (NUMBER, BOOLEAN, TEXT))
    check_kinds(source, inputs, "input", (NUMBER, BOOLEAN, TEXT))
    return read_table(
        source,
        inputs,
        targets,
        classes=classes,
        drop_missing=drop_missing,
        scale=scale,
        fractions=fractions,
        seed=seed,
        chunk_size=chunk_size,
        max_bytes=max_bytes,
        dtype=dtype,
    )


def _targets(source: AbstractSource, target: str | Sequence[str] | None) -> tuple[str, ...]:
    if target is None:
        default = source.expand("y") if source.format == "npz" else ()
        if not default:
            raise InputError(
                f"A target is needed: target=... (--target). {source.path} has the columns {listing(source.names, 20)}."
            )
        return default
    return resolve(source, target, "target")


def _inputs(source: AbstractSource, columns: Sequence[str] | None, targets: Sequence[str]) -> tuple[str, ...]:
    if columns is None:
        inputs = tuple(name for name in source.names if name not in targets)
        if not inputs:
            raise InputError(
                f"Inputs are needed besides the target, but {source.path} has no column other than {listing(targets)}."
            )
        return inputs
    inputs = resolve(source, columns, "column")
    both = [name for name in inputs if name in targets]
    if both:
        raise InputError(
            f"{listing(both)} is the target and among the columns, so it would only be copied. Leave it out of one "
            "of them."
        )
    return inputs
