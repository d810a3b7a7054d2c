"""The report of a phase diagram: theory's contours over the colours of simulation, and how far they are apart."""

import dataclasses
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure as Canvas

from ._figure import Figure, draw
from ._learn import stored_citations
from ._page import ReportContent, write_report

#: Contours of the theory.
LEVELS = 6


@dataclasses.dataclass(frozen=True)
class PhaseAxis:
    """One axis of a phase diagram.

    Args:
        name: its name.
        label: what it is.
        values: its points, rising.
        log: whether it is drawn in the logarithm.
    """

    name: str
    label: str
    values: np.ndarray
    log: bool = False

    def edges(self) -> np.ndarray:
        """The borders of the cells around the points."""
        values = np.log(self.values) if self.log else self.values
        middle = (values[1:] + values[:-1]) / 2
        edges = np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])
        return np.exp(edges) if self.log else edges


@dataclasses.dataclass(frozen=True)
class PhaseDiagram:
    """One number over two parameters, simulated and predicted.

    Args:
        study: the study it belongs to.
        quantity: what the number is.
        log: whether its colours are logarithmic.
        x: the horizontal axis.
        y: the vertical one.
        simulated: `"seed x y"`; NaN where a member failed or the number does not exist.
        predicted: the same.
        theory: what predicts.
    """

    study: str
    quantity: str
    log: bool
    x: PhaseAxis
    y: PhaseAxis
    simulated: np.ndarray
    predicted: np.ndarray
    theory: str

    def median(self, road: str) -> np.ndarray:
        """The median over seeds at every point, `"x y"`; NaN where most seeds have none."""
        values = getattr(self, road)
        return np.median(np.where(np.isfinite(values), values, np.nan), axis=0)

    def gap(self) -> np.ndarray:
        """How far the medians are apart at every point: relative for logarithmic colours, else over the range."""
        simulated, predicted = self.median("simulated"), self.median("predicted")
        if self.log:
            return np.abs(predicted / np.where(simulated != 0, simulated, np.nan) - 1)
        span = np.nanmax(simulated) - np.nanmin(simulated) if np.isfinite(simulated).any() else np.nan
        return np.abs(predicted - simulated) / (span if span > 0 else 1)

    def gaps(self) -> tuple[float, float]:
        """The median and the largest gap over all points that have one; NaN where none has."""
        gap = self.gap()
        gap = gap[np.isfinite(gap)]
        return (float(np.median(gap)), float(np.max(gap))) if gap.size else (float("nan"), float("nan"))

    def answer(self) -> str:
        """What was found, in one sentence."""
        simulated = self.median("simulated")
        if not np.isfinite(simulated).any():
            return f"{self.quantity}: no point has such a number"
        found = f"{self.quantity}: from {np.nanmin(simulated):.3g} to {np.nanmax(simulated):.3g}"
        middle, most = self.gaps()
        if not np.isfinite(middle):
            return f"{found}; nothing was predicted"
        unit = "relative to it" if self.log else "of its range"
        if most < 1e-4:
            return f"{found}; predicted within 0.01 % {unit} at all points"
        return f"{found}; predicted within {_percent(middle)} {unit} at half of the points, {_percent(most)} at all"


def phase_figure(diagram: PhaseDiagram) -> Figure:
    """Contours of the theory over the colours of simulation."""

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        simulated, predicted = diagram.median("simulated"), diagram.median("predicted")
        norm = _norm(simulated, diagram.log)
        bar = _cells(canvas, axes, diagram, simulated, norm, "viridis", textwrap.fill(diagram.quantity, 44))
        levels = _levels(predicted, norm, diagram.log)
        if levels.size:
            points = diagram.x.values, diagram.y.values, predicted.T
            axes.contour(*points, levels, colors="white", linewidths=2.4, alpha=0.55)
            axes.contour(*points, levels, colors="black", linewidths=1.0)
            # Where the lines belong: numbers on the lines would meet each other.
            for level in levels:
                bar.ax.axhline(level, color="white", linewidth=2.4, alpha=0.55)
                bar.ax.axhline(level, color="black", linewidth=1.0)

    caption = (
        f"Colour: {diagram.quantity}, simulated (median over {diagram.simulated.shape[0]} seeds). Lines: the same as "
        f"predicted by {diagram.theory}, at the levels marked on the bar. Where every line keeps to the colour of its "
        "mark, theory and simulation agree."
    )
    return draw("phase", caption, plot, width=6.4, height=4.6)


