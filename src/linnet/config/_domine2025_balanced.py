"""The settings of the study `domine2025-balanced`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Domine2025Balanced:
    """The balance of the layers takes a network from lazy to rich learning.

    Args:
        inputs: input dimensions.
        hidden: size of the hidden layer.
        outputs: output dimensions.
        balances: values of the balance.
        seeds: random tasks and initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "domine2025-balanced"

    inputs: int = 8
    hidden: int = 4
    outputs: int = 6
    balances: tuple[float, ...] = (-10.0, -1.0, 0.0, 1.0, 10.0)
    seeds: int = 8
    times: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, inputs=1, hidden=1, outputs=1, seeds=1, times=1, seed=0)
