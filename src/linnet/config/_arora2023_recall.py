"""The settings of the study `arora2023-recall`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive

#: The layers that the study knows, the reference first.
RECALL_LAYERS = ("softmax-attention", "linear-attention", "gla", "mamba2", "delta-net", "gated-delta-net")


@dataclasses.dataclass(frozen=True)
class Arora2023Recall:
    """Recurrent layers recall as much as fits into their state, and attention recalls all.

    Args:
        layers: layers by name, softmax attention and linear attention among them.
        pairs: keys and values in a sequence.
        tokens: tokens, half of them keys and half values.
        length: of the sequences, at least four times the pairs.
        hidden: features of the model, and the values of a state.
        sizes: keys of a state, rising.
        few: pairs in the control with little to recall; 0 leaves it out.
        rewriting: whether the delta rule is also held against sums where every key is written twice.
        steps: of training.
        rate: learning rate of Adam.
        batch: sequences in a step.
        seeds: initialisations.
        tested: fresh sequences on which recall is measured.
        times: recorded times.
        memories: random memories behind each prediction.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "arora2023-recall"

    layers: tuple[str, ...] = RECALL_LAYERS
    pairs: int = 8
    tokens: int = 64
    length: int = 32
    hidden: int = 32
    sizes: tuple[int, ...] = (2, 4, 8, 16)
    few: int = 1
    rewriting: bool = True
    steps: int = 500
    rate: float = 0.01
    batch: int = 64
    seeds: int = 2
    tested: int = 256
    times: int = 11
    memories: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, pairs=2, few=0, hidden=1, sizes=1, steps=1, batch=1, seeds=1, tested=1, times=2, memories=1)
        at_least(self, seed=0)
        positive(self, "rate")
        unknown = [name for name in self.layers if name not in RECALL_LAYERS]
        if unknown or not {"softmax-attention", "linear-attention"} <= set(self.layers):
            raise ValueError(
                f"--layers needs softmax-attention, linear-attention and any of {', '.join(RECALL_LAYERS[2:])}, got "
                f"{', '.join(self.layers)}."
            )
        if self.length < 4 * self.pairs or self.pairs % 2 or self.few >= self.pairs:
            raise ValueError(
                "--length needs at least four steps for each of an even number of --pairs, and --few less than those, "
                f"got {self.length}, {self.pairs} and {self.few}."
            )
        if self.tokens % 2 or self.tokens // 2 <= self.pairs:
            raise ValueError(f"--tokens must be even and more than twice --pairs, got {self.tokens}.")
        if len(self.sizes) < 2 or list(self.sizes) != sorted(set(self.sizes)):
            raise ValueError(f"--sizes needs two or more rising numbers, got {self.sizes}.")
        if self.rewriting and "delta-net" not in self.layers:
            raise ValueError("--rewriting compares linear-attention with delta-net: add it to --layers.")
