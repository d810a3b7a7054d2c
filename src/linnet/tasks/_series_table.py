"""A whole time series from a file: evenly spaced, without gaps, or refused in a sentence."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import InputError
from ._clock import Clock, looks_like_time
from ._read import open_source
from ._series import choose_columns
from ._source import NUMBER, TIME, AbstractSource, listing

#: Steps in time between these multiples of the usual one count as even: months differ by a tenth, clocks are rounded.
_SHORT, _LONG = 0.5, 1.5
_NAT = np.iinfo(np.int64).min
#: Units of dates, from the longest, with their nanoseconds; the first of which a step has at least 0.9 is taken.
_UNITS = {
    "years": 365.2425 * 86400e9,
    "days": 86400e9,
    "hours": 3600e9,
    "minutes": 60e9,
    "seconds": 1e9,
    "milliseconds": 1e6,
    "microseconds": 1e3,
}
#: So many gaps are named.
_NAMED = 3


@dataclasses.dataclass(frozen=True)
class SeriesTable:
    """A series that is evenly spaced in time and has a finite value everywhere.

    Args:
        values: the numbers, (time, column).
        names: of the columns.
        dt: the time of a step, in the unit.
        unit: of time: "steps" where there is no time, else a unit of dates, or the name of a column of numbers.
        start: the time of the first row, in the unit; 0 for dates.
        origin: the date of the first row, or "".
        notes: what was decided on the way, in sentences.
    """

    values: np.ndarray
    names: tuple[str, ...]
    dt: float = 1.0
    unit: str = "steps"
    start: float = 0.0
    origin: str = ""
    notes: tuple[str, ...] = ()


def series_table(
    path: str | os.PathLike, columns: Sequence[str] | None = None, *, time: str | None = None, interpolate: bool = False
) -> SeriesTable:
    """Reads a time series, one row a step, as a whole.

    Args:
        path: a CSV, Parquet or NPZ file, rows in order of time.
        columns: the coordinates; by default all columns of numbers.
        time: the column with the time of each row, or "none" to count rows; by default one column of dates, or one
            called time, date, datetime or timestamp.
        interpolate: fill missing values, and rows that are missing by their time, by straight lines. Without it both
            are refused.

    Returns:
        The series.

    Raises:
        InputError: for a file or column that cannot be used, missing values, gaps in time or a constant column, in a
            sentence that says what to do.
    """
    source = open_source(path)
    ignore = time is not None and time.strip().lower() == "none" and "none" not in source.names
    chosen, notes = choose_columns(source, columns, None, None if ignore else time)
    clock = None if ignore else chosen.clock or _found_clock(source, chosen.inputs)
    values, times = _read(source, chosen.inputs, clock)
    if len(values) < 2:
        raise InputError(f"A time series of many rows is needed, but {source.path} has {len(values)}.")
    notes = (*source.notes, *notes)
    values, times, filled = _filled(source.path, chosen.inputs, values, times, clock, interpolate)
    check_constant(source.path, chosen.inputs, values)
    if filled:
        notes = (*notes, filled)
    if times is None or clock is None:
        return SeriesTable(values, chosen.inputs, notes=notes)
    step = float(np.median(np.diff(times)))
    if times.dtype != np.int64:
        return SeriesTable(values, chosen.inputs, step, clock, float(times[0]), "", notes)
    unit = next((name for name, size in _UNITS.items() if step >= 0.9 * size), "microseconds")
    origin = str(np.datetime64(int(times[0]), "ns").astype("datetime64[ms]" if step < 1e9 else "datetime64[s]"))
    return SeriesTable(values, chosen.inputs, step / _UNITS[unit], unit, 0.0, origin, notes)


def _found_clock(source: AbstractSource, inputs: Sequence[str]) -> str | None:
    """The one column that tells the time, where the columns were named without it."""
    dates = [name for name in source.names if source.kinds[name] == TIME]
    dates = dates or [name for name in source.names if looks_like_time(name) and source.kinds[name] == NUMBER]
    return dates[0] if len(dates) == 1 and dates[0] not in inputs else None


def dates_after(origin: str, unit: str, times: Any) -> list[str]:
    """Dates so long after an origin, as ISO 8601."""
    start, size = np.datetime64(origin, "ns"), _UNITS[unit]
    form = "datetime64[s]" if size >= 1e9 else "datetime64[ms]"
    return [str((start + np.timedelta64(round(float(time) * size), "ns")).astype(form)) for time in times]


def check_constant(path: str, names: Sequence[str], values: np.ndarray, where: str = "") -> None:
    """Refuses columns in which there is nothing to learn."""
    still = [
        name for name, column in zip(names, values.T, strict=True) if np.ptp(column) <= 1e-12 * np.abs(column).max()
    ]
    if not still:
        return
    rest = [name for name in names if name not in still]
    remedy = f"Leave it out: --columns {','.join(rest)}." if rest else "No other column is left to use."
    raise InputError(f"Column {listing(still)} of {path} is constant{where}: there is nothing to learn in it. {remedy}")


def _read(source: AbstractSource, inputs: Sequence[str], clock: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """All rows, and their times."""
    wanted = (*inputs, *([clock] if clock else []))
    rows, times = [], []
    for chunk in source.chunks(wanted, 65_536):
        rows.append(np.stack([np.asarray(chunk[name], float) for name in inputs], axis=1))
        if clock:
            times.append(np.asarray(chunk[clock]))
    values = np.concatenate(rows) if rows else np.zeros((0, len(inputs)))
    return values, np.concatenate(times) if times else None


def _filled(
    path: str,
    names: Sequence[str],
    values: np.ndarray,
    times: np.ndarray | None,
    clock: str | None,
    interpolate: bool,
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Values and times without gaps, and what was filled, as a sentence."""
    missing = ~np.isfinite(values)
    empty = [name for name, gone in zip(names, missing.T, strict=True) if gone.all()]
    if empty:
        rest = [name for name in names if name not in empty]
        remedy = f"Leave it out: --columns {','.join(rest)}." if rest else "No other column is left to use."
        raise InputError(
            f"Column {listing(empty)} of {path} has no finite value in any of the {len(values)} rows. {remedy}"
        )
    if missing.any() and not interpolate:
        raise InputError(
            f"A series has a finite value at every time, but in {path} {_missing(names, missing)}. Correct them, or"
            " fill them by straight lines with --interpolate."
        )
    numbers = np.arange(len(values), dtype=float)
    grid = numbers
    if times is not None and clock is not None:
        lost = times == _NAT if times.dtype == np.int64 else ~np.isfinite(times)
        if lost.any():
            raise InputError(
                f"Column {clock!r} of {path} has no time in {int(lost.sum())} rows (the first is row"
                f" {int(np.flatnonzero(lost)[0]) + 1}); correct it, or count rows with --time none."
            )
        Clock(path, clock).add(times, np.ones(len(times), bool))
        steps = np.diff(times).astype(float)
        usual = float(np.median(steps))
        uneven = np.flatnonzero((steps > _LONG * usual) | (steps < _SHORT * usual))
        if len(uneven) and not interpolate:
            raise InputError(_gaps(path, clock, times, steps, usual, uneven))
        if len(uneven):
            since = (times - times[0]).astype(float)
            numbers, grid = since, np.arange(round(since[-1] / usual) + 1) * usual
            times = times[0] + np.round(grid).astype(np.int64) if times.dtype == np.int64 else times[0] + grid
    if not missing.any() and grid is numbers:
        return values, times, ""
    columns = [np.interp(grid, numbers[~gone], column[~gone]) for column, gone in zip(values.T, missing.T, strict=True)]
    added = len(grid) - len(values)
    what = [f"{int(missing.sum())} missing values"] if missing.any() else []
    what += [f"{added} rows that were missing by their time"] if added > 0 else []
    return np.stack(columns, axis=1), times, f"Filled by straight lines: {' and '.join(what) or 'uneven steps'}."


