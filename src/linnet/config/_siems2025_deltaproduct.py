"""The settings of the study `siems2025-deltaproduct`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive

_GROUPS = ("s3", "s4", "a5")


@dataclasses.dataclass(frozen=True)
class Siems2025DeltaProduct:
    """Two reflections a token are a rotation: one layer of DeltaProduct follows permutations, and DeltaNet does not.

    Args:
        exact_length: tokens that recurrences with weights set by hand read.
        groups: those whose products are learned, of s3, s4 and a5; s4 and a5 take long.
        positive: reflections a token of the networks within [0, 1].
        hidden_size: features of the networks.
        num_heads: heads.
        train_length: tokens of the sequences in training.
        test_length: tokens of those in the test.
        test_size: sequences in the test.
        steps: of training.
        learning_rate: of Adam at the beginning.
        batch_size: sequences in a step.
        seeds: networks of each kind.
        times: how often accuracy is measured.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "siems2025-deltaproduct"

    exact_length: int = 10_000
    groups: tuple[str, ...] = ("s3",)
    positive: tuple[int, ...] = (1, 2)
    hidden_size: int = 64
    num_heads: int = 8
    train_length: int = 16
    test_length: int = 128
    test_size: int = 256
    steps: int = 800
    learning_rate: float = 5e-3
    batch_size: int = 128
    seeds: int = 2
    times: int = 9
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, exact_length=100, hidden_size=1, num_heads=1, train_length=2, test_size=1, steps=1)
        at_least(self, batch_size=1, seeds=1, times=2, seed=0)
        positive(self, "learning_rate")
        unknown = [name for name in self.groups if name not in _GROUPS]
        if unknown or "s3" not in self.groups:
            raise ValueError(f"--groups needs s3, and may have s4 and a5, got {', '.join(self.groups)}.")
        if not set(self.positive) <= {1, 2}:
            raise ValueError(f"--positive may have 1 and 2, got {', '.join(map(str, self.positive))}.")
        if self.test_length < 4 * self.train_length:
            raise ValueError(
                f"--test-length must be at least 4 times --train-length, got {self.test_length} and "
                f"{self.train_length}."
            )
        if self.hidden_size % self.num_heads:
            raise ValueError(f"--num-heads must divide --hidden-size, got {self.num_heads} and {self.hidden_size}.")
