"""The figures of the study `gilpin2021-chaos`."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from ..report import COLOURS, GUIDE, Figure, draw

#: Published median sMAPEs of the benchmark with 1000 points learned and 200 forecast: the per-method files of NVAR, ESN
#: and the neural ODE, and the data-limited sweep at its full history for the others (dysts' repository before 2024-09).
PUBLISHED_MEDIANS = {"N-BEATS": 42.2, "LSTM": 63.9, "neural ODE": 72.6, "NVAR": 83.6, "ESN": 102.4}


def invariants_figure(table: xr.Dataset) -> Figure:
    """Published exponents and dimensions against linnet's."""
    return draw(
        "invariants",
        "Left: published largest exponents (dots) and first entries of published spectra (crosses) against those that "
        "linnet has computed, of all systems with a converged spectrum; between the dashed lines they differ by less "
        "than a quarter. Right: Kaplan-Yorke dimensions of flows, as excess over the number of coordinates; above zero "
        "they are impossible.",
        lambda canvas: _invariants(canvas, table),
        height=3.4,
    )


def _invariants(canvas: Canvas, table: xr.Dataset) -> None:
    left, right = canvas.subplots(1, 2)
    known = table["known"].values
    own = table["own_largest"].values[known]
    for column, mark, colour in (("largest", ".", COLOURS[0]), ("first", "x", COLOURS[1])):
        left.plot(own, table[column].values[known], mark, color=colour, markersize=4 if mark == "x" else 5,
                  label="largest exponent" if column == "largest" else "first of the spectrum")  # fmt: skip
    ends = np.array([own.min() / 2, own.max() * 2])
    left.plot(ends, ends, color=GUIDE, linewidth=0.8)
    for factor in (0.75, 1.25):
        left.plot(ends, factor * ends, color=GUIDE, linewidth=0.8, linestyle="--")
    left.set(xscale="log", yscale="log", xlabel="linnet's largest exponent", ylabel="published")
    left.legend(fontsize=8, loc="upper left")
    states = table["states"].values
    flows = known & np.isfinite(states)
    x, y = (table[name].values - states for name in ("own_dimension", "dimension"))
    possible = y <= 1e-6
    for part, colour in ((flows & possible, COLOURS[0]), (np.isfinite(states) & ~possible & (x > -np.inf), COLOURS[1])):
        right.plot(x[part], y[part], ".", color=colour, markersize=6)
    right.axhline(0, color=GUIDE, linewidth=0.8)
    # By points: on this axis equal numbers are no straight line below -1.
    ends = np.linspace(np.nanmin(x) - 0.2, 0.1, 60)
    right.plot(ends, ends, color=GUIDE, linewidth=0.8)
    right.set_yscale("symlog", linthresh=1)
    right.set(xlabel="linnet's dimension - coordinates", ylabel="published dimension - coordinates")
    worst = np.argsort(-np.where(np.isfinite(y), y, -np.inf))[:2]
    for at in worst:
        if y[at] > 0:
            right.annotate(str(table["system"].values[at]), (x[at], y[at]), (-5, 0), textcoords="offset points",
                           ha="right", va="center", fontsize=8)  # fmt: skip


def scores_figure(scores: xr.Dataset, intervals: dict[str, tuple[float, float]], title: str, name: str) -> Figure:
    """Errors and valid times of each method over all systems."""
    return draw(
        name,
        f"{title}. Each dot is a system; the bar goes from quartile to quartile, the ring is the median and the thick "
        "part its 95 % interval over systems. Left: the error over the horizon, with published medians "
        "(dashed). Right: how long forecasts are good, in Lyapunov times of linnet's exponents, of the systems whose "
        "exponent is known (0.01 or less is drawn as that); crosses were good to the end of what was forecast.",
        lambda canvas: _scores(canvas, scores, intervals),
        height=4.2,
    )


def _scores(canvas: Canvas, scores: xr.Dataset, intervals: dict[str, tuple[float, float]]) -> None:
    left, right = canvas.subplots(1, 2, sharey=True, width_ratios=(1.15, 1))
    methods = [str(method) for method in scores["method"].values]
    rng = np.random.default_rng(0)
    for row, method in enumerate(reversed(methods)):
        one = scores.sel({"method": method})
        error, valid = one["error"].values.ravel(), one["time"].values.ravel()
        ended = one["ended"].values.ravel() & np.isfinite(valid)
        colour = COLOURS[1] if "published" in method else COLOURS[6] if method == "persistence" else COLOURS[0]
        for axes, values, marks in ((left, error, None), (right, np.maximum(valid, 1e-2), ended)):
            good = np.isfinite(values)
            height = row + rng.uniform(-0.28, 0.28, len(values))
            dots = good if marks is None else good & ~marks
            axes.plot(values[dots], height[dots], ".", color=colour, markersize=2.5, alpha=0.45)
            if marks is not None:
                axes.plot(values[marks], height[marks], "x", color=colour, markersize=3, alpha=0.6)
            low, middle, high = np.quantile(values[good], (0.25, 0.5, 0.75))
            axes.plot((low, high), (row, row), color=colour, linewidth=1.2)
            axes.plot(middle, row, "o", color=colour, markerfacecolor="white", markersize=5)
        left.plot(intervals[method], (row, row), color=colour, linewidth=3.5, solid_capstyle="butt", zorder=1.5)
    for name, value in PUBLISHED_MEDIANS.items():
        left.axvline(value, color=GUIDE, linewidth=0.8, linestyle="--")
        # Names of lines that are close to each other stand on either side.
        side = {"LSTM": "right", "neural ODE": "center", "NVAR": "left"}.get(name, "center")
        left.text(value, len(methods) - 0.45, name, rotation=90, fontsize=7, ha=side, va="bottom")
    left.set(xlabel="sMAPE over 200 points", xlim=(-5, 205), ylim=(-0.6, len(methods) - 0.4))
    left.set_yticks(range(len(methods)), list(reversed(methods)))
    right.set(xscale="log", xlabel="valid time (Lyapunov times)")
