"""Symbolic codes of chaotic flows with one symbol for each revolution, and their entropies."""

from typing import NamedTuple

import numpy as np
from scipy.signal import find_peaks

from .. import analyse

#: Words of so many symbols: the orbit has many more revolutions than there are words.
_LENGTH = 5
#: A peak rises by so many standard deviations above its surroundings.
_PROMINENCE = 0.1


class Section(NamedTuple):
    """Where a revolution is read, and what tells its symbol.

    Args:
        column: the coordinate whose peaks are the revolutions.
        scale: the standard deviation of that coordinate on the attractor.
        border: the first coordinate there is above it (1) or not (0).
    """

    column: int
    scale: float
    border: float

    def peaks(self, values: np.ndarray) -> np.ndarray:
        """The steps at which the revolutions are read."""
        return find_peaks(values[:, self.column], prominence=_PROMINENCE * self.scale)[0]

    def code(self, values: np.ndarray) -> np.ndarray:
        """The symbol of each revolution."""
        return (values[self.peaks(values), 0] > self.border).astype(int)


def lorenz_section(values: np.ndarray) -> Section:
    """The lobe, left or right, where the third coordinate of Lorenz's system peaks."""
    return Section(2, float(values[:, 2].std()), 0.0)


def rossler_section(values: np.ndarray) -> Section:
    """Below or above the critical point of the return map of Roessler's peaks, which divides its orbits into symbols.

    The critical point is the height whose next peak is highest.
    """
    first = Section(0, float(values[:, 0].std()), np.inf)
    heights = values[first.peaks(values), 0]
    before, after = heights[:-1], heights[1:]
    return first._replace(border=float(np.median(before[after >= np.quantile(after, 0.99)])))


def entropies(code: np.ndarray) -> tuple[float, float]:
    """The topological and the metric entropy of a code, per symbol, from words of five; 0 where there are too few."""
    if len(code) < 4 * 2**_LENGTH:
        return 0.0, 0.0
    found = analyse.symbolic_dynamics(None, code)
    blocks = found.block_entropies(_LENGTH + 1)
    return found.topological_entropy(_LENGTH), float(blocks[-1] - blocks[-2])


def agreement(symbols: np.ndarray, code: np.ndarray) -> float:
    """The share of a binary code that is right where each symbol stands for what it goes with most often."""
    right = sum(max(int(code[symbols == kind].sum()), int((1 - code[symbols == kind]).sum())) for kind in set(symbols))
    return right / max(len(code), 1)
