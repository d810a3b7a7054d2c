"""Time series as training reads them: checked, standardised, one after the other, with the starts of all windows."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Windows(eqx.Module):
    """Series one after the other, and where a window fits into one of them.

    Args:
        values: all series, standardised.
        inputs: the external inputs beside them.
        starts: the first points of all windows.
        mean: what was subtracted from each column.
        scale: what each column was divided by.
        lengths: of the series.
        window: the steps of a window; it has one point more.
    """

    values: Float[Array, "time out"]
    inputs: Float[Array, "time in"]
    starts: Int[Array, " start"]
    mean: Float[Array, " out"]
    scale: Float[Array, " out"]
    lengths: tuple[int, ...] = eqx.field(static=True)
    window: int = eqx.field(static=True)

    def parts(self) -> list[Float[Array, "time out"]]:
        """The series, one by one."""
        return [jnp.asarray(part) for part in np.split(np.asarray(self.values), np.cumsum(self.lengths)[:-1])]


def make_windows(
    series: Any, window: int, *, inputs: Any, in_size: int, standardise: bool, columns: Sequence[str], dtype: Any
) -> Windows:
    """Checks series and makes them ready; external inputs that are not given are zero.

    Raises:
        ValueError: if a series has a gap or a constant column, is too short, or does not fit to the others.
    """
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise ValueError(f"A forcing window has 1 or more steps, got window={window!r}.")
    parts = check_series(series, columns)
    lengths = tuple(len(part) for part in parts)
    short = min(range(len(parts)), key=lengths.__getitem__)
    if lengths[short] < window + 1:
        which = f"series {short} has" if len(parts) > 1 else "the series has"
        raise ValueError(
            f"A forcing window of {window} steps needs {window + 1} points, but {which} {lengths[short]}; give more"
            f" data or a smaller `window`, at most {lengths[short] - 1}."
        )
    values = np.concatenate(parts)
    mean, scale = (values.mean(axis=0), values.std(axis=0)) if standardise else (0.0, 1.0)
    mean, scale = (np.broadcast_to(number, values.shape[1:]) for number in (mean, scale))
    borders = np.cumsum((0, *lengths))
    starts = np.concatenate([np.arange(a, b - window) for a, b in zip(borders[:-1], borders[1:])])
    given = _check_inputs(inputs, in_size, lengths)
    arrays = ((values - mean) / scale, given, mean, scale)
    standard, given, mean, scale = (jnp.asarray(np.asarray(array), dtype) for array in arrays)
    return Windows(standard, given, jnp.asarray(starts, jnp.int32), mean, scale, lengths, window)


def check_series(series: Any, columns: Sequence[str] = ()) -> list[np.ndarray]:
    """One or several series as arrays (time, column), without gaps and without constant columns.

    Raises:
        ValueError: that says which series and which column, what is wrong and what to do.
    """
    given = list(series) if isinstance(series, (list, tuple)) else [series]
    if not given:
        raise ValueError("There is no series to learn from, got an empty list.")
    parts = []
    for number, one in enumerate(given):
        values = np.asarray(one, float)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or values.shape[1] == 0:
            raise ValueError(
                f"A series is (time, column), got the shape {np.shape(one)}; several series are a list of such arrays."
            )
        if parts and values.shape[1] != parts[0].shape[1]:
            raise ValueError(
                f"All series have the same columns, got {parts[0].shape[1]} in series 0 and {values.shape[1]} in series"
                f" {number}."
            )
        parts.append(values)
    names = list(columns) or [str(place) for place in range(parts[0].shape[1])]
    if len(names) != parts[0].shape[1]:
        raise ValueError(f"There are {parts[0].shape[1]} columns, but {len(names)} names: {', '.join(names)}.")
    where = [f" of series {number}" if len(parts) > 1 else "" for number in range(len(parts))]
    for place, values in zip(where, parts):
        gaps = (~np.isfinite(values)).sum(axis=0)
        if gaps.any():
            found = ", ".join(f"{name} ({num})" for name, num in zip(names, gaps) if num)
            raise ValueError(
                f"A series has a finite value at every time; not finite are values in column {found}{place}:"
                " interpolate them, or cut the series there and pass the pieces as a list."
            )
    joined = np.concatenate(parts)
    constant = [name for name, column in zip(names, joined.T) if np.ptp(column) <= 1e-12 * np.abs(column).max()]
    if constant:
        raise ValueError(f"Column {', '.join(constant)} is constant: there is nothing to learn in it, leave it out.")
    return parts


def _check_inputs(inputs: Any, in_size: int, lengths: tuple[int, ...]) -> np.ndarray:
    if inputs is None:
        return np.zeros((sum(lengths), in_size))
    given = [np.asarray(one, float) for one in (inputs if isinstance(inputs, (list, tuple)) else [inputs])]
    shapes = [one.shape for one in given]
    if shapes != [(length, in_size) for length in lengths]:
        raise ValueError(
            f"External inputs have one row for each row of the series, which have the lengths {lengths}, and here"
            f" {in_size} columns, as many as the network reads; got the shapes {shapes}."
        )
    if not all(np.all(np.isfinite(one)) for one in given):
        raise ValueError("External inputs are finite; interpolate the gaps.")
    return np.concatenate(given)
