"""The settings of the study `proca2025-transition`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Proca2025Transition:
    """Recurrent and feedforward solutions are separated by a phase transition, continuous only for three steps.

    Args:
        windows: lengths of the sequences.
        points: ratios of early to late importance.
        lowest: smallest beta.
        highest: largest beta.
        seeds: random initialisations.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-transition"

    windows: tuple[int, ...] = (3, 4, 6, 8)
    points: int = 41
    lowest: float = 0.2
    highest: float = 2.0
    seeds: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, windows=1, points=1, seeds=1, seed=0)
