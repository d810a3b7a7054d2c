"""The settings of the study `proca2025-integration`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Proca2025Integration:
    """Networks that learn the sum extrapolate to longer sequences; networks that learn the mean do not.

    Args:
        window: steps of a sequence in training.
        lengths: steps of the sequences tested.
        noise: standard deviation of the noise on the stimulus.
        samples: sequences in training.
        hidden: size of the hidden state.
        seeds: random initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-integration"

    window: int = 10
    lengths: tuple[int, ...] = (10, 20, 40)
    noise: float = 1.0
    samples: int = 4096
    hidden: int = 8
    seeds: int = 8
    times: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, window=1, lengths=1, samples=1, hidden=1, seeds=1, times=1, seed=0)
