"""The settings of the study `gu2023-hippo`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Gu2023Hippo:
    """State spaces remember by projection on known functions, over 1 / Δ steps.

    Args:
        state_size: states of the memories; even.
        fewer: numbers of states, rising, over which memories of a window approach theirs.
        waves: the functions of a window that are looked at, the slowest first.
        times: at which they are compared within the window.
        lengths: how many steps ago the inputs were that are to be remembered, rising; more than four times the states.
        per_octave: steps Δ that are tried between one and twice it.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "gu2023-hippo"

    state_size: int = 16
    fewer: tuple[int, ...] = (16, 32, 64, 128)
    waves: int = 3
    times: int = 40
    lengths: tuple[int, ...] = (64, 128, 256, 512)
    per_octave: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, state_size=4, fewer=4, waves=1, times=3, lengths=4, per_octave=1, seed=0)
        for name in ("fewer", "lengths"):
            values = getattr(self, name)
            if len(values) < 3 or list(values) != sorted(set(values)):
                raise ValueError(f"--{name} needs three or more rising numbers, got {values}.")
        if self.state_size % 2:
            raise ValueError(f"--state-size must be even, got {self.state_size}.")
        if self.lengths[0] < 4 * self.state_size:
            raise ValueError(
                f"--lengths must be at least four times --state-size, {4 * self.state_size}, got {self.lengths[0]}: "
                "fewer steps than states are remembered whatever the step."
            )
        if self.waves > self.fewer[0]:
            raise ValueError(f"--waves must be at most the fewest states, {self.fewer[0]}, got {self.waves}.")
