"""The settings of the study `proca2025-kernel`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Proca2025Kernel:
    """The tangent kernel of a linear recurrent network moves more where it learns richly.

    Args:
        window: steps of a sequence.
        hidden: size of the hidden state.
        inputs: input dimensions.
        outputs: output dimensions.
        samples: sequences that the kernel is computed on.
        scales: standard deviations of the initial weights.
        seeds: random initialisations.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-kernel"

    window: int = 5
    hidden: int = 16
    inputs: int = 4
    outputs: int = 3
    samples: int = 20
    scales: tuple[float, ...] = (0.01, 0.1, 0.5, 1.0)
    seeds: int = 8
    times: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, window=1, hidden=1, inputs=1, outputs=1, samples=1, seeds=1, times=1, seed=0)
