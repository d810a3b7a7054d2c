"""The one pass over a time series: segments without gaps, lagged moments, windows as samples."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._errors import InputError
from ._clock import Clock
from ._file_task import FileTask, finish, result_dtype
from ._lagged import LaggedMoments, Windows
from ._missing import Gaps, check_size
from ._parts import PARTS, TRAIN, Fractions
from ._reading import ColumnReading, Reading
from ._running import RunningMoments
from ._scale import AbstractScale, FittedScale
from ._source import AbstractSource, Chunk, listing
from ._table_pass import chunk_rows, warn_of_memory


@dataclasses.dataclass(frozen=True)
class SeriesColumns:
    """The columns of a series.

    Args:
        inputs: what a window is made of.
        targets: what is predicted; `None`: the inputs.
        clock: the time of each row, or `None`.
    """

    inputs: tuple[str, ...]
    targets: tuple[str, ...] | None
    clock: str | None

    @property
    def values(self) -> tuple[str, ...]:
        """Inputs and targets, each once."""
        return tuple(dict.fromkeys((*self.inputs, *(self.targets or ()))))


def read_series(
    source: AbstractSource,
    chosen: SeriesColumns,
    *,
    window: int,
    horizon: int,
    drop_missing: bool,
    scale: AbstractScale,
    fractions: Fractions,
    seed: int,
    chunk_size: int,
    max_bytes: int,
    dtype: Any,
    notes: tuple[str, ...],
) -> FileTask:
    """Reads any source; arguments as in `from_series`, with the columns settled."""
    dtype = result_dtype(dtype)
    values = chosen.values
    targets = chosen.targets or chosen.inputs
    total = source.num_rows()
    first, second = fractions.borders(total)
    _check_lengths(source, total, first, window, horizon)
    width = window * len(chosen.inputs) + len(targets)
    warn_of_memory(10 * 8 * width**2, f"windows of {window} steps and {len(chosen.inputs)} columns")
    windows = Windows(
        window,
        horizon,
        np.array([values.index(name) for name in chosen.inputs]),
        np.array([values.index(name) for name in targets]),
        min(2**64, int(2.0**64 * min(1.0, max_bytes / (8 * width * total)))),
        seed,
    )
    gaps = Gaps(source.path, (*values, *([chosen.clock] if chosen.clock else [])))
    clock = None if chosen.clock is None else Clock(source.path, chosen.clock)
    columns = [RunningMoments() for _ in PARTS]
    lagged: list[LaggedMoments | None] = [None, None, None]
    # Each chunk is also held as windows where these are kept, so it must be smaller.
    size = min(chunk_rows(chunk_size, width), chunk_size)
    for number, rows, good in _rows(source, chosen, gaps, clock, size):
        if gaps.dropped and not drop_missing:
            continue  # the rest is only counted, for the message
        for which, (begin, end) in enumerate(((0, first), (first, second), (second, np.inf))):
            mine = slice(int(max(begin - number, 0)), int(max(min(end - number, len(rows)), 0)))
            if mine.start >= mine.stop:
                continue
            whole = rows[mine][good[mine]]
            columns[which].add(whole)
            if lagged[which] is None and len(whole):
                lagged[which] = LaggedMoments(windows, whole.mean(axis=0))
            _add_runs(lagged[which], rows[mine], good[mine], number + mine.start)
    gaps.check(drop_missing)
    for part in lagged:
        if part is not None:
            part.close()
    if lagged[TRAIN] is None or lagged[TRAIN].num < 2:
        raise InputError(
            f"At least 2 windows to train on are needed, but the training part of {source.path} ({first} rows, "
            f"{gaps.dropped} of all rows "
            f"dropped) has fewer. Use a shorter window than {window} (--window), or a longer series."
        )
    kept, kept_targets, dropped = _useful(source, chosen, columns, values)
    train = columns[TRAIN]
    names = tuple(chosen.inputs[i] for i in kept)
    fitted = scale.fit(train.select(windows.inputs[kept]), names)
    about = train.select(windows.targets[kept_targets])
    y_scale = scale.fit_targets(np.sqrt(np.diagonal(about.scatter) / about.num), np.ones(len(kept_targets), bool))
    some = [part if part is not None and part.num else None for part in lagged]
    counts = [0 if part is None else part.num for part in some]
    readings = tuple(
        ColumnReading(name, _role(name, names, targets), "number") for name in values if name not in dropped
    )
    if chosen.clock:
        readings += (ColumnReading(chosen.clock, "time", "time"),)
    return finish(
        samples=[_samples(part, fitted, kept, kept_targets, about.mean, y_scale) for part in some],
        moments=[_moments(part, train.mean, fitted, kept, kept_targets, y_scale) for part in some],
        fitted=fitted,
        y_mean=about.mean,
        y_scale=y_scale,
        dtype=dtype,
        column_names=names,
        output_names=tuple(targets[i] for i in kept_targets),
        reading=Reading(
            path=source.file,
            format=source.format,
            rows=gaps.seen,
            columns=readings,
            unused=tuple(name for name in source.names if name not in (*values, chosen.clock)),
            dropped_columns=tuple(dropped.items()),
            dropped_rows=gaps.dropped,
            missing=gaps.missing(),
            infinite=gaps.infinite(),
            parts=(counts[0], counts[1], counts[2]),
            discarded=fitted.discarded,
            notes=(*source.notes, *notes, *(clock.notes() if clock else ())),
        ),
        shares=fractions.shares,
    )


def _check_lengths(source: AbstractSource, total: int, train: int, window: int, horizon: int) -> None:
    need = f"A window of {window} rows with its target {horizon} later needs at least {window + horizon} rows"
    if total < window + horizon:
        raise InputError(
            f"{need}, but {source.path} has {total}. Use a shorter window (--window) or horizon, or a longer series."
        )
    if train < window + horizon + 1:
        raise InputError(
            f"{need}, and training at least two windows, but the training part of {source.path} has {train} of its "
            f"{total} rows. "
            "Use a shorter window (--window), or a larger share for training."
        )


def _rows(
    source: AbstractSource, chosen: SeriesColumns, gaps: Gaps, clock: Clock | None, size: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Chunks as matrices `"row column"`, with the number of their first row and which rows are whole."""
    wanted = (*chosen.values, *([chosen.clock] if chosen.clock else []))
    for chunk in source.chunks(wanted, size):
        number = gaps.seen
        good = gaps.good(chunk)
        if clock is not None and chosen.clock is not None:
            clock.add(_array(chunk, chosen.clock), good)
        rows = np.stack([_array(chunk, name) for name in chosen.values], axis=1)
        for position, name in enumerate(chosen.values):
            check_size(source.path, name, rows[good, position])
        yield number, rows, good


