"""Which modes are more than noise: the singular values against the edge that permuted targets reach."""

import numpy as np
from matplotlib.figure import Figure as Canvas

from ._figure import COLOURS, GUIDE, INK, Figure, draw
from ._modes import mode_ticks


def spectrum_figure(
    name: str,
    caption: str,
    singular_values: np.ndarray,
    edge: float | None = None,
    permuted: np.ndarray | None = None,
    *,
    width: float = 7.2,
) -> Figure:
    """Singular values in order, with the noise edge; values below it are hollow.

    Args:
        name: the figure's file name.
        caption: what it shows.
        singular_values: in descending order.
        edge: the noise edge.
        permuted: the largest singular value for each permutation of the targets.
        width: in inches.
    """

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        values = np.asarray(singular_values, float)
        mode = np.arange(1, len(values) + 1)
        above = values > edge if edge is not None else np.ones(len(values), bool)
        axes.vlines(mode, 0, values, color=COLOURS[0], linewidth=1.2, alpha=0.5)
        axes.plot(mode[above], values[above], "o", color=COLOURS[0], markersize=6)
        axes.plot(mode[~above], values[~above], "o", color=COLOURS[0], markersize=6, markerfacecolor="none")
        limit = 1.12 * float(values.max(initial=edge or 0))
        if edge is not None:
            if permuted is not None and np.size(permuted) > 1:
                low, high = float(np.min(permuted)), float(np.max(permuted))
                axes.axhspan(low, high, color=GUIDE, alpha=0.2, linewidth=0)
                limit = max(limit, 1.05 * high)
            axes.axhline(edge, color=INK, linewidth=1.0, linestyle="--")
            num = f" of {np.size(permuted)} permutations" if permuted is not None else " of permutations"
            axes.annotate(
                f"noise edge {edge:.3g}\n(95 %{num})",
                (1.0, edge),
                (6, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        axes.set(ylim=(0, limit), xlabel="mode", ylabel="singular value $s$")
        mode_ticks(axes, len(values))

    return draw(name, caption, plot, width=width, height=2.5)
