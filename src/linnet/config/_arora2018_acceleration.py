"""The settings of the study `arora2018-acceleration`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Arora2018Acceleration:
    """Depth is a preconditioner: it speeds up regression under the fourth power, not the square, and favours low rank.

    Args:
        depths: numbers of weight matrices compared with a single one, rising from 2 or more.
        rates: learning rates tried for each depth, evenly over a factor of 100.
        steps: steps of regression after which a learning rate is given up.
        done: part of the excess loss at which regression counts as done.
        inputs: input dimensions of regression.
        samples: samples of regression.
        condition: ratio of the largest to the smallest variance of the inputs.
        size: rows and columns of the matrix to complete.
        rank: its rank.
        observed: part of its entries that is seen.
        strength: initial singular values of the completed matrix.
        duration: learning time of completion, in units of what an entry of the matrix takes alone.
        seeds: random problems.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "arora2018-acceleration"

    depths: tuple[int, ...] = (2, 3)
    rates: int = 25
    steps: int = 1000
    done: float = 1e-3
    inputs: int = 16
    samples: int = 300
    condition: float = 30.0
    size: int = 24
    rank: int = 2
    observed: float = 0.5
    strength: float = 1e-3
    duration: float = 400.0
    seeds: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, depths=2, rates=5, steps=10, inputs=2, samples=self.inputs + 1, size=4, rank=1, seeds=2, seed=0)
        positive(self, "done", "condition", "observed", "strength", "duration")
        if not self.depths or list(self.depths) != sorted(set(self.depths)):
            raise ValueError(f"--depths needs rising numbers of weight matrices, got {self.depths}.")
        if self.observed > 1 or self.strength >= 1 or self.rank >= self.size:
            raise ValueError(
                "--observed is at most 1, --strength below 1 and --rank below --size, got "
                f"{self.observed}, {self.strength} and {self.rank} of {self.size}."
            )
