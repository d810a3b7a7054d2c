"""The settings of the study `bordelon2025-integrate`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Bordelon2025Integrate:
    """Linear recurrent networks learn to integrate by one outlier eigenvalue, and to oscillate by a conjugate pair.

    Args:
        hidden: hidden units.
        seeds: initial weights.
        decay: of the targets, one over their timescale.
        frequency: of the oscillatory target.
        small: spectral radius of small initial recurrent weights.
        large: spectral radius of large ones.
        scale: norm of the read-out before learning.
        duration: learning time of the integrators; the oscillators have three times as much.
        times: recorded times.
        timescales: of the targets whose plateaus are measured, rising.
        dt: duration of a step, where the task is in time steps.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "bordelon2025-integrate"

    hidden: int = 24
    seeds: int = 4
    decay: float = 0.25
    frequency: float = 1.5
    small: float = 0.02
    large: float = 0.9
    scale: float = 0.1
    duration: float = 30.0
    times: int = 121
    timescales: tuple[float, ...] = (4.0, 8.0, 16.0, 32.0)
    dt: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, hidden=3, seeds=1, times=11, seed=0)
        positive(self, "decay", "frequency", "small", "large", "scale", "duration", "timescales", "dt")
        if self.large >= 1:
            raise ValueError(f"--large must be below 1 (the network is unstable from there on), got {self.large}.")
        if self.decay >= 1 - self.small:
            raise ValueError(f"--decay must be below 1 - {self.small:g}: slower than the units, got {self.decay}.")
        if len(self.timescales) < 2 or list(self.timescales) != sorted(set(self.timescales)):
            raise ValueError(f"--timescales needs two or more rising numbers, got {self.timescales}.")
        if self.timescales[0] <= 1:
            raise ValueError(f"--timescales must be above 1, the units' own, got {self.timescales[0]}.")