def gap_figure(diagram: PhaseDiagram) -> Figure:
    """How far theory and simulation are apart at every point."""

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        gap = np.maximum(diagram.gap(), 1e-12)
        label = "gap, relative" if diagram.log else "gap over the range of the number"
        _cells(canvas, axes, diagram, gap, _norm(gap, True), "magma", label)

    caption = "How far the medians of theory and simulation are apart. Empty: one of the two has no such number there."
    return draw("gap", caption, plot, width=6.4, height=4.6)


def write_phase_report(folder: str | os.PathLike, diagram: PhaseDiagram, summary: Mapping[str, Any]) -> Path:
    """Writes the report of a phase diagram.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        diagram: the diagram.
        summary: what `linnet phase --json` prints.

    Returns:
        The path of the page.
    """
    failed, others = summary["failed"], {k: v for k, v in summary["scalars"].items() if k != summary["scalar"]}
    fixed = ", ".join(f"{name} {value:g}" for name, value in summary["fixed"].items())
    sizes = f"{len(diagram.x.values)} x {len(diagram.y.values)} points, {summary['seeds']} seeds each"
    predicted = np.isfinite(diagram.predicted).any()
    content = ReportContent(
        title=f"{diagram.quantity[:1].upper()}{diagram.quantity[1:]} over {diagram.x.name} and {diagram.y.name}",
        answer=f"{diagram.answer()[:1].upper()}{diagram.answer()[1:]}.",
        kind=f"linnet phase {diagram.study}",
        about=f"{sizes}{f'; {fixed}' if fixed else ''}.",
        warnings=(f"Members without such a number (diverged, or never there), left out: {failed}.",) if failed else (),
        overlay=(phase_figure(diagram),),
        difference=(gap_figure(diagram),) if predicted else (),
        reproduce=(summary["command"],) if summary.get("command") else (),
        notes=(
            "All numbers at all points and seeds are in data.nc of the run folder (xarray.open_datatree: /simulation, "
            "/theory, /difference).",
            *([f"Other numbers of the same run: {', '.join(others)} (--scalar)."] if others else []),
        ),
        citations=stored_citations(folder),
    )
    return write_report(folder, content)


def _cells(
    canvas: Canvas, axes: Any, diagram: PhaseDiagram, values: np.ndarray, norm: Any, cmap: str, label: str
) -> Any:
    colours, x, y = mpl.colormaps[cmap], diagram.x, diagram.y
    # One picture and not a path for every cell: a thousand of them make a page slow.
    mesh = axes.pcolormesh(
        x.edges(), y.edges(), np.ma.masked_invalid(values.T), norm=norm, cmap=colours, rasterized=True
    )
    axes.set(xscale="log" if x.log else "linear", yscale="log" if y.log else "linear", xlabel=x.label, ylabel=y.label)
    bar = canvas.colorbar(mesh, ax=axes, label=label)
    bar.outline.set_visible(False)
    return bar


def _norm(values: np.ndarray, log: bool) -> Normalize:
    finite = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = (float(np.min(finite)), float(np.max(finite))) if finite.size else (1.0, 2.0)
    if log:
        return LogNorm(low, high if high > low else 2 * low)
    return Normalize(low, high if high > low else low + 1)


def _levels(values: np.ndarray, norm: Normalize, log: bool) -> np.ndarray:
    finite = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = float(norm.vmin or 0), float(norm.vmax or 0)
    if not (finite.size and low < high and np.min(finite) < np.max(finite)):
        return np.zeros(0)
    return (np.geomspace if log else np.linspace)(low, high, LEVELS + 2)[1:-1]


def _percent(part: float) -> str:
    return "0.01 %" if part < 1e-4 else f"{100 * part:.2g} %"
