"""Theory on simulation: the strengths of modes over time, their difference, and their half times."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ._figure import COLOURS, GUIDE, Figure, draw
from ._label import label_ends

#: More curves than this cannot be told apart.
MOST_MODES = 10
#: Times that span a larger ratio are shown on a logarithmic axis.
WIDE = 30.0
TIME = "learning time (learning rate × steps)"
QUANTILES = (0.1, 0.9)


@dataclasses.dataclass(frozen=True)
class ModeCurves:
    """Mode strengths of one network over time, by both roads.

    Args:
        title: what the network is called.
        ts: learning times of the training.
        measured: strengths in training, `"seed time mode"` (or `"time mode"` for one network).
        predicted: strengths by theory, of the same axes; `None` if there is no theory.
        predicted_ts: learning times of the theory, if they are others.
        theory: the theory's name.
    """

    title: str
    ts: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray | None = None
    predicted_ts: np.ndarray | None = None
    theory: str = "theory"


@dataclasses.dataclass(frozen=True)
class HalfTimes:
    """When the modes of one kind of network are learned, by both roads.

    Args:
        title: what the network is called.
        predicted: half times by theory, `"seed mode"` (or `"mode"` for all networks alike).
        measured: half times in training, of the same axes; NaN for modes that were not learned.
    """

    title: str
    predicted: np.ndarray
    measured: np.ndarray


def mode_overlay(
    name: str,
    caption: str,
    curves: Sequence[ModeCurves],
    *,
    log_time: bool | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Mode strengths over learning time: the median of training as wide pale lines, the theory as thin lines on them.

    Args:
        name: the figure's file name.
        caption: what it shows.
        curves: one panel each.
        log_time: a logarithmic time axis; by default where modes are learned over more than a decade and a half.
        labels: what the modes are called at the curves' ends; by default their numbers.
    """

    def plot(canvas: Canvas) -> None:
        panels = canvas.subplots(1, len(curves), squeeze=False)[0]
        for panel, each in zip(panels, curves):
            _plot_modes(panel, each, log_time, labels)
            panel.set_xlabel(TIME if len(curves) == 1 else "learning time")
        panels[0].set_ylabel("mode strength")
        if len(curves) > 1:
            for panel, each in zip(panels, curves):
                panel.set_title(each.title)
        _legend(canvas, curves)

    return draw(name, caption, plot, height=3.9 if len(curves) == 1 else 3.1)


def difference_figure(name: str, caption: str, curves: ModeCurves) -> Figure:
    """Training less theory over time, of the ensemble's medians, in percent of each mode's final strength.

    Args:
        name: the figure's file name.
        caption: what it shows.
        curves: with a prediction.
    """

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        measured, predicted = _median(curves.measured), _interpolated(curves)
        scale = np.abs(_final(curves))
        relative = 100 * (measured - predicted) / np.where(scale > 0, scale, 1)
        num = min(relative.shape[-1], MOST_MODES)
        axes.axhline(0, color=GUIDE, linewidth=0.8)
        for mode in range(num):
            axes.plot(curves.ts, relative[:, mode], color=_colour(mode), linewidth=1.5, linestyle=_dash(mode))
        limit = max(1.0, 1.1 * float(np.nanmax(np.abs(relative[:, :num]))))
        axes.set(ylim=(-limit, limit), xlim=_limits(curves.ts, _log(curves, None)))
        axes.set(xlabel=TIME, ylabel="training − theory\n(% of final strength)")
        worst = float(np.nanmax(np.abs(relative[:, :num])))
        size = "below 0.001 %" if worst < 1e-3 else f"{worst:.2g} %"
        axes.set_title(f"largest difference: {size}", loc="right", fontsize=8.5)
        if _log(curves, None):
            axes.set_xscale("log")
        # The curves end together at nothing: name the modes where they differ most, unless they never do.
        peaks = np.nanargmax(np.abs(relative[:, :num]), axis=0)
        for mode, peak in enumerate(peaks):
            value = relative[peak, mode]
            if abs(value) > 0.08 * limit:
                where = (curves.ts[peak], value)
                offset = (0, 4 if value > 0 else -11)
                text = str(mode + 1)
                axes.annotate(text, where, offset, textcoords="offset points", color=_colour(mode), fontsize=8.5)

    return draw(name, caption, plot, height=2.5)


