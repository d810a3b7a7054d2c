"""The settings of the study `proca2025-stability`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Proca2025Stability:
    """The task's dynamics decide whether the learned recurrence is stable and extrapolates.

    Args:
        window: steps of a sequence.
        rates: lambda of the modes of exponential and inverse-exponential importances, rising; some below and some
            above 1.
        weakest: delta of the weakest constant importances.
        strongest: delta of the strongest; at the learning rate of the study the limit is 2.6 for 6 steps.
        points: strengths between these.
        extrapolate: how many times the trained length is tested.
        hidden: size of the hidden state.
        scale: the random initial weights have the standard deviation scale / sqrt(inputs).
        seeds: random initialisations.
        duration: learning time.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-stability"

    window: int = 6
    rates: tuple[float, ...] = (0.8, 0.9, 1.1, 1.25)
    weakest: float = 1.8
    strongest: float = 3.6
    points: int = 36
    extrapolate: int = 4
    hidden: int = 16
    scale: float = 0.01
    seeds: int = 8
    duration: float = 150.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, window=3, points=2, extrapolate=2, hidden=len(self.rates) + 1, seeds=1, seed=0)
        positive(self, "rates", "weakest", "strongest", "scale", "duration")
        if len(self.rates) < 2 or not self.rates[0] < 1 < self.rates[-1]:
            raise ValueError(f"--rates needs two or more rising numbers from below to above 1, got {self.rates}.")
