"""Figures of a reconstruction's own run beside the data: over time, in phase space, by its spectrum; and forecasts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, NullFormatter

from ._figure import COLOURS, GUIDE, INK, Figure, draw

#: The colours of the data and of the model, in all figures.
DATA, MODEL = COLOURS[0], COLOURS[1]

#: Columns and points that are drawn.
_COLUMNS, _TIMES, _POINTS = 4, 1000, 3000


def time_figure(data: Any, free: Any, summary: Mapping[str, Any]) -> Figure:
    """A stretch of the data beside a stretch of the model's own run."""
    names = summary["data"]["columns"][: 1 if summary["data"]["embedding"] else _COLUMNS]
    num = _stretch(summary, len(data["test"]))
    times = np.arange(num) * summary["data"]["dt"]

    # Beside a run that left every bound, the data would be a flat line.
    shared = "none" if summary["diverged"] else "row"

    def plot(canvas: Canvas) -> None:
        grid = canvas.subplots(len(names), 2, sharex=True, sharey=shared, squeeze=False)
        for row, name in enumerate(names):
            for axes, values, colour in ((grid[row, 0], data["test"], DATA), (grid[row, 1], free["values"], MODEL)):
                axes.plot(times, values.values[:num, row], color=colour, linewidth=1.0)
            grid[row, 0].set_ylabel(_short(name))
        grid[0, 0].set_title("data, the part that was kept back")
        grid[0, 1].set_title("model, left to itself")
        for axes in grid[-1]:
            axes.set_xlabel(_time(summary))

    left = 0 if summary["data"]["embedding"] else len(summary["data"]["columns"]) - len(names)
    caption = (
        "The model runs by itself from the end of the training part; after a while it is elsewhere than the data, as it"
        " must be where they are chaotic, but it should move in the same manner."
        + (f" {left} more columns are not shown." if left else "")
    )
    return draw("time", caption, plot, height=1.1 + 1.05 * max(len(names), 1.3))


def phase_figure(data: Any, free: Any, fixed: Any, summary: Mapping[str, Any]) -> Figure:
    """Data and model in phase space, with the model's fixed points."""
    project, labels = projection(data, summary)
    truth, run = project(data["test"].values), project(free["values"].values)
    fixed_at = project(fixed["value"].values) if fixed.sizes["point"] and len(data["column"]) > 1 else np.zeros((0, 2))
    low, high = truth.min(axis=0), truth.max(axis=0)
    room = 0.15 * (high - low)
    inside = np.all((fixed_at > low - 2 * room) & (fixed_at < high + 2 * room), axis=1)

    def plot(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2, sharex=True, sharey=True)
        for axes, values, colour in ((left, truth, DATA), (right, run, MODEL)):
            shown = values[:_POINTS]
            _orbit(axes, shown, colour, summary)
        for place in np.flatnonzero(inside):
            stable = bool(fixed["stable"].values[place])
            face = INK if stable else "none"
            right.plot(*fixed_at[place], "o", color=INK, markerfacecolor=face, markersize=6, markeredgewidth=1.2)
        left.set(title="data, the part that was kept back", xlabel=labels[0], ylabel=labels[1])
        right.set(title="model, left to itself", xlabel=labels[0])
        points = np.concatenate([truth, fixed_at[inside]])
        least, most = points.min(axis=0) - room, points.max(axis=0) + room
        left.set(xlim=(least[0], most[0]), ylim=(least[1], most[1]))

    found = int(inside.sum())
    circles = (
        f" Circles are fixed points of the model ({found} of {summary['num_fixed_points']} lie here): filled where"
        " stable, open where not."
        if found
        else " No fixed point of the model lies here."
        if len(data["column"]) > 1
        else ""
    )
    return draw("phase-space", f"Where the data go and where the model goes.{circles}", plot, height=3.7)


def spectrum_figure(data: Any, free: Any, summary: Mapping[str, Any]) -> Figure:
    """Power spectra of data and model."""
    names = summary["data"]["columns"][: 1 if summary["data"]["embedding"] else 3]
    dt = summary["data"]["dt"]
    num = min(len(data["test"]), len(free["values"]))
    width = float(np.clip(num / 500, 0.5, 10))

    def plot(canvas: Canvas) -> None:
        grid = canvas.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for place, (axes, name) in enumerate(zip(grid, names, strict=True)):
            for values, colour, label in ((data["test"], DATA, "data"), (free["values"], MODEL, "model")):
                power = _power(values.values[:num, place], width)
                frequency = np.fft.rfftfreq(num, dt)
                axes.plot(frequency[1:], power[1:], color=colour, linewidth=1.2, label=label if not place else None)
            axes.set(xscale="log", yscale="log", title=_short(name), xlabel=f"frequency, per {_unit(summary)}")
            quiet_log(axes)
        grid[0].set_ylabel("share of the power")
        canvas.legend(loc="outside lower center", ncols=2)

    caption = (
        "How fast data and model move: smoothed power spectra. Observation noise lifts the data's spectrum at high"
        " frequencies, where a model without noise has little."
    )
    return draw("power-spectrum", caption, plot, height=3.4)


