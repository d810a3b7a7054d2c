"""The graph of a symbolic code, drawn."""

from typing import Any

import numpy as np
from matplotlib.patches import FancyArrowPatch

from ._figure import COLOURS, INK


def draw_symbol_graph(axes: Any, transitions: Any, shares: Any) -> None:
    """Symbols in a circle, their areas by how often they are visited, with arrows by how often which follows.

    Args:
        axes: where to draw.
        transitions: how often each symbol (row) is followed by each (column); those to itself are not drawn.
        shares: the part of all steps at each symbol.
    """
    num = len(shares)
    angles = np.pi / 2 - 2 * np.pi * np.arange(num) / num
    nodes = np.stack([np.cos(angles), np.sin(angles)], axis=1) if num > 1 else np.zeros((1, 2))
    leaving = np.maximum(transitions.sum(axis=1) - np.diagonal(transitions), 1)
    for a in range(num):
        for b in range(num):
            if a != b and transitions[a, b]:
                share = transitions[a, b] / leaving[a]
                axes.add_patch(
                    FancyArrowPatch(
                        nodes[a], nodes[b], connectionstyle="arc3,rad=0.12", arrowstyle="-|>", mutation_scale=9,
                        shrinkA=11, shrinkB=11, color=INK, linewidth=0.4 + 2 * share, alpha=0.15 + 0.85 * share,
                    )
                )  # fmt: skip
    for place in range(num):
        colour = symbol_colour(place)
        axes.plot(*nodes[place], "o", color=colour, markersize=10 + 14 * np.sqrt(shares[place]))
        axes.annotate(str(place + 1), nodes[place], ha="center", va="center", fontsize=8, color="#ffffff")
    axes.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
    axes.axis("off")


def symbol_colour(place: int) -> str:
    """The colour of a symbol by its place among the most visited."""
    # Of more nodes than colours the later ones are grey, like the regions that are not drawn.
    return COLOURS[place] if place < len(COLOURS) - 1 else "#707070"
