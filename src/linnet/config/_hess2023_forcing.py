"""The settings of the study `hess2023-forcing`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Hess2023Forcing:
    """A little forcing bounds the gradients of chaotic systems, and lets networks learn to run like them.

    Args:
        strengths: of generalized teacher forcing, rising, from 0 (none) to 1 (every state is replaced).
        intervals: of sparse teacher forcing, rising.
        seeds: networks for each of them.
        units: hidden units of the shallow PLRNNs.
        steps: gradient steps.
        window: steps of the windows of data.
        points: of the orbit that is learned, and of another that it is tested on.
        dt: the time between two points, in units of the Lorenz system.
        noise: of the observations, in standard deviations.
        first_rate: the learning rate at first.
        last_rate: the learning rate at last.
        ahead: steps of the prediction error.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "hess2023-forcing"

    strengths: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 1.0)
    intervals: tuple[int, ...] = (1, 4, 8, 16, 32, 100)
    seeds: int = 4
    units: int = 50
    steps: int = 8000
    window: int = 100
    points: int = 10_000
    dt: float = 0.02
    noise: float = 0.05
    first_rate: float = 5e-3
    last_rate: float = 1e-5
    ahead: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, seeds=1, units=1, steps=10, window=10, points=1000, ahead=1, intervals=1, strengths=0, seed=0)
        positive(self, "dt", "noise", "first_rate", "last_rate")
        if len(self.strengths) < 3 or self.strengths[0] != 0 or self.strengths[-1] != 1:
            raise ValueError(f"--strengths needs three or more numbers from 0 to 1, got {self.strengths}.")
        for name, values in (("strengths", self.strengths), ("intervals", self.intervals)):
            if list(values) != sorted(set(values)) or not values:
                raise ValueError(f"--{name} needs rising numbers, got {values}.")
