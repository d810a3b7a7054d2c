"""The one pass over a table: encode, part, accumulate, then scale what was accumulated."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import InputError
from ._encode import TableEncoder
from ._file_task import FileTask, finish, result_dtype
from ._missing import Gaps
from ._parts import PARTS, TRAIN, Fractions
from ._reading import ColumnReading, Reading
from ._running import Reservoir, RunningMoments
from ._scale import AbstractScale, FittedScale
from ._source import NUMBER, AbstractSource, leave_out, listing

_CHUNK_BYTES = 1 << 26


def read_table(
    source: AbstractSource,
    inputs: Sequence[str],
    targets: Sequence[str],
    *,
    classes: bool | None,
    drop_missing: bool,
    scale: AbstractScale,
    fractions: Fractions,
    seed: int,
    chunk_size: int,
    max_bytes: int,
    dtype: Any,
) -> FileTask:
    """Reads any source; arguments as in `from_table`, with the columns settled."""
    dtype = result_dtype(dtype)
    names = (*inputs, *targets)
    warn_of_memory(6 * 8 * len(names) ** 2, f"{len(names):,} columns")
    encoder, gaps = TableEncoder(source, inputs, targets, classes), Gaps(source.path, names)
    running, reservoir = [RunningMoments() for _ in PARTS], Reservoir(max_bytes, seed + 1)
    for chunk in source.chunks(names, chunk_rows(chunk_size, len(names))):
        good = gaps.good(chunk)
        if gaps.dropped and not drop_missing:
            continue  # the rest is only counted, for the message
        first = encoder.rows
        rows = encoder.encode(chunk, good)
        numbers = np.arange(first, encoder.rows)
        part = fractions.assign(numbers, seed)
        for which, moments in enumerate(running):
            moments.add(rows[part == which])
        reservoir.add(numbers, rows)
    gaps.check(drop_missing)
    encoder.finish()
    for moments in running:
        moments.widen(len(encoder.slots))
    train = running[TRAIN]
    if train.num < 2:
        raise InputError(
            f"At least 2 rows to train on are needed, but {source.path} has {encoder.rows} rows that can be used in "
            "all."
        )
    target_slots = _useful_targets(encoder, targets, running, source)
    columns, dropped = _useful_inputs(encoder, inputs, running, source)
    outputs = np.concatenate(list(target_slots.values()))
    is_number = np.array([encoder.slots[slot].label is None for slot in outputs])
    column_names = tuple(encoder.slot_name(slot) for slot in columns.tolist())
    fitted = scale.fit(train.select(columns), column_names)
    about = train.select(outputs)
    y_scale = scale.fit_targets(np.sqrt(np.diagonal(about.scatter) / about.num), is_number)
    numbers, rows = reservoir.rows()
    part = fractions.assign(numbers, seed)
    samples = [
        (fitted.inputs(mine[:, columns]), (mine[:, outputs] - about.mean) * y_scale) if len(mine) else None
        for mine in (rows[part == which] for which in range(3))
    ]
    reading = Reading(
        path=source.file,
        format=source.format,
        rows=gaps.seen,
        columns=_columns(encoder, source, inputs, target_slots, dropped),
        unused=tuple(name for name in source.names if name not in names),
        dropped_columns=tuple(dropped.items()),
        dropped_rows=gaps.dropped,
        missing=gaps.missing(),
        infinite=gaps.infinite(),
        parts=(running[0].num, running[1].num, running[2].num),
        discarded=fitted.discarded,
        notes=(*source.notes, *_target_notes(encoder, source, target_slots, classes)),
    )
    return finish(
        samples=samples,
        moments=[_moments(part, fitted, columns, outputs, about.mean, y_scale) for part in running],
        fitted=fitted,
        y_mean=about.mean,
        y_scale=y_scale,
        dtype=dtype,
        column_names=column_names,
        output_names=tuple(encoder.slot_name(slot) for slot in outputs.tolist()),
        reading=reading,
        shares=fractions.shares,
    )


def chunk_rows(chunk_size: int, width: int) -> int:
    """Rows at a time: what was asked for, but not more than some megabytes of a wide table."""
    return max(1, min(chunk_size, max(64, _CHUNK_BYTES // (8 * width))))


def warn_of_memory(num_bytes: int, what: str) -> None:
    """Warns, before anything is read, of second moments that do not fit in memory."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return  # not known on this system
    if num_bytes > free:
        warnings.warn(
            f"The second moments of {what} need about {num_bytes / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB of "
            "memory are free. "
            "Use fewer columns (columns=[...]) or shorter windows.",
            stacklevel=4,
        )


