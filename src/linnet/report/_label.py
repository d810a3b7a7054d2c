"""Labels at the ends of curves, never on each other: no legend to look up, no colour needed to tell curves apart."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression


def spread(positions: Sequence[float] | np.ndarray, gap: float, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """The positions nearest to the given ones (in squares) that are at least `gap` apart, within limits if they fit.

    Args:
        positions: where the labels want to be.
        gap: the smallest distance of two neighbours.
        low: the lowest allowed.
        high: the highest allowed.
    """
    positions = np.asarray(positions, float)
    if positions.size == 0:
        return positions
    if gap * (len(positions) - 1) > high - low:
        gap = (high - low) / (len(positions) - 1)
    order = np.argsort(positions, kind="stable")
    steps = gap * np.arange(len(positions))
    moved = np.asarray(isotonic_regression(positions[order] - steps).x)
    moved = np.clip(moved, low, high - steps[-1]) + steps
    result = np.empty_like(positions)
    result[order] = moved
    return result


def label_ends(
    axes: Axes, values: Sequence[float] | np.ndarray, labels: Sequence[str], colours: Sequence[str], title: str = ""
) -> None:
    """Writes labels to the right of the axes at the heights of the curves' ends; call it when the limits are set.

    Args:
        axes: the axes with the curves.
        values: where each curve ends.
        labels: their labels.
        colours: their colours.
        title: a word above all labels.
    """
    values = np.asarray(values, float)
    keep = np.isfinite(values)
    points = np.stack([np.zeros(int(keep.sum())), values[keep]], axis=1)
    heights = (axes.transScale + axes.transLimits).transform(points)[:, 1]
    figure = axes.get_figure()
    inches = float(figure.get_size_inches()[1]) if figure is not None else 4.0
    rows = axes.get_subplotspec()
    inches /= rows.get_gridspec().nrows if rows is not None else 1
    size = 8.5
    gap = 1.25 * size / 72 / (0.8 * inches)
    placed = spread(np.clip(heights, 0, 1), gap)
    shown = [(text, colour) for text, colour, kept in zip(labels, colours, keep) if kept]
    for height, place, (text, colour) in zip(np.clip(heights, 0, 1), placed, shown):
        axes.annotate(
            text,
            (1.0, height),
            (1.045, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            fontsize=size,
            va="center",
            # Pale colours are fine for lines and too faint for small letters.
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 1},
        )
    if title and placed.size:
        top = float(np.max(placed)) + 0.9 * gap
        axes.annotate(title, (1.045, top), xycoords="axes fraction", fontsize=size, va="bottom")
