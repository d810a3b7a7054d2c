"""The settings of the study `sieber2024-dynamical`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Sieber2024Dynamical:
    """Attention, state space models and gated recurrences in one common form, and where they are one another.

    Args:
        layers: the layers whose forms are held against the layers themselves.
        hidden_size: features of all layers.
        num_heads: heads of all layers.
        tokens: of the sequences.
        orders: of the Taylor features of a softmax, rising, all even (then no weight is negative).
        key_size: features of the queries and keys that these features are made of.
        spread: standard deviation of those queries and keys.
        seeds: sequences.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "sieber2024-dynamical"

    layers: tuple[str, ...] = ("gla", "mamba2", "delta-net", "retnet", "hgrn2", "mamba", "mingru", "rglru")
    hidden_size: int = 16
    num_heads: int = 2
    tokens: int = 48
    orders: tuple[int, ...] = (0, 2, 4, 6, 8)
    key_size: int = 3
    spread: float = 0.8
    seeds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, hidden_size=2, num_heads=1, tokens=4, key_size=1, seeds=1, seed=0)
        positive(self, "spread")
        if self.hidden_size % self.num_heads or self.hidden_size // self.num_heads % 2:
            raise ValueError(
                f"--hidden-size must be an even multiple of --num-heads, got {self.hidden_size} and {self.num_heads}."
            )
        if not self.layers:
            raise ValueError("--layers needs at least one layer.")
        if (
            len(self.orders) < 2
            or list(self.orders) != sorted(set(self.orders))
            or any(order % 2 or order < 0 for order in self.orders)
        ):
            raise ValueError(f"--orders needs two or more rising even numbers, got {self.orders}.")
        if self.key_size ** self.orders[-1] > 100_000:
            raise ValueError(
                f"--key-size and --orders make {self.key_size}^{self.orders[-1]} features, at most 100000; lower one."
            )
