"""The settings of the study `proca2025-transition`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Proca2025Transition:
    """Feedforward and recurrent solutions are apart by a transition whose place depends on the initial weights.

    Args:
        windows: lengths of the sequences; 3 and a longer one are needed.
        strengths: initial strengths of all modes.
        points: ratios of early to late importance, spaced logarithmically.
        lowest: the smallest ratio.
        highest: the largest ratio.
        duration: the learning time at which what was learned is read off.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-transition"

    windows: tuple[int, ...] = (3, 4, 5, 6)
    strengths: tuple[float, ...] = (0.3, 0.5, 0.7)
    points: int = 81
    lowest: float = 0.3
    highest: float = 5.0
    duration: float = 200.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, windows=3, points=2, seed=0)
        positive(self, "lowest", "highest", "duration")
        if 3 not in self.windows or max(self.windows) == 3:
            raise ValueError(f"--windows must hold 3 and a longer one, got {', '.join(map(str, self.windows))}.")
