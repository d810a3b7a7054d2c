"""The settings of the study `orvieto2023-lru`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Orvieto2023LRU:
    """From recurrent networks to the linear recurrent unit, rung by rung, and what each rung is good for.

    Args:
        hidden_size: features of the networks.
        state_size: states of the recurrence; complex ones where it is diagonal.
        updates: of the weights, on digits.
        copy_updates: on delayed copying.
        delay: steps that symbols are kept; 0 leaves the copying out.
        copied: symbols that are kept, of 4 kinds.
        sequences: of delayed copying to train on.
        r_min: the inner radius of the ring of the poles on digits.
        r_max: its outer radius.
        copy_r_min: the inner radius of the ring on delayed copying.
        copy_r_max: its outer radius.
        batch_size: examples in an update.
        learning_rate: of Adam.
        records: recorded times.
        seeds: initial weights and orders of the examples.
        units: states with which the statistics of the initial values are measured.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "orvieto2023-lru"

    hidden_size: int = 16
    state_size: int = 32
    updates: int = 600
    copy_updates: int = 400
    delay: int = 300
    copied: int = 3
    sequences: int = 2000
    r_min: float = 0.8
    r_max: float = 0.99
    copy_r_min: float = 0.99
    copy_r_max: float = 0.9999
    batch_size: int = 50
    learning_rate: float = 0.005
    records: int = 9
    seeds: int = 2
    units: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, hidden_size=1, state_size=2, updates=10, copy_updates=10, delay=0, copied=1, sequences=1,
                 batch_size=1, records=3, seeds=1, units=100, seed=0)  # fmt: skip
        positive(self, "r_min", "r_max", "copy_r_min", "copy_r_max", "learning_rate")
        for prefix in ("", "copy_"):
            low, high = getattr(self, f"{prefix}r_min"), getattr(self, f"{prefix}r_max")
            if not low < high < 1:
                name = prefix.replace("_", "-")
                raise ValueError(f"--{name}r-min must be below --{name}r-max and that below 1, got {low} and {high}.")
        if 0 < self.delay <= self.copied:
            raise ValueError(f"--delay must be above --copied, {self.copied}, or 0 to leave it out, got {self.delay}.")
