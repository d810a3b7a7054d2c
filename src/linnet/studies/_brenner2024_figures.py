"""Figures of the study of almost-linear networks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from ..config._brenner2024_almost_linear import PUBLISHED_RELUS
from ..report import COLOURS, GUIDE, INK, Figure, draw, draw_symbol_graph, symbol_colour

#: The coordinates that are drawn of each system.
_PLANES = {"Lorenz": ((0, 2), ("x", "z")), "Rossler": ((0, 1), ("x", "y"))}
_POINTS = 6000


def attractors_figure(found: Mapping[str, Any]) -> Figure:
    """Data, free run coloured by its region, and the graph of the regions, one row for each system."""

    def plot(canvas: Canvas) -> None:
        rows = canvas.subplots(len(found), 3, squeeze=False, width_ratios=(1, 1, 0.8))
        for axes, (name, one) in zip(rows, found.items(), strict=True):
            plane, labels = _PLANES[name]
            few = PUBLISHED_RELUS[name]
            data, run = (np.asarray(values)[:_POINTS, list(plane)] for values in (one.data, one.run))
            axes[0].plot(*data.T, color=INK, linewidth=0.25)
            axes[0].set(title=f"{name}: data", xlabel=labels[0], ylabel=labels[1])
            symbols = np.asarray(one.symbols.symbols)[:_POINTS]
            for place in range(one.symbols.num):
                mine = symbols == place
                axes[1].plot(*run[mine].T, ".", color=symbol_colour(place), markersize=1)
            limits = axes[0].axis()
            seen = one.points[:, list(plane)]
            inside = (np.abs(seen - data.mean(axis=0)) < 4 * data.std(axis=0)).all(axis=1)
            axes[1].plot(*seen[inside].T, "X", color=INK, markersize=6, markeredgecolor="white", linestyle="none")
            axes[1].set(title=f"network, {few} rectified unit{'s' * (few > 1)}", xlabel=labels[0])
            axes[1].axis(limits)
            draw_symbol_graph(axes[2], one.symbols.transitions, one.symbols.visits / one.symbols.visits.sum())
            axes[2].set_title(f"its {one.symbols.num} regions")

    return draw(
        "attractors",
        "Left: the data. Middle: the free run of the best network with the published number of rectified units, "
        "coloured by the linear region it is in; crosses are the network's exact fixed points. Right: which region "
        "follows which (arrows: share of the ways out; circles: share of the time).",
        plot,
        height=2.7 * len(found) + 0.3,
    )


def relus_figure(found: Mapping[str, Any]) -> Figure:
    """What the number of rectified units does: chaotic runs, exponents, geometry, spectra."""
    panels = ("chaotic", "exponent", "divergence", "spectrum")
    titles = ("share that runs on chaotically", "largest exponent", "divergence in state space", "distance of spectra")

    def plot(canvas: Canvas) -> None:
        rows = canvas.subplots(len(found), len(panels), squeeze=False)
        for axes, (name, one) in zip(rows, found.items(), strict=True):
            relus = one.table["relus"].values
            places = np.arange(len(relus))
            for panel, column, title in zip(axes, panels, titles):
                values = one.table[column].values
                if column == "chaotic":
                    panel.plot(places, values.mean(axis=1), "o-", color=COLOURS[0], markersize=4, linewidth=1)
                    panel.set(ylim=(-0.05, 1.05))
                else:
                    chaotic = one.table["chaotic"].values.astype(bool)
                    for which, colour in ((chaotic, COLOURS[0]), (~chaotic & np.isfinite(values), COLOURS[1])):
                        row, _ = np.nonzero(which)
                        panel.plot(places[row], values[which], "o", color=colour, markersize=3.5)
                    panel.axhline(one.truth[column], color=GUIDE, linewidth=1)
                    gaussian = one.truth.get(f"gaussian {column}")
                    if gaussian is not None:
                        panel.axhline(gaussian, color=GUIDE, linewidth=1, linestyle="--")
                panel.set_xticks(places, [str(number) for number in relus])
                panel.set_xlim(-0.5, len(relus) - 0.5)
                if panel in rows[0]:
                    panel.set_title(title, fontsize=8)
                if panel in rows[-1]:
                    panel.set_xlabel("rectified units")
            axes[1].set_ylim(bottom=-0.3 * one.truth["exponent"] * 3)
            axes[0].set_ylabel(name)

    return draw(
        "relus",
        "One point for each network (blue: its free run goes on chaotically, orange: it rests or repeats itself; those "
        "that left every bound are not drawn), by the number of rectified units. Lines: the system itself; dashed: "
        "Gaussian points with the covariance of the data.",
        plot,
        height=2.1 * len(found) + 0.4,
    )
