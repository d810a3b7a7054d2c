"""Figures as SVG text: drawn by matplotlib without global state, readable in print, in grey, on light and on dark."""

import dataclasses
import io
import re
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

#: Okabe and Ito's colours, told apart by all readers and visible on white and on black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#808080")

#: The colour of text and axes: in the SVG it becomes `currentColor`, the ink of the page that the figure is on.
INK = "#1a1b1c"

#: Lines that only guide the eye.
GUIDE = "#8c8c8c"

STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=COLOURS),
    "legend.frameon": False,
    "legend.fontsize": 9,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
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
    return Figure(name, caption, clean_svg(buffer.getvalue(), name))


def clean_svg(svg: str, name: str) -> str:
    """An SVG of matplotlib made fit to stand inside a page.

    It scales with the page, takes the page's ink, brings no style for the whole page, no ids that another figure has
    too, and no more digits than a printer can show.

    Args:
        svg: what matplotlib wrote.
        name: the figure's name, which becomes part of its ids.
    """
    svg = svg[svg.index("<svg") :].strip()
    for attribute in ("width", "height"):
        svg = re.sub(rf'(<svg[^>]*?) {attribute}="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = svg.replace("<svg ", '<svg style="stroke-linejoin: round; stroke-linecap: butt" ', 1)
    slug = re.sub(r"[^A-Za-z0-9_-]", "-", name)
    svg = re.sub(r'\bid="([^"]*)"', rf'id="{slug}-\1"', svg)
    svg = re.sub(r"url\(#", f"url(#{slug}-", svg)
    svg = re.sub(r'href="#', f'href="#{slug}-', svg)
    svg = svg.replace(INK, "currentColor").replace("#000000", "currentColor")
    # Text without a colour of its own is black in SVG whatever the page is.
    svg = svg.replace("<svg ", '<svg fill="currentColor" ', 1)
    svg = re.sub(r'(?<= d=")[^"]*', lambda found: _short(found[0]), svg)
    return re.sub(r"\n\s*", "\n", svg)


def _short(path: str) -> str:
    path = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), path)
    return re.sub(r"\s+", " ", path)
