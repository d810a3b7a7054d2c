"""A straight piece of a curve, its slope, and how sure one can be of it."""

from typing import NamedTuple

import numpy as np


class Line(NamedTuple):
    """A straight piece of a curve.

    Args:
        slope: of the line through it by least squares.
        standard_error: of the slope: between parts of the data, and between both halves of the piece.
        start: the first point of the piece.
        stop: one beyond the last.
    """

    slope: float
    standard_error: float
    start: int
    stop: int


def straightest(x: np.ndarray, y: np.ndarray, least: int) -> tuple[int, int]:
    """The piece of a curve in which the slopes vary least for its length, of `least` points or more."""
    slopes = np.gradient(y, x)
    best, found = np.inf, (0, len(x))
    for start in range(len(x) - least + 1):
        for stop in range(start + least, len(x) + 1):
            piece = slopes[start:stop]
            mean = piece.mean()
            if not np.all(np.isfinite(piece)) or mean <= 0:
                continue
            # How much slopes vary, relative to their mean, and less for a longer piece.
            score = (piece.std() / mean + 0.01) / (stop - start)
            if score < best:
                best, found = score, (start, stop)
    return found


def fit_line(x: np.ndarray, curve: np.ndarray, parts: np.ndarray, start: int, stop: int) -> Line:
    """The slope of a piece of a curve; `parts`, "part point", are the same curve from parts of the data alone."""

    def slope(y: np.ndarray, first: int, last: int) -> float:
        return float(np.polyfit(x[first:last], y[first:last], 1)[0])

    ends = [part for part in parts if np.all(np.isfinite(part[start:stop]))]
    each = np.array([slope(part, start, stop) for part in ends])
    random = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.inf
    middle = (start + stop) // 2
    halves = slope(curve, start, middle + 1), slope(curve, middle, stop)
    # Half of their difference: what another choice of the piece would have changed.
    return Line(slope(curve, start, stop), float(np.hypot(random, (halves[1] - halves[0]) / 2)), start, stop)