def half_time_scatter(name: str, caption: str, networks: Sequence[HalfTimes], *, band: float = 0.05) -> Figure:
    """Measured against predicted half times with the line of identity, and their relative difference by mode.

    Args:
        name: the figure's file name.
        caption: what it shows.
        networks: the half times of each kind of network.
        band: the relative difference that is marked as near.
    """

    def plot(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2)
        every, worst, modes = [], 100 * band, 1
        for index, network in enumerate(networks):
            predicted, measured = _middle(network.predicted), _middle(network.measured)
            known = np.isfinite(predicted) & np.isfinite(measured) & (predicted > 0)
            style: dict[str, Any] = {"color": COLOURS[index % len(COLOURS)], "marker": "osD^v"[index % 5]}
            own, seen = np.broadcast_arrays(np.atleast_2d(network.predicted), np.atleast_2d(network.measured))
            left.plot(own.ravel(), seen.ravel(), linestyle="none", markersize=3, alpha=0.25, mew=0, **style)
            left.plot(predicted[known], measured[known], linestyle="none", markersize=5, **style)
            every += [*predicted[known], *measured[known]]
            modes = max(modes, len(predicted))
            place = np.arange(1, len(predicted) + 1) + 0.24 * (index - (len(networks) - 1) / 2)
            low, high = _quantiles(100 * (seen / np.where(own > 0, own, np.nan) - 1))
            right.vlines(place, low, high, color=style["color"], linewidth=1.2)
            relative = 100 * (measured[known] / predicted[known] - 1)
            right.plot(place[known], relative, linestyle="none", markersize=4, label=network.title, **style)
            worst = max([worst, *np.abs(relative), *np.abs(low[np.isfinite(low)]), *np.abs(high[np.isfinite(high)])])
        _identity(left, np.array(every), band)
        right.axhspan(-100 * band, 100 * band, color=GUIDE, alpha=0.18, linewidth=0)
        right.axhline(0, color=GUIDE, linewidth=0.8)
        right.set(ylim=(-1.2 * worst, 1.2 * worst), xlabel="mode", ylabel="measured / predicted − 1  (%)")
        mode_ticks(right, modes)
        handles, names = right.get_legend_handles_labels()
        handles.append(Patch(color=GUIDE, alpha=0.25))
        canvas.legend(handles, [*names, f"within {100 * band:g} %"], loc="outside upper left", ncols=len(handles))

    return draw(name, caption, plot, height=3.3)


def mode_ticks(axes: Axes, num: int) -> None:
    """A tick for every mode, or for some of many."""
    axes.set_xlim(0.4, num + 0.6)
    if num <= 12:
        axes.set_xticks(range(1, num + 1))
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)


def _identity(axes: Axes, every: np.ndarray, band: float) -> None:
    """The line on which measured equals predicted, with the band around it."""
    axes.set(xlabel="predicted half time", ylabel="measured half time")
    if every.size == 0:
        axes.text(0.5, 0.5, "no mode was learned", transform=axes.transAxes, ha="center")
        return
    low, high = float(every.min()), float(every.max())
    wide = low > 0 and high / low > 10
    margin = (high / low) ** 0.08 if wide else 0.08 * (high - low) or 0.1 * high
    limits = (low / margin, high * margin) if wide else (max(low - margin, 0), high + margin)
    line = np.geomspace(*limits, 60) if wide else np.linspace(*limits, 2)
    axes.fill_between(line, line * (1 - band), line * (1 + band), color=GUIDE, alpha=0.18, linewidth=0)
    axes.plot(line, line, color=GUIDE, linewidth=0.8, zorder=1)
    scale = "log" if wide else "linear"
    axes.set(xscale=scale, yscale=scale, xlim=limits, ylim=limits)


