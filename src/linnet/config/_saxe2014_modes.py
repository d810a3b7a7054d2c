"""The settings of the study `saxe2014-modes`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Saxe2014Modes:
    """The modes of a task are learned one after the other, each along a sigmoid, in the order of their strength.

    Args:
        levels: levels of the binary tree that the items come from; there are 2 ** levels items.
        features: features of the hierarchical diffusion process.
        flip: probability that a feature flips along a branch.
        hidden: size of the hidden layer.
        strength: initial strength of every mode of the aligned networks.
        scale: standard deviation of the random initial weights.
        seeds: random initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "saxe2014-modes"

    levels: int = 5
    features: int = 200
    flip: float = 0.1
    hidden: int = 32
    strength: float = 1e-06
    scale: float = 0.001
    seeds: int = 8
    times: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, levels=1, features=1, hidden=1, seeds=1, times=1, seed=0)
