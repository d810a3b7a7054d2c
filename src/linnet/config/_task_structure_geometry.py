"""The settings of the study `task-structure-geometry`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class TaskStructureGeometry:
    """Tanh units represent the targets, ReLU units keep the inputs, as long as these differ.

    Args:
        shares: parts of the variance of the inputs that are the target's, rising.
        hidden: hidden units.
        small: initial size of the weights.
        large: that of the control.
        rate: learning rate.
        duration: learning time.
        noise: noise of decoders, relative to the spread of conditions.
        seeds: initialisations.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "task-structure-geometry"

    shares: tuple[float, ...] = (0.03, 0.08, 0.14, 0.2, 0.3, 0.4, 0.55, 0.75)
    hidden: int = 60
    small: float = 1e-3
    large: float = 1.0
    rate: float = 0.02
    duration: float = 60.0
    noise: float = 0.5
    seeds: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, hidden=2, seeds=1, seed=0)
        positive(self, "small", "large", "rate", "duration", "noise")
        rising = list(self.shares) == sorted(set(self.shares))
        if not rising or len(self.shares) < 3 or self.shares[0] <= 0 or self.shares[-1] >= 1:
            raise ValueError(f"--shares needs three or more rising numbers between 0 and 1, got {self.shares}.")
        if self.shares[0] > 0.15 or self.shares[-1] <= 0.25:
            raise ValueError(f"--shares needs one of at most 0.15 and one above 0.25, got {self.shares}.")