def _plot_modes(axes: Axes, curves: ModeCurves, log_time: bool | None, labels: Sequence[str] | None) -> None:
    measured = curves.measured
    middle, num = _median(measured), min(measured.shape[-1], MOST_MODES)
    theory = None if curves.predicted is None else _median(curves.predicted)
    for mode in range(num):
        colour = _colour(mode)
        if measured.ndim == 3 and measured.shape[0] > 1:
            low, high = np.nanquantile(measured[:, :, mode], QUANTILES, axis=0)
            axes.fill_between(curves.ts, low, high, color=colour, alpha=0.22, linewidth=0)
        width, alpha = (1.6, 1.0) if theory is None else (5.0, 0.35)
        axes.plot(curves.ts, middle[:, mode], color=colour, linewidth=width, alpha=alpha, solid_capstyle="butt")
        if theory is not None:
            times = curves.ts if curves.predicted_ts is None else curves.predicted_ts
            axes.plot(times, theory[:, mode], color=colour, linewidth=1.4)
    log = _log(curves, log_time)
    shown = middle[:, :num]
    top, bottom = float(np.nanmax(shown)), float(np.nanmin(shown))
    axes.set(xscale="log" if log else "linear", xlim=_limits(curves.ts, log))
    axes.set_ylim(min(0.0, 1.1 * bottom), 1.06 * max(top, 0) or 1.0)
    names = labels or [str(mode + 1) for mode in range(num)]
    label_ends(axes, middle[-1, :num], names[:num], [_colour(mode) for mode in range(num)], "" if labels else "mode")


def _legend(canvas: Canvas, curves: Sequence[ModeCurves]) -> None:
    seeds = curves[0].measured.shape[0] if curves[0].measured.ndim == 3 else 1
    handles: list[Any] = [Line2D([], [], color=GUIDE, linewidth=5, alpha=0.45)]
    names = ["training" if seeds == 1 else f"training: median of {seeds} networks"]
    if seeds > 1:
        handles.append(Patch(color=GUIDE, alpha=0.3))
        names.append("middle 80 % of networks")
    theories = list(dict.fromkeys(each.theory for each in curves if each.predicted is not None))
    if theories:
        handles.append(Line2D([], [], color=GUIDE, linewidth=1.4))
        names.append(f"theory ({theories[0]})" if len(theories) == 1 and theories[0] != "theory" else "theory")
    canvas.legend(handles, names, loc="outside upper left", ncols=len(handles))


def _colour(mode: int) -> str:
    return COLOURS[mode % len(COLOURS)]


def _dash(mode: int) -> str:
    return ("-", "--", "-.", ":")[mode // len(COLOURS) % 4]


def _median(values: np.ndarray) -> np.ndarray:
    return np.nanmedian(values, axis=0) if values.ndim == 3 else values


def _middle(times: np.ndarray) -> np.ndarray:
    """The median over networks, where a mode that one never learned counts as learned last."""
    middle = np.median(np.where(np.isnan(times), np.inf, np.atleast_2d(times)), axis=0)
    return np.where(np.isfinite(middle), middle, np.nan)


def _quantiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the middle 80 % over networks; NaN where no network has a value."""
    some = np.any(np.isfinite(values), axis=0)
    low, high = np.nanquantile(np.where(some, values, 0.0), QUANTILES, axis=0)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def _final(curves: ModeCurves) -> np.ndarray:
    return _median(curves.measured)[-1]


def _interpolated(curves: ModeCurves) -> np.ndarray:
    if curves.predicted is None:
        raise ValueError("difference_figure needs curves with a prediction, got none.")
    predicted = _median(curves.predicted)
    if curves.predicted_ts is None:
        return predicted
    times = curves.predicted_ts
    return np.stack([np.interp(curves.ts, times, predicted[:, m]) for m in range(predicted.shape[1])], axis=1)


def _log(curves: ModeCurves, asked: bool | None) -> bool:
    """Whether time is better read on a logarithmic axis."""
    if asked is not None:
        return asked
    middle, final = _median(curves.measured)[:, :MOST_MODES], _final(curves)[:MOST_MODES]
    with np.errstate(invalid="ignore", divide="ignore"):
        above = middle / final >= 0.5
    times = curves.ts[np.argmax(above, axis=0)][np.any(above, axis=0)]
    times = times[times > 0]
    return bool(times.size and max(times.max(), curves.ts[-1] / 2) / times.min() > WIDE)


def _limits(ts: np.ndarray, log: bool) -> tuple[float, float]:
    positive = ts[ts > 0]
    return (float(positive[0] if log and positive.size else ts[0]), float(ts[-1]))
