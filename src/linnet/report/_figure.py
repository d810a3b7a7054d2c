"""Figures as SVG text: drawn by matplotlib without global state, readable in print and in grey."""

import dataclasses
import io
import re
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

#: Okabe and Ito's colours, told apart by all readers, in the order of their contrast to white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")

STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "legend.frameon": False,
    "savefig.facecolor": "none",
    # Without a salt the ids in an SVG are random, and two runs of one config would write different files.
    "svg.hashsalt": "linnet",
}


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a report.

    Args:
        name: its file name, without extension.
        caption: what it shows and what a reader should see in it, in one or two sentences.
        svg: the picture.
    """

    name: str
    caption: str
    svg: str


def draw(name: str, caption: str, plot: Callable[[Canvas], None], *, width: float = 7.2, height: float = 3.6) -> Figure:
    """Draws a figure.

    Args:
        name: its file name, without extension.
        caption: what it shows.
        plot: draws on an empty matplotlib figure (with a constrained layout), for example on `canvas.subplots()`.
        width: in inches.
        height: in inches.
    """
    with mpl.rc_context(STYLE):  # pyright: ignore[reportArgumentType]
        canvas = Canvas(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(canvas)
        plot(canvas)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # Scale with the page instead of standing at a fixed size.
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return Figure(name, caption, svg)
