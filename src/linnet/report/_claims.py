"""The claims of a study at a glance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from ._figure import COLOURS, GUIDE, INK, Figure, draw

#: Distances beyond this many tolerances are drawn at the border.
FAR = 3.0


def claims_figure(name: str, caption: str, claims: Sequence[Mapping[str, Any]]) -> Figure:
    """How far each claim is from failing: the distance of measured and predicted in units of what is tolerated.

    Args:
        name: the figure's file name.
        caption: what it shows.
        claims: each with "predicted", "measured", "tolerance", "holds", and optionally "relation" and "control".
    """

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.axvspan(-FAR - 1, 1, color=GUIDE, alpha=0.15, linewidth=0)
        axes.axvline(1, color=INK, linewidth=1.0, linestyle="--")
        for row, claim in enumerate(claims):
            place = float(np.clip(distance(claim), -FAR, FAR))
            holds = bool(claim["holds"])
            style = {"marker": "o" if holds else "X", "color": COLOURS[2] if holds else COLOURS[1], "markersize": 7}
            axes.plot([place], [row], linestyle="none", **style)
        names = [f"{row + 1}{' (control)' if claim.get('control') else ''}" for row, claim in enumerate(claims)]
        axes.set_yticks(range(len(claims)), names)
        axes.set(ylim=(len(claims) - 0.4, -0.6), xlim=(-FAR - 0.2, FAR + 0.2), ylabel="claim")
        axes.set_xlabel("distance to what was predicted, in units of the tolerance (shaded: holds)")
        axes.set_xticks([-3, -2, -1, 0, 1, 2, 3], ["≤ −3", "−2", "−1", "0", "1", "2", "≥ 3"])

    return draw(name, caption, plot, height=1.1 + 0.24 * len(claims))


def distance(claim: Mapping[str, Any]) -> float:
    """How far a claim is from its prediction in units of its tolerance: it holds up to 1.

    For bounds ("at least", "at most") a value on the safe side is negative; a tolerance of zero counts as a hundredth
    of the bound.
    """
    predicted, measured = claim["predicted"], claim["measured"]
    if predicted is None or measured is None or not np.isfinite(measured):
        return FAR
    gap, relation = float(measured) - float(predicted), claim.get("relation", "close")
    signed = {"close": abs(gap), "at least": -gap, "at most": gap}[relation]
    unit = float(claim["tolerance"]) or 0.01 * abs(float(predicted)) or 1e-12
    shift = 0.0 if claim["tolerance"] or relation == "close" else 1.0
    return signed / unit + shift
