"""The settings of the study `feng2024-aaren`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Feng2024Aaren:
    """Softmax attention with a learned query is a recurrence of constant memory, and learns like attention.

    Args:
        tokens: of the sequences on which Aaren is compared with attention.
        stream: tokens that are read one by one.
        extreme: the factor of the query at which float32 needs the running maximum.
        hidden_size: features of all networks.
        num_heads: heads of all layers.
        num_layers: blocks of the networks that learn digits.
        digit_steps: steps of learning digits, row by row.
        recall_steps: steps of learning associative recall.
        recall_pairs: keys and values in a sequence.
        recall_tokens: how many tokens there are, of which half are values.
        learning_rate: of Adam.
        batch_size: sequences in a mini-batch.
        seeds: networks of each kind.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "feng2024-aaren"

    tokens: int = 500
    stream: int = 10_000
    extreme: float = 1_000.0
    hidden_size: int = 32
    num_heads: int = 4
    num_layers: int = 2
    digit_steps: int = 2_000
    recall_steps: int = 2_000
    recall_pairs: int = 8
    recall_tokens: int = 64
    learning_rate: float = 3e-3
    batch_size: int = 64
    seeds: int = 3
    times: int = 41
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, tokens=2, stream=2, hidden_size=1, num_heads=1, num_layers=1, digit_steps=1, recall_steps=1)
        at_least(self, recall_pairs=1, recall_tokens=4, batch_size=1, seeds=1, times=2, seed=0)
        positive(self, "extreme", "learning_rate")
        if self.hidden_size % self.num_heads:
            raise ValueError(f"--num-heads must divide --hidden-size, got {self.num_heads} and {self.hidden_size}.")
        if self.recall_tokens % 2 or self.recall_pairs >= self.recall_tokens // 2:
            raise ValueError(
                "--recall-tokens must be even and more than twice --recall-pairs, got "
                f"{self.recall_tokens} and {self.recall_pairs}."
            )
