"""The figures of the study of timescales and curricula."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from ..config import Khajehabdollahi2024Timescales
from ..report import COLOURS, GUIDE, Figure, draw
from ._timescale_curricula import CURRICULA, TASKS, Trained

_TITLES = ("N-parity", "N-delayed match")
_LABELS = ("multi-head", "single-head", "no curriculum")


def timescale_figures(
    config: Khajehabdollahi2024Timescales, trained: Trained, curves: xr.Dataset, probes: xr.Dataset, read: xr.Dataset
) -> tuple[Figure, ...]:
    """Timescales against N, what was solved when, and what can be read from the last networks."""
    active = bool(np.isfinite(probes["drawn"]).any())
    activity = "" if not active else (
        "Right: the timescale of activity, from autocorrelations, while bits with drawn shares of ones drive the "
        "network, and fair bits (dashed). "
    )  # fmt: skip
    return (
        draw(
            "timescales",
            "Against N, for multi-head (blue) and single-head networks (orange), each line a network. Left: the mean "
            "of the trained timescales of units, and that of the slowest tenth of units (dashed). "
            f"{'Middle' if active else 'Right'}: how long a network echoes one bit (grey: N). {activity}The paper's "
            "claim is on the left: units slow down where one N is learned after the other, and not where all are kept.",
            lambda canvas: _timescales(canvas, trained, curves, probes),
            height=4.8,
        ),
        draw(
            "progress",
            "The largest N that was solved, against updates, of each network. Those without a curriculum learn the "
            f"largest N, {config.largest}, from the beginning.",
            lambda canvas: _progress(canvas, trained, curves),
            height=2.9,
        ),
        draw(
            "forgetting",
            "What can be read from the last network of each curriculum: the accuracy of linear readouts fitted "
            "anew, at all N. Dots: the N that was learned last.",
            lambda canvas: _forgetting(canvas, trained, read),
            height=2.9,
        ),
    )


def _each(trained: Trained, task: int, curricula: int = 2):
    """The members of a task, each with its colour, and a label for the first of a curriculum."""
    for curriculum in range(curricula):
        for place, member in enumerate(trained.members(task, curriculum)):
            colour = (*COLOURS[:2], GUIDE)[curriculum]
            yield int(member), {"color": colour, "linewidth": 1.2, "label": None if place else _LABELS[curriculum]}


def _timescales(canvas: Canvas, trained: Trained, curves: xr.Dataset, probes: xr.Dataset) -> None:
    titles = ("single neurons", "memory in the network", "activity")
    titles = titles if np.isfinite(probes["drawn"]).any() else titles[:2]
    grid = canvas.subplots(len(TASKS), len(titles), sharex=True, squeeze=False)
    windows = curves["window"].values
    for task, (own, echo, *activity) in enumerate(grid):
        for member, style in _each(trained, task):
            own.plot(windows, curves["timescale"].values[member], **style)
            bare = style | {"label": None}
            own.plot(windows, curves["slowest"].values[member], **bare, linestyle="--")
            part = probes.isel(probe=np.flatnonzero(probes["member"].values == member))
            echo.plot(part["window"], part["echo"], "o-", markersize=3, **bare)
            for axes in activity:
                axes.plot(part["window"], part["drawn"], "o-", markersize=3, **bare)
                axes.plot(part["window"], part["fair"], "o--", markersize=3, **bare)
        echo.plot(windows, windows, color=GUIDE, linewidth=0.8, linestyle="--")
        own.set(ylabel=f"{_TITLES[task]}\n$\\tau$ of units (steps)", ylim=(0.9, None))
        echo.set(ylabel="echo of a bit (steps)", ylim=(0, None))
        for axes in activity:
            axes.set(ylabel=r"$\tau_\mathrm{net}$ (steps)", ylim=(0, None))
    for axes in grid[-1]:
        axes.set_xlabel("N")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    grid[0, 0].legend(fontsize=8, loc="center right", bbox_to_anchor=(1.0, 0.6))


def _progress(canvas: Canvas, trained: Trained, curves: xr.Dataset) -> None:
    panels = canvas.subplots(1, len(TASKS), sharey=True)
    for task, axes in enumerate(panels):
        for member, style in _each(trained, task, len(CURRICULA)):
            axes.plot(curves["after"] / 1000, curves["solved"].values[:, member], **style)
        axes.set(title=_TITLES[task], xlabel="thousand updates")
    panels[0].set_ylabel("largest N solved")
    panels[-1].legend(fontsize=8, loc="center right")


def _forgetting(canvas: Canvas, trained: Trained, read: xr.Dataset) -> None:
    panels: list[Axes] = list(canvas.subplots(1, len(TASKS), sharey=True))
    windows = read["window"].values
    for task, axes in enumerate(panels):
        for member, style in _each(trained, task):
            values, last = read["accuracy"].values[member], int(trained.solved[-1, member])
            axes.plot(windows, values, **style)
            if last >= 2:
                axes.plot(last, values[last - 2], "o", color=style["color"], markersize=4)
        axes.axhline(0.5, color=GUIDE, linewidth=0.8, linestyle="--")
        axes.set(title=_TITLES[task], xlabel="N of the readout", ylim=(0.45, 1.03))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0].set_ylabel("accuracy")
    panels[0].legend(fontsize=8)
