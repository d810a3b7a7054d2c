"""The settings of the study `proca2025-kernel`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Proca2025Kernel:
    """The tangent kernel of a linear recurrent network moves further over longer sequences and from smaller weights.

    Args:
        steps: lengths of the sequences, rising from 1.
        modes: input and output dimensions.
        hidden: size of the hidden state.
        scales: initial strengths of aligned networks, and gains of random ones, rising to 1, which is the target's.
        seeds: random initialisations.
        times: recorded times.
        duration: learning time.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "proca2025-kernel"

    steps: tuple[int, ...] = (1, 2, 3, 5)
    modes: int = 3
    hidden: int = 6
    scales: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)
    seeds: int = 6
    times: int = 41
    duration: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, modes=2, hidden=self.modes, seeds=2, times=3, seed=0)
        positive(self, "scales", "duration")
        if len(self.steps) < 2 or self.steps[0] != 1 or list(self.steps) != sorted(set(self.steps)):
            raise ValueError(f"--steps needs two or more rising lengths, the first of them 1, got {self.steps}.")
        if len(self.scales) < 2 or self.scales[-1] != 1 or list(self.scales) != sorted(set(self.scales)):
            raise ValueError(f"--scales needs two or more rising numbers, the last of them 1, got {self.scales}.")