def _array(chunk: Chunk, name: str) -> np.ndarray:
    values = chunk[name]
    if not isinstance(values, np.ndarray):
        raise InputError(f"Column {name!r} holds text, but a time series needs numbers.")
    return values


def _add_runs(lagged: LaggedMoments | None, rows: np.ndarray, good: np.ndarray, number: int) -> None:
    """Hands on the stretches without gaps, and closes the segment at each gap."""
    if lagged is None:
        return
    gap = np.flatnonzero(~good)
    for start, stop in zip([0, *(gap + 1)], [*gap, len(rows)]):
        if stop > start:
            lagged.add(rows[start:stop], number + int(start))
        if stop < len(rows):
            lagged.close()


def _useful(
    source: AbstractSource, chosen: SeriesColumns, columns: list[RunningMoments], values: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Positions of inputs and of targets that vary, and why the others were dropped."""
    some, train = [part for part in columns if part.num], columns[TRAIN]
    low, high = np.min([part.low for part in some], axis=0), np.max([part.high for part in some], axis=0)
    constant = {name: "it is constant" for name, still in zip(values, low == high) if still}
    for name, still in zip(values, train.low == train.high):
        if still:
            constant.setdefault(name, "it is constant in the training part")
    for name in chosen.targets or ():
        if name in constant:
            value = f"{train.low[values.index(name)]:g}"
            where = " in the training part" if constant[name] != "it is constant" else ""
            raise InputError(
                f"Target {name!r} of {source.path} is constant ({value}){where}: there is nothing to learn. Choose "
                "another target."
            )
    kept = np.array([i for i, name in enumerate(chosen.inputs) if name not in constant], np.int64)
    if not len(kept):
        raise InputError(
            f"Inputs that vary are needed, but all of {listing(chosen.inputs)} in {source.path} are constant."
        )
    kept_targets = kept if chosen.targets is None else np.arange(len(chosen.targets))
    return kept, kept_targets, constant


def _samples(
    part: LaggedMoments | None,
    fitted: FittedScale,
    kept: np.ndarray,
    targets: np.ndarray,
    y_mean: np.ndarray,
    y_scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray] | None:
    cut = None if part is None else part.samples()
    return None if cut is None else (fitted.inputs(cut[0][..., kept]), (cut[1][:, targets] - y_mean) * y_scale)


def _moments(
    part: LaggedMoments | None,
    centre: np.ndarray,
    fitted: FittedScale,
    kept: np.ndarray,
    targets: np.ndarray,
    y_scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    if part is None:
        return None
    xx, yx, yy = part.about(centre)
    xx, yx, yy = xx[..., kept[:, None], kept], yx[:, targets[:, None], kept], yy[np.ix_(targets, targets)]
    return fitted.both_sides(xx), fitted.right_side(yx * y_scale[:, None]), yy * y_scale[:, None] * y_scale


def _role(name: str, inputs: tuple[str, ...], targets: tuple[str, ...]) -> str:
    roles = [role for role, members in (("input", inputs), ("target", targets)) if name in members]
    return " and ".join(roles)
