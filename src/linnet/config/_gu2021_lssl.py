"""The settings of the study `gu2021-lssl`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Gu2021LSSL:
    """A linear state space layer has three views that agree; it needs its memory and its timescale.

    Args:
        hidden_size: features of the networks that are trained.
        state_size: states of each feature.
        updates: of the weights.
        batch_size: images in each.
        learning_rate: of Adam.
        shortest: steps over which the shortest dependencies reach; the steps Δ are drawn between the inverses.
        longest: steps over which the longest ones reach.
        misfit: by how much the steps Δ of the controls are too large, and too small.
        records: recorded times.
        seeds: initial weights and orders of the images.
        view_steps: numbers of steps, rising, in which one unit of time is cut to compare the views; multiples of the
            first.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "gu2021-lssl"

    hidden_size: int = 32
    state_size: int = 32
    updates: int = 1000
    batch_size: int = 50
    learning_rate: float = 0.01
    shortest: float = 4.0
    longest: float = 64.0
    misfit: float = 100.0
    records: int = 11
    seeds: int = 2
    view_steps: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, hidden_size=1, state_size=2, updates=10, batch_size=1, records=3, seeds=1, view_steps=8, seed=0)
        positive(self, "learning_rate", "shortest", "longest", "misfit")
        if self.longest <= self.shortest:
            raise ValueError(f"--longest must be above --shortest, got {self.longest} and {self.shortest}.")
        if self.misfit < 10:
            raise ValueError(f"--misfit must be at least 10, so that the controls are controls, got {self.misfit}.")
        if len(self.view_steps) < 3 or list(self.view_steps) != sorted(set(self.view_steps)):
            raise ValueError(f"--view-steps needs three or more rising numbers, got {self.view_steps}.")
        if any(num % self.view_steps[0] for num in self.view_steps):
            raise ValueError(f"--view-steps needs multiples of its first number, got {self.view_steps}.")
