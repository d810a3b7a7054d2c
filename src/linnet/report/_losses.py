"""When to stop: held-out loss over time, predicted and measured, and the nonlinear networks beside."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from ._figure import COLOURS, GUIDE, INK, Figure, draw
from ._label import label_ends
from ._modes import QUANTILES, TIME

LOSS = "loss (½ mean squared error)"


@dataclasses.dataclass(frozen=True)
class LossCurve:
    """A loss over time.

    Args:
        label: what it is called.
        ts: learning times.
        values: `"seed time"` or `"time"`.
    """

    label: str
    ts: np.ndarray
    values: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        """The median over networks, without those that diverged."""
        values = np.atleast_2d(np.where(np.isfinite(self.values), self.values, np.nan))
        alive = values[~np.all(np.isnan(values), axis=1)]
        return np.nanmedian(alive, axis=0) if alive.size else np.full(self.ts.shape, np.nan)


def test_error_figure(
    name: str,
    caption: str,
    measured: LossCurve,
    predicted: LossCurve | None = None,
    *,
    train: LossCurve | None = None,
    stopping: tuple[float | None, float | None] = (None, None),
    others: Sequence[LossCurve] = (),
    what: str = "held-out",
) -> Figure:
    """The held-out loss with its stopping times; other networks in a panel beside it.

    Args:
        name: the figure's file name.
        caption: what it shows.
        measured: held-out loss in training.
        predicted: the same by theory.
        train: training loss.
        stopping: when to stop, predicted and measured; `None` where there is no minimum before the end.
        others: held-out losses of other networks.
        what: which data the loss is on.
    """

    def plot(canvas: Canvas) -> None:
        panels = canvas.subplots(1, 2 if others else 1, sharey=bool(others), squeeze=False)[0]
        curves = [c for c in (measured, predicted, train, *others) if c is not None]
        _scale(panels[0], curves)
        _main(panels[0], measured, predicted, train, stopping)
        panels[0].set(xlabel="learning time" if others else TIME, ylabel=f"{what} {LOSS}")
        handles = [Line2D([], [], color=COLOURS[0], linewidth=5, alpha=0.35)]
        names = [f"{measured.label}, training"]
        if predicted is not None:
            handles.append(Line2D([], [], color=COLOURS[0], linewidth=1.4))
            names.append(f"{measured.label}, theory")
        if train is not None:
            handles.append(Line2D([], [], color=GUIDE, linewidth=1.2, linestyle="--"))
            names.append("its loss on the training data")
        canvas.legend(handles, names, loc="outside upper left", ncols=len(handles))
        if others:
            _beside(panels[1], measured, others)

    return draw(name, caption, plot, height=3.5)


def _main(
    axes: Axes,
    measured: LossCurve,
    predicted: LossCurve | None,
    train: LossCurve | None,
    stopping: tuple[float | None, float | None],
) -> None:
    colour = COLOURS[0]
    _band(axes, measured, colour)
    axes.plot(measured.ts, measured.middle, color=colour, linewidth=5, alpha=0.35, solid_capstyle="butt")
    if predicted is not None:
        axes.plot(predicted.ts, predicted.middle, color=colour, linewidth=1.4)
    if train is not None:
        axes.plot(train.ts, train.middle, color=GUIDE, linewidth=1.2, linestyle="--")
    axes.set_xlim(float(measured.ts[0]), float(measured.ts[-1]))
    for time, word, style, height in zip(stopping, ("predicted", "measured"), (":", "-"), (0.97, 0.88)):
        if time is None:
            continue
        axes.axvline(time, color=INK, linewidth=1.0, linestyle=style)
        left = time > 0.55 * measured.ts[-1]
        axes.annotate(
            f"stop at {time:.3g} ({word})",
            (time, height),
            (-4 if left else 4, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top",
            fontsize=8.5,
        )


def _beside(axes: Axes, measured: LossCurve, others: Sequence[LossCurve]) -> None:
    curves, colours = [measured, *others], [GUIDE, *COLOURS[1:]]
    for curve, colour, dash in zip(curves, colours, ("-", "-", "--", "-.", ":")):
        _band(axes, curve, colour)
        axes.plot(curve.ts, curve.middle, color=colour, linewidth=1.6, linestyle=dash)
    end = max(float(curve.ts[-1]) for curve in others)
    axes.set(xlim=(0, end), xlabel="learning time")
    ends = [float(curve.middle[np.searchsorted(curve.ts, min(end, curve.ts[-1])) - 1]) for curve in curves]
    label_ends(axes, ends, [curve.label for curve in curves], colours)


def _band(axes: Axes, curve: LossCurve, colour: str) -> None:
    if curve.values.ndim == 2 and curve.values.shape[0] > 1:
        values = np.where(np.isfinite(curve.values), curve.values, np.nan)
        alive = values[~np.all(np.isnan(values), axis=1)]
        if alive.size:
            low, high = np.nanquantile(alive, QUANTILES, axis=0)
            axes.fill_between(curve.ts, low, high, color=colour, alpha=0.2, linewidth=0)


def _scale(axes: Axes, curves: Sequence[LossCurve]) -> None:
    """A logarithmic axis where losses fall by more than an order of magnitude; room for the labels above."""
    low = min(float(np.nanmin(curve.middle)) for curve in curves)
    # One network that blows up must not flatten all others.
    high = max(float(curve.middle[0]) for curve in curves)
    if low > 0 and high / low > 20:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * (high / low) ** 0.3)
    else:
        axes.set_ylim(0 if low < 0.5 * high else low - 0.1 * (high - low), high + 0.34 * (high - min(low, 0.5 * high)))
