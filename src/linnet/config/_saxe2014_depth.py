"""The settings of the study `saxe2014-depth`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Saxe2014Depth:
    """From orthogonal or pretrained weights the learning time does not grow with depth; from Gaussian ones it does.

    Args:
        depths: numbers of weight matrices.
        hidden: size of the hidden layers.
        inputs: input dimensions.
        outputs: output dimensions.
        threshold: part of the initial loss at which learning counts as done.
        seeds: random initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "saxe2014-depth"

    depths: tuple[int, ...] = (2, 3, 5, 10, 20)
    hidden: int = 32
    inputs: int = 16
    outputs: int = 8
    threshold: float = 0.05
    seeds: int = 8
    times: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, depths=1, hidden=1, inputs=1, outputs=1, seeds=1, times=1, seed=0)
