"""The settings of the study `proca2025-recency`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Proca2025Recency:
    """Linear recurrent networks learn by strength and recency: what matters late in the sequence is learned sooner.

    Args:
        window: steps of a sequence.
        rates: lambda of the modes of equal strength, s_i = delta lambda^(T - i), rising: the first, below 1, matters
            late in the sequence, the last, above 1, early.
        recurrent: recurrent strengths at which the recurrence is frozen, besides 1.
        hidden: size of the hidden state.
        scale: the random initial weights have the standard deviation scale / sqrt(inputs).
        seeds: random initialisations.
        times: recorded times.
        duration: learning time.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-recency"

    window: int = 7
    rates: tuple[float, ...] = (0.8, 1.0, 1.25)
    recurrent: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    hidden: int = 16
    scale: float = 0.01
    seeds: int = 16
    times: int = 300
    duration: float = 80.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, window=2, hidden=len(self.rates), seeds=1, times=2, seed=0)
        positive(self, "rates", "recurrent", "scale", "duration")
        if len(self.rates) < 3 or list(self.rates) != sorted(set(self.rates)):
            raise ValueError(f"--rates needs three or more rising numbers, got {self.rates}.")
