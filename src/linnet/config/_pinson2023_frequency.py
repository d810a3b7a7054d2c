"""The settings of the study `pinson2023-frequency`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Pinson2023Frequency:
    """Linear convolutional networks learn each mode in a stage of its own, by its dominant frequency alone.

    Args:
        pixels: length of the sequences.
        side: height and width of the images.
        shares: parts of a single pattern's power that its dominant wave has.
        small: standard deviation of small initial weights.
        large: that of large ones, for three classes.
        duration: learning time of one pattern, whose singular value is 1.
        channels: channels of the ReLU network.
        steps: steps of descent of the ReLU networks.
        seeds: random data and networks.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "pinson2023-frequency"

    pixels: int = 64
    side: int = 10
    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
    small: float = 1e-4
    large: float = 0.3
    duration: float = 10.0
    channels: int = 16
    steps: int = 2400
    seeds: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, pixels=24, side=8, channels=1, steps=100, seeds=2, seed=0)
        positive(self, "small", "large", "duration")
        if len(self.shares) < 2 or not all(0 < share < 1 for share in self.shares):
            raise ValueError(f"--shares needs two or more parts between 0 and 1, got {self.shares}.")
        if self.small > 0.01 * self.large:
            raise ValueError(f"--small is at most a hundredth of --large, got {self.small} and {self.large}.")
