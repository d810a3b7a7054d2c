"""The settings of the study `fan2024-regular`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive

LANGUAGES = ("sum", "even_pairs", "modular_arithmetic")


@dataclasses.dataclass(frozen=True)
class Fan2024Regular:
    """A linear recurrence of full blocks reads regular languages far beyond its training; diagonal gates do not.

    Args:
        languages: the tasks, of `sum`, `even_pairs` and `modular_arithmetic`.
        modulus: of sums and arithmetic.
        length: of the sequences in training.
        test_length: of those beyond.
        hidden_size: features, and numbers in the state.
        block_size: rows of a block.
        arithmetic_layers: layers for arithmetic; the other languages have one.
        steps: of learning.
        learning_rate: of Adam.
        weight_decay: times the weights is added to the gradient that Adam sees.
        batch_size: sequences in a mini-batch.
        tests: how many times all are tested in the course of learning.
        test_size: sequences in a test.
        seeds: networks of each kind.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "fan2024-regular"

    languages: tuple[str, ...] = ("sum", "even_pairs")
    modulus: int = 5
    length: int = 40
    test_length: int = 500
    hidden_size: int = 64
    block_size: int = 8
    arithmetic_layers: int = 3
    steps: int = 6_000
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    batch_size: int = 32
    tests: int = 60
    test_size: int = 128
    seeds: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, modulus=2, length=3, test_length=3, hidden_size=1, block_size=1, arithmetic_layers=1, steps=1)
        at_least(self, batch_size=1, tests=1, test_size=2, seeds=1, seed=0)
        positive(self, "learning_rate", "weight_decay")
        if not self.languages or not set(self.languages) <= set(LANGUAGES):
            raise ValueError(f"--languages must be of {', '.join(LANGUAGES)}, got {self.languages}.")
        if self.hidden_size % self.block_size:
            raise ValueError(f"--block-size must divide --hidden-size, got {self.block_size} and {self.hidden_size}.")
        if self.test_length < 2 * self.length:
            raise ValueError(
                f"--test-length must be at least twice --length, to be beyond it, got {self.test_length} and "
                f"{self.length}."
            )
        if self.steps < self.tests:
            raise ValueError(f"--steps must be at least --tests, got {self.steps} and {self.tests}.")
