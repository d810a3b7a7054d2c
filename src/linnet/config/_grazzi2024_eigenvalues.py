"""The settings of the study `grazzi2024-eigenvalues`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive

#: The layers whose range of eigenvalues can be chosen and that the study knows.
_LAYERS = ("delta-net", "mamba")


@dataclasses.dataclass(frozen=True)
class Grazzi2024Eigenvalues:
    """Linear recurrences count modulo 2 only with negative eigenvalues, and modulo more only with reflections.

    Args:
        exact_length: tokens that networks with weights set by hand read.
        modulus: of the sums that reflections follow.
        layers: which are trained on parity, of delta-net and mamba.
        hidden_size: features of the networks.
        num_heads: heads of DeltaNet.
        state_size: states of a feature of Mamba.
        train_length: tokens of the sequences in training.
        test_length: tokens of those in the test.
        test_size: sequences in the test.
        steps: of training.
        learning_rate: of Adam at the beginning.
        batch_size: sequences in a step.
        seeds: networks of each kind.
        times: how often accuracy is measured.
        arithmetic_steps: of training DeltaNet on modular arithmetic; 0 for none, as it takes tens of thousands.
        arithmetic_length: tokens of the expressions in training.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "grazzi2024-eigenvalues"

    exact_length: int = 10_000
    modulus: int = 5
    layers: tuple[str, ...] = _LAYERS
    hidden_size: int = 32
    num_heads: int = 2
    state_size: int = 8
    train_length: int = 16
    test_length: int = 128
    test_size: int = 256
    steps: int = 600
    learning_rate: float = 5e-3
    batch_size: int = 64
    seeds: int = 2
    times: int = 7
    arithmetic_steps: int = 0
    arithmetic_length: int = 39
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, exact_length=100, modulus=3, hidden_size=1, num_heads=1, state_size=1, train_length=2)
        at_least(self, test_size=1, steps=1, batch_size=1, seeds=1, times=2, arithmetic_steps=0)
        at_least(self, arithmetic_length=3, seed=0)
        positive(self, "learning_rate")
        unknown = [name for name in self.layers if name not in _LAYERS]
        if unknown or "delta-net" not in self.layers:
            raise ValueError(f"--layers needs delta-net, and may have mamba, got {', '.join(self.layers)}.")
        if self.test_length < 4 * self.train_length:
            raise ValueError(
                f"--test-length must be at least 4 times --train-length, got {self.test_length} and "
                f"{self.train_length}."
            )
        if self.hidden_size % self.num_heads:
            raise ValueError(f"--num-heads must divide --hidden-size, got {self.num_heads} and {self.hidden_size}.")
