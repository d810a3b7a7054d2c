"""The settings of the study `proca2025-stability`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Proca2025Stability:
    """The task's dynamics decide whether the learned recurrence is stable and extrapolates.

    Args:
        window: steps of a sequence.
        rates: lambda of the task dynamics.
        strengths: delta of the task dynamics.
        extrapolate: how many times the trained length is tested.
        seeds: random initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-stability"

    window: int = 6
    rates: tuple[float, ...] = (0.6, 0.8, 1.0, 1.2, 1.4)
    strengths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    extrapolate: int = 4
    seeds: int = 8
    times: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, window=1, extrapolate=1, seeds=1, times=1, seed=0)
