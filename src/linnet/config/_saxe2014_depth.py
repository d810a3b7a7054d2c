"""The settings of the study `saxe2014-depth`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Saxe2014Depth:
    """From orthogonal or pretrained weights the learning time does not grow with depth; from Gaussian ones it does.

    Args:
        depths: numbers of weight matrices, two of them at least 5.
        size: input and hidden dimensions; there are a quarter as many outputs.
        strength: initial strength of every mode of the pretrained (aligned) networks.
        threshold: part of the initial loss at which learning counts as done.
        longest: learning time over the optimal rate's time, $D t$, at which training is given up.
        seeds: random initialisations.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "saxe2014-depth"

    depths: tuple[int, ...] = (2, 3, 5, 10, 20)
    size: int = 32
    strength: float = 0.1
    threshold: float = 0.05
    longest: float = 60.0
    seeds: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, depths=2, size=8, seeds=1, seed=0)
        positive(self, "strength", "threshold", "longest")
        if len({depth for depth in self.depths if depth >= 5}) < 2:
            raise ValueError(f"--depths must hold at least two depths of 5 or more, got {list(self.depths)}.")
