"""The settings of the study `proca2025-integration`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, option, positive


@dataclasses.dataclass(frozen=True)
class Proca2025Integration:
    """Networks that learn the sum extrapolate to longer sequences; networks that learn the mean do not.

    Args:
        window: steps of a sequence in training.
        lengths: steps of the longer sequences tested, rising.
        modalities: pairs of correlated input channels.
        correlation: of the stimulus in the two channels of a pair.
        noise: standard deviation of the noise on the stimulus, of which the standard deviation is 1.
        samples: sequences by which the exact losses are checked.
        hidden: size of the hidden state.
        scale: the small initial weights have the standard deviation scale / sqrt(inputs).
        large: the same of the large initial weights of the negative control.
        seeds: random initialisations.
        times: recorded times.
        duration: learning time.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-integration"

    window: int = 4
    lengths: tuple[int, ...] = (8, 25, 50, 100)
    modalities: int = 2
    correlation: float = 0.5
    noise: float = 1.0
    samples: int = 4096
    hidden: int = 16
    scale: float = 0.01
    large: float = 1.0
    seeds: int = 10
    times: int = 100
    duration: float = 150.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, window=2, lengths=self.window + 1, modalities=1, samples=2, seeds=1, times=2, seed=0)
        at_least(self, hidden=2 * self.modalities)
        positive(self, "noise", "scale", "large", "duration")
        if not -1 < self.correlation < 1:
            raise ValueError(f"{option('correlation')} must be between -1 and 1, got {self.correlation}.")