def forecast_figure(found: Any, data: Any, summary: Mapping[str, Any]) -> Figure:
    """One forecast beside what came, and how the errors of many grow."""
    ahead = summary["forecast"]
    names = summary["data"]["columns"][: 1 if summary["data"]["embedding"] else 3]
    dt = summary["data"]["dt"]
    rates = summary["lyapunov_exponents"]
    unit = rates[0] * dt if ahead["lyapunov_times"] is not None else dt
    label = "Lyapunov times" if ahead["lyapunov_times"] is not None else _time(summary)
    steps = found["step"].values
    before = min(len(data["train"]), max(20, len(steps) // 4))

    def plot(canvas: Canvas) -> None:
        grid = canvas.subplot_mosaic(
            [[f"{place}", "error"] for place in range(len(names))], width_ratios=[1.7, 1], sharex=False
        )
        for place, name in enumerate(names):
            axes = grid[f"{place}"]
            known = np.arange(-before + 1, 1)
            axes.plot(known * unit, data["train"].values[-before:, place], color=DATA, linewidth=1.0)
            axes.plot(steps * unit, found["came"].values[:, place], color=DATA, linewidth=1.0, label="data")
            axes.plot(steps * unit, found["forecast"].values[:, place], color=MODEL, linewidth=1.0, label="forecast")
            axes.axvline(0, color=GUIDE, linewidth=0.8)
            axes.set_ylabel(_short(name))
            if place < len(names) - 1:
                axes.tick_params(labelbottom=False)
        grid["0"].set_title("from the end of the training part")
        grid[f"{len(names) - 1}"].set_xlabel(label)
        axes = grid["error"]
        axes.plot(steps * unit, np.minimum(found["error"].values, 10), color=MODEL, linewidth=1.4)
        axes.axhline(0.4, color=GUIDE, linestyle="--", linewidth=1)
        axes.axvline(ahead["good_steps"] * unit, color=GUIDE, linewidth=1)
        axes.set(yscale="log", xlabel=label, title="error, standard deviations")
        quiet_log(axes)
        handles, labels = grid["0"].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=2)

    horizon = f"{ahead['good_steps']:.3g} steps"
    if ahead["lyapunov_times"] is not None:
        horizon += f", {ahead['lyapunov_times']:.2g} Lyapunov times"
    caption = (
        f"Left: one forecast. Right: the median error of {ahead['num_forecasts']} forecasts from all over the part that"
        f" was kept back. Half of them are good (below 0.4 standard deviations, dashed) for {horizon} (vertical line);"
        f" persistence for {ahead['persistence_steps']:.3g} steps."
    )
    return draw("forecast", caption, plot, height=1.3 + 1.0 * max(len(names), 2))


def projection(data: Any, summary: Mapping[str, Any]) -> tuple[Any, tuple[str, str]]:
    """A plane to draw orbits in, and the names of its axes."""
    names = summary["data"]["columns"]
    if len(names) == 1:
        return (lambda values: np.stack([values[:-1, 0], values[1:, 0]], axis=1)), (
            names[0],
            f"{names[0]}, a step later",
        )
    if len(names) <= 3 or summary["data"]["embedding"]:
        other = 1 if len(names) == 2 or summary["data"]["embedding"] else 2
        return (lambda values: values[:, [0, other]]), (names[0], names[other])
    train = data["train"].values
    mean, scale = train.mean(axis=0), train.std(axis=0)
    _, vectors = np.linalg.eigh(np.cov(((train - mean) / scale).T))
    axes = vectors[:, [-1, -2]]
    return (lambda values: (values - mean) / scale @ axes), ("first principal component", "second principal component")


def quiet_log(axes: Axes) -> None:
    """Few numbers on logarithmic axes, which overlap where a panel is narrow."""
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            axis.set_minor_formatter(NullFormatter())
            low, high = sorted(axis.get_view_interval())
            if high < 150 * low:
                steps = (1, 2, 5, 10, 20, 50, 100) if high < 12 * low else (1, 3, 10, 30, 100, 300, 1000)
                ticks = [tick for tick in np.array(steps) * 10.0 ** np.floor(np.log10(low)) if low <= tick <= high]
                axis.set_ticks(ticks, [f"{tick:.3g}" for tick in ticks])
            else:
                axis.set_major_locator(LogLocator(numticks=5))


def _orbit(axes: Axes, values: np.ndarray, colour: str, summary: Mapping[str, Any]) -> None:
    """A line where the steps are small, points where they are not."""
    jumps = np.median(np.linalg.norm(np.diff(values / np.ptp(values, axis=0).clip(1e-12), axis=0), axis=1))
    if jumps < 0.2:
        axes.plot(*values.T, color=colour, linewidth=0.5)
    else:
        axes.plot(*values.T, ".", color=colour, markersize=2)


def _stretch(summary: Mapping[str, Any], most: int) -> int:
    """Enough points to see how the series moves, few enough to see it."""
    wanted = 15 * max(1, summary["settings"]["predictability"])
    return int(min(most, _TIMES, max(150, wanted)))


def _power(values: np.ndarray, width: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    power = np.abs(np.fft.rfft(values - values.mean())) ** 2
    power = gaussian_filter1d(power, width)
    return power / max(power.sum(), 1e-300)


def _time(summary: Mapping[str, Any]) -> str:
    unit = summary["data"]["unit"]
    return "steps" if unit == "steps" else "time" if unit == "time units" else f"time, {unit}"


def _unit(summary: Mapping[str, Any]) -> str:
    return summary["lyapunov_unit"].removeprefix("per ")


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:20]}…"
