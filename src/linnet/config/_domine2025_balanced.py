"""The settings of the study `domine2025-balanced`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Domine2025Balanced:
    """The balance of the layers takes a network from lazy to rich learning, as the matrix Riccati solution says.

    Args:
        size: input, hidden and output dimensions.
        inputs: input dimensions of the networks that have more inputs than hidden units.
        balances: values of the balance.
        scale: standard deviation of the weights whose product the balanced ones keep.
        seeds: random initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "domine2025-balanced"

    size: int = 5
    inputs: int = 10
    balances: tuple[float, ...] = (-10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0)
    scale: float = 0.05
    seeds: int = 8
    times: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, size=2, seeds=1, times=4, seed=0)
        positive(self, "scale")
        if self.inputs <= self.size:
            raise ValueError(f"--inputs must be more than the size of {self.size}, got {self.inputs}.")
        if 0.0 not in self.balances or min(self.balances) > -1:
            raise ValueError("--balances must hold 0 and one of at most -1.")
