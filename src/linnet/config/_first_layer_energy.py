"""The settings of the study `first-layer-energy`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class FirstLayerEnergy:
    """The first layer of convolutional networks becomes what second moments of image patches say, whatever the labels.

    Args:
        side: height and width of the images, crops of two photographs.
        size: height and width of the filters.
        images: images to learn from.
        channels: channels of the linear networks.
        duration: their learning time, in units of one over the variance of the strongest patch component.
        nonlinear: channels of the two layers of the ReLU networks.
        steps: steps of descent of the ReLU networks.
        learning_rate: of the ReLU networks.
        seeds: random crops, labels and networks.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "first-layer-energy"

    side: int = 12
    size: int = 5
    images: int = 400
    channels: int = 160
    duration: float = 5.0
    nonlinear: tuple[int, int] = (24, 12)
    steps: int = 800
    learning_rate: float = 0.02
    seeds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, side=6, size=2, images=20, channels=8, steps=10, seeds=2, seed=0)
        positive(self, "duration", "learning_rate")
        places = (self.side - self.size + 1) ** 2
        if self.side < self.size + 2:
            raise ValueError(f"--side needs two pixels more than --size, got {self.side} and {self.size}.")
        if self.channels < 2 * places:
            raise ValueError(
                f"--channels has to be at least twice the number of places of a filter in an image, {2 * places}, so "
                f"that output weights can be even, got {self.channels}."
            )
        if len(self.nonlinear) != 2 or min(self.nonlinear) < 1:
            raise ValueError(f"--nonlinear needs two numbers of channels, got {self.nonlinear}.")