def _moments(
    part: RunningMoments,
    fitted: FittedScale,
    columns: np.ndarray,
    outputs: np.ndarray,
    y_mean: np.ndarray,
    y_scale: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Scaled second moments about the training means, without looking at a sample again."""
    if not part.num:
        return None
    num = len(columns)
    raw = part.select(np.concatenate([columns, outputs])).about(np.concatenate([fitted.x_mean, y_mean]))
    yx = fitted.right_side(raw[num:, :num] * y_scale[:, None])
    return fitted.both_sides(raw[:num, :num]), yx, raw[num:, num:] * y_scale[:, None] * y_scale


def _range(running: Sequence[RunningMoments], slot: int) -> tuple[float, float]:
    some = [part for part in running if part.num]
    return min(part.low[slot] for part in some), max(part.high[slot] for part in some)


def _useful_inputs(
    encoder: TableEncoder, inputs: Sequence[str], running: Sequence[RunningMoments], source: AbstractSource
) -> tuple[np.ndarray, dict[str, str]]:
    """The slots of inputs that vary, and why the others were dropped."""
    kept, dropped = [], {}
    train = running[TRAIN]
    for name in inputs:
        slots = encoder.slots_of(name)
        low, high = _range(running, slots[0])
        if low == high and len(slots) == 1:
            dropped[name] = "it is constant"
            continue
        varying = [slot for slot in slots if train.low[slot] < train.high[slot]]
        for slot in slots if len(varying) < len(slots) else ():
            if slot not in varying:
                dropped[encoder.slot_name(slot)] = "it is constant in the training part"
        kept.extend(varying)
    if not kept:
        raise InputError(
            f"Inputs that vary are needed, but all of {listing(inputs)} in {source.path} are constant. "
            f"{leave_out('input', [])}"
        )
    return np.array(kept), dropped


def _useful_targets(
    encoder: TableEncoder, targets: Sequence[str], running: Sequence[RunningMoments], source: AbstractSource
) -> dict[str, np.ndarray]:
    """The slots of each target."""
    train, slots_of = running[TRAIN], {}
    for name in targets:
        slots = encoder.slots_of(name)
        where = ""
        if len(slots) > 1 or _range(running, slots[0])[0] < _range(running, slots[0])[1]:
            if any(train.low[slot] < train.high[slot] for slot in slots):
                slots_of[name] = np.array(slots)
                continue
            where = " in the training part; use a longer table, another seed or another target"
        if encoder.slots[slots[0]].label is not None:
            only = next(slot for slot in slots if train.high[slot] == 1)
            raise InputError(
                f"Target {name!r} of {source.path} has one class only, "
                f"{encoder.slot_name(only).partition('=')[2]!r}{where}: "
                "at least two are needed to learn from."
            )
        value = f"{train.low[slots[0]]:g}"
        raise InputError(
            f"Target {name!r} of {source.path} is constant ({value}){where}: there is nothing to learn. Choose "
            "another target."
        )
    return slots_of


def _columns(
    encoder: TableEncoder,
    source: AbstractSource,
    inputs: Sequence[str],
    targets: dict[str, np.ndarray],
    dropped: dict[str, str],
) -> tuple[ColumnReading, ...]:
    readings = []
    for name in inputs:
        if name not in dropped:
            slots = encoder.slots_of(name)
            one_hot = encoder.slots[slots[0]].label is not None
            readings.append(
                ColumnReading(name, "input", "categories" if one_hot else "number", len(slots) if one_hot else None)
            )
    for name, slots in targets.items():
        one_hot = encoder.slots[slots[0]].label is not None
        readings.append(
            ColumnReading(name, "target", "classes" if one_hot else "number", len(slots) if one_hot else None)
        )
    return tuple(readings)


def _target_notes(
    encoder: TableEncoder, source: AbstractSource, targets: dict[str, np.ndarray], classes: bool | None
) -> tuple[str, ...]:
    """What was decided about targets of numbers, where it was not asked for."""
    if classes is not None:
        return ()
    return tuple(
        f"Target {name!r} holds {len(slots)} different whole numbers and was taken for classes; classes=False reads "
        "it as a number."
        for name, slots in targets.items()
        if source.kinds[name] == NUMBER and encoder.slots[slots[0]].label is not None
    )
