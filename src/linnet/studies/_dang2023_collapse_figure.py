"""The figure of the study `dang2023-collapse`."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from ..report import COLOURS, GUIDE, Figure, draw


def figure_of(minority: xr.Dataset, digits: xr.Dataset) -> Figure:
    """Minority collapse over free features, measures of collapse on digits, and the norms of their classes."""
    return draw(
        "collapse",
        "Left: the features of the smallest class against its size, in units of the size below which it is predicted "
        "to be given up, over free features (lines: predicted minimum; dots: training that begins with the class, "
        "circles: without it; both are minima between the two jumps). Middle: collapse of ReLU layers on digits of "
        "equal classes over learning time, with decay and (dotted) without. Right: norms of the digits' class means "
        "against the predicted ones.",
        lambda canvas: _plot(canvas, minority, digits),
        height=3.0,
    )


def _plot(canvas: Canvas, minority: xr.Dataset, digits: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3)
    size = minority["size"].values
    for depth, colour in zip(minority["depth"].values, COLOURS, strict=False):
        one = minority.sel(depth=depth)
        scale = float(one["predicted_norm"].max())
        predicted = one["predicted_norm"].values / scale
        # The jump lies between two sizes, at 1.
        sizes = np.concatenate([size[size < 1], [1.0, 1.0], size[size > 1]])
        first = predicted[size > 1][0] if depth > 1 else 0.0
        line = np.concatenate([predicted[size < 1], [0.0, first], predicted[size > 1]])
        left.plot(sizes, line, color=colour, linewidth=1.2, label=f"{depth} {'matrix' if depth == 1 else 'matrices'}")
        left.plot(size, one["norm"].values[:, 0] / scale, "o", color=colour, markersize=4)
        left.plot(size, one["norm"].values[:, 1] / scale, "o", color=colour, markersize=6, fillstyle="none")
    left.axvline(1, color=GUIDE, linewidth=0.8, linestyle=":")
    left.set(xlabel="class size over predicted", ylabel="norm of its features", title="minority collapse")
    left.set_ylim(-0.05, 1.35)
    left.legend(loc="upper left", ncols=2, fontsize=7.5, columnspacing=1.0)

    time = digits["time"].values
    for place, (name, colour) in enumerate(zip(("NC1", "NC2", "NC3"), COLOURS, strict=False)):
        middle.plot(time, digits["collapse"].values[0, :, place], color=colour, label=name)
        middle.plot(time, digits["collapse"].values[2, :, place], color=colour, linestyle=":")
    middle.set(xscale="log", yscale="log", xlabel="learning time", ylabel="distance from collapse", title="digits")
    middle.legend(loc="lower left")

    top = 1.1 * float(digits["predicted_norm"].values[:2].max())
    right.plot([0, top], [0, top], color=GUIDE, linewidth=0.8)
    for run, (colour, marker) in enumerate(zip(COLOURS, "os", strict=False)):
        one = digits.isel(run=run)
        right.plot(one["predicted_norm"].values, one["norm"].values, marker, color=colour, markersize=5,
                   label=f"{one['run'].item()} classes", alpha=0.7)  # fmt: skip
    right.set(xlabel="predicted norm", ylabel="trained norm", title="class means of digits")
    right.legend(loc="lower right")
