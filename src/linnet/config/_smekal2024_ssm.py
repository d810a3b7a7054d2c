"""The settings of the study `smekal2024-ssm`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Smekal2024SSM:
    """Linear state space models learn as two-layer linear networks do, and how fast with their states.

    Args:
        steps: of a period of the sequences.
        sequences: examples.
        periods: in which sequences are shown in time; the last one counts.
        pole: of all states, where poles are fixed, and before learning.
        target: the pole of the filter that is learned.
        noise: standard deviation of what is added to its output.
        states: numbers of states, rising.
        start: the strength of all states together before learning.
        large: the input weight of each state, where the input weights are large.
        pole_rate: the rate of the poles, where they learn, relative to that of the other weights.
        seeds: random initial weights.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "smekal2024-ssm"

    steps: int = 32
    sequences: int = 8
    periods: int = 4
    pole: float = 0.6
    target: float = 0.8
    noise: float = 0.3
    states: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    start: float = 0.01
    large: float = 10.0
    pole_rate: float = 0.1
    seeds: int = 4
    times: int = 161
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, steps=4, sequences=1, periods=2, states=1, seeds=1, times=11, seed=0)
        positive(self, "pole", "target", "noise", "start", "large", "pole_rate")
        if max(self.pole, self.target) >= 1:
            raise ValueError(f"--pole and --target must be below 1, got {self.pole} and {self.target}.")
        if len(self.states) < 3 or list(self.states) != sorted(set(self.states)):
            raise ValueError(f"--states needs three or more rising numbers, got {self.states}.")
        transient = max(self.pole, self.target) ** (self.steps * (self.periods - 1))
        if transient > 1e-7:
            raise ValueError(
                f"--periods is too small: after {self.periods - 1} periods a transient of {transient:.1g} is left "
                "(at most 1e-7); show more or longer ones."
            )
