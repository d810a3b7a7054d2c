"""The settings of the study `advani2020-overtraining`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Advani2020Overtraining:
    """Overtraining is worst with as many samples as inputs; early stopping and small initial weights prevent it.

    Args:
        inputs: input dimensions.
        ratios: samples per input dimension.
        snr: signal-to-noise ratio of the teacher.
        scales: initial-to-teacher ratio of the weights' standard deviation.
        seeds: teachers.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "advani2020-overtraining"

    inputs: int = 100
    ratios: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    snr: float = 5.0
    scales: tuple[float, ...] = (0.0, 1.0)
    seeds: int = 32
    times: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, inputs=1, seeds=1, times=1, seed=0)
