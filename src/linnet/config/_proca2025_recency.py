"""The settings of the study `proca2025-recency`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Proca2025Recency:
    """Linear recurrent networks learn by strength and recency: what matters late in the sequence is learned sooner.

    Args:
        window: steps of a sequence.
        size: input, output and hidden dimensions.
        scale: standard deviation of the random initial weights.
        seeds: random initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-recency"

    window: int = 6
    size: int = 4
    scale: float = 0.01
    seeds: int = 16
    times: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, window=1, size=1, seeds=1, times=1, seed=0)
