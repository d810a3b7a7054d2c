"""The settings of the study `advani2020-overtraining`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Advani2020Overtraining:
    """Overtraining is worst with as many samples as inputs; early stopping and small initial weights prevent it.

    Args:
        inputs: input dimensions.
        ratios: samples per input dimension; 1 has to be among them.
        snr: signal-to-noise ratio of the teacher.
        initial_ratio: initial-to-teacher ratio of the weights' variance, for the networks that begin large.
        seeds: teachers, each with samples of its own.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "advani2020-overtraining"

    inputs: int = 100
    ratios: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    snr: float = 5.0
    initial_ratio: float = 1.0
    seeds: int = 64
    times: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, inputs=4, seeds=2, times=10, seed=0)
        positive(self, "snr", "initial_ratio")
        if 1.0 not in self.ratios or min(self.ratios) > 0.5 or max(self.ratios) < 2:
            raise ValueError("--ratios must hold 1, one of at most 0.5 and one of at least 2.")