def _missing(names: Sequence[str], missing: np.ndarray) -> str:
    parts = []
    for name, gone in zip(names, missing.T, strict=True):
        if gone.any():
            rows = np.flatnonzero(gone) + 1
            first = ", ".join(map(str, rows[:_NAMED])) + (", ..." if len(rows) > _NAMED else "")
            parts.append(f"column {name!r} has {len(rows)} missing (rows {first}, counted from 1)")
    more = f" and {len(parts) - 4} more columns" if len(parts) > 4 else ""
    return " and ".join(parts[:4]) + more


def _gaps(path: str, clock: str, times: np.ndarray, steps: np.ndarray, usual: float, uneven: np.ndarray) -> str:
    """Each gap by its row and time."""
    dates = times.dtype == np.int64

    def long(step: float) -> str:
        if not dates:
            return f"{step:g}"
        unit = next((name for name, size in _UNITS.items() if step >= 0.9 * size), "microseconds")
        return f"{step / _UNITS[unit]:.3g} {unit}"

    named = [f"{long(steps[i])} after row {i + 1} ({_show(times[i])})" for i in uneven[:_NAMED]]
    more = f", and {len(uneven) - _NAMED} more" if len(uneven) > _NAMED else ""
    return (
        f"Even steps in time are needed, but by column {clock!r} of {path}, where a step is {long(usual)}, there is a"
        f" step of {', of '.join(named)}{more}. Fill the gaps by straight lines with --interpolate, or count rows with"
        " --time none."
    )


def _show(time: np.generic) -> str:
    return str(np.datetime64(int(time), "ns").astype("datetime64[s]")) if time.dtype == np.int64 else f"{time:g}"
