"""A time series on disk as a task: overlapping windows, parts that follow each other in time."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import InputError
from ._clock import looks_like_time
from ._file_task import FileTask
from ._parts import Fractions, as_fractions
from ._read import open_source
from ._scale import AbstractScale, Standardise
from ._series_pass import SeriesColumns, read_series
from ._source import BOOLEAN, NUMBER, TIME, AbstractSource, check_kinds, listing, resolve


def from_series(
    path: str | os.PathLike,
    columns: Sequence[str] | None = None,
    *,
    window: int,
    horizon: int = 1,
    target: str | Sequence[str] | None = None,
    time: str | None = None,
    drop_missing: bool = False,
    scale: AbstractScale = Standardise(),  # noqa: B008 (immutable)
    split: Fractions | tuple[float, float, float] = Fractions(),  # noqa: B008 (immutable)
    seed: int = 0,
    chunk_size: int = 65_536,
    max_bytes: int = 1 << 28,
    dtype: Any = None,
) -> FileTask:
    r"""Reads a time series, one row a step, one overlapping window an example.

    $x = (z_{s}, \dots, z_{s+T-1})$ and $y = w_{s+T-1+h}$ for every start $s$.

    The parts follow each other in time and no window reaches from one into the next, so nothing of the future leaks
    into training. Moments are summed over all windows exactly, without cutting them; windows are kept as samples if
    they fit into `max_bytes`, otherwise an even, seeded choice of them. The file is read once (the lines of a CSV are
    counted before, because the borders in time must be known).

    Each column is centred by its mean over the rows of the training part, the same for all steps, so that a value looks
    the same wherever in a window it stands. Means over windows at a single step differ from zero by what the edges
    leave out.

    Args:
        path: a CSV, Parquet or NPZ file, rows in order of time.
        columns: the inputs $z$; by default all columns of numbers.
        window: $T$, the length of a window in rows.
        horizon: $h$, how many rows after the window's last the target is.
        target: the columns $w$ to be predicted; by default the same as the inputs.
        time: a column with the time of each row; it must increase, and is no input. By default one column of dates, or
            one called time, date, datetime or timestamp, is taken for it, if `columns` is not given.
        drop_missing: leaves out rows with missing or infinite values, which are an error otherwise; no window reaches
            over a gap.
        scale: `Standardise()`, `Whiten()` (over the columns of one row) or `Centre()`.
        split: shares of the training, validation and test part, in time.
        seed: decides which windows are kept where not all fit.
        chunk_size: rows at a time; changes memory and nothing else.
        max_bytes: memory for samples.
        dtype: of the results; by default float64 if x64 is on, else float32.

    Returns:
        A task with batches `"num step in"`, `"num out"` and `TemporalMoments`.

    Raises:
        InputError: for a file, a column or a length that cannot be used, in a sentence that says what to do.

    !!! example
        ```python
        task = ln.tasks.from_series("weather.csv", ["temperature", "pressure"], window=24, horizon=1)
        ```
    """
    for name, value in (("window", window), ("horizon", horizon), ("chunk_size", chunk_size), ("max_bytes", max_bytes)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(
                f"{name} needs to be a whole number of at least 1, got {value!r} (--{name.replace('_', '-')})."
            )
    fractions = as_fractions(split)
    source = open_source(path)
    chosen, notes = choose_columns(source, columns, target, time)
    return read_series(
        source,
        chosen,
        window=int(window),
        horizon=int(horizon),
        drop_missing=drop_missing,
        scale=scale,
        fractions=fractions,
        seed=seed,
        chunk_size=chunk_size,
        max_bytes=max_bytes,
        dtype=dtype,
        notes=notes,
    )


def choose_columns(
    source: AbstractSource, columns: Sequence[str] | None, target: str | Sequence[str] | None, time: str | None
) -> tuple[SeriesColumns, tuple[str, ...]]:
    """The columns that were asked for, with the time if there is one, and notes on what was decided."""
    notes = []
    clock = None
    if time is not None:
        clock = resolve(source, [time], "time column")[0]
        check_kinds(source, [clock], "time column", (NUMBER, TIME))
    elif columns is None:
        dates = [name for name in source.names if source.kinds[name] == TIME]
        dates = dates or [name for name in source.names if looks_like_time(name) and source.kinds[name] == NUMBER]
        if len(dates) == 1:
            clock = dates[0]
            notes.append(f"Column {clock!r} was taken for the time of each row.")
    if columns is None:
        inputs = tuple(name for name in source.names if source.kinds[name] in (NUMBER, BOOLEAN) and name != clock)
        left = [name for name in source.names if name not in inputs and name != clock]
        if not inputs:
            raise InputError(
                f"A time series of numbers is needed, but {source.path} has no such column; it has "
                f"{listing(source.names)}."
            )
        if left:
            notes.append(f"Left out, because they hold no numbers: {', '.join(left)}.")
    else:
        inputs = resolve(source, columns, "column")
        check_kinds(source, inputs, "input", (NUMBER, BOOLEAN))
    targets = None if target is None else resolve(source, target, "target")
    if targets is not None:
        check_kinds(source, targets, "target", (NUMBER, BOOLEAN))
    if clock is not None and clock in (*inputs, *(targets or ())):
        raise InputError(
            f"Column {clock!r} is the time of each row and among the inputs or targets. Leave it out of one of them."
        )
    return SeriesColumns(inputs, targets, clock), tuple(notes)
