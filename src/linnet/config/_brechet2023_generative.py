"""The settings of the study `brechet2023-generative`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Brechet2023Generative:
    """Balanced linear networks learn the largest eigenvalues of a covariance; the others are what their loss is.

    Args:
        size: dimensions of the covariance.
        rank: width of the hidden layer.
        depths: numbers of weight matrices whose rates are compared, rising, with 1 among them.
        smoothing: of the smoothed loss, below half of the smallest eigenvalue that is kept.
        rate: learning rate of descent.
        duration: learning time.
        smallest: standard deviations of the weakest direction of the targets of full rank, rising.
        seeds: random targets and initial weights.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "brechet2023-generative"

    size: int = 5
    rank: int = 2
    depths: tuple[int, ...] = (1, 2, 3)
    smoothing: float = 0.1
    rate: float = 0.01
    duration: float = 40.0
    smallest: tuple[float, ...] = (0.25, 0.35, 0.5, 0.7)
    seeds: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, size=3, rank=1, depths=1, seeds=1, seed=0)
        positive(self, "smoothing", "rate", "duration", "smallest")
        if self.rank >= self.size:
            raise ValueError(f"--rank must be below --size, got {self.rank} and {self.size}.")
        if list(self.depths) != sorted(set(self.depths)) or self.depths[:1] != (1,) or len(self.depths) < 2:
            raise ValueError(f"--depths needs rising numbers that begin with 1, and more than that, got {self.depths}.")
        if len(self.smallest) < 2 or list(self.smallest) != sorted(set(self.smallest)) or self.smallest[-1] >= 1:
            raise ValueError(f"--smallest needs two or more rising numbers below 1, got {self.smallest}.")
