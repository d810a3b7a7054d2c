"""Counters: parity, even pairs, walks on a cycle and sums, the languages that a counter modulo n recognises."""

import abc
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._sequence_task import AbstractTokenTask, Example, single_answer


class _AbstractCounter(AbstractTokenTask):
    """Uniform tokens, and a class of each prefix."""

    every_step: eqx.AbstractVar[bool]

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "every" if self.every_step else "last"

    @property
    def chance(self) -> float:
        return 1 / self.num_classes

    @abc.abstractmethod
    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        """The class of each prefix."""

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        tokens = jr.randint(key, (length,), 0, self.vocab_size - 1)
        return single_answer(tokens, self.answers(tokens), size, self.pad_token, self.every_step)


@cite("deletang2023neural")
class Parity(_AbstractCounter):
    r"""Whether the number of ones is odd: $y_t = \sum_{s \le t} x_s \bmod 2$ for uniform bits $x$.

    Args:
        length: of the sequences in training.
        every_step: the class of each prefix is a target, and not only that of the whole.
    """

    length: int = eqx.field(static=True, default=40)
    every_step: bool = eqx.field(static=True, default=False)

    @property
    def name(self) -> str:
        return "parity"

    @property
    def vocab_size(self) -> int:
        return 3

    @property
    def num_classes(self) -> int:
        return 2

    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        return jnp.cumsum(tokens) % 2


@cite("deletang2023neural")
class EvenPairs(_AbstractCounter):
    """Whether 01 and 10 together occur an odd number of times (class 1), which is whether the first bit is not the
    last.

    Args:
        length: of the sequences in training.
        every_step: the class of each prefix is a target, and not only that of the whole.
    """

    length: int = eqx.field(static=True, default=40)
    every_step: bool = eqx.field(static=True, default=False)

    @property
    def name(self) -> str:
        return "even_pairs"

    @property
    def vocab_size(self) -> int:
        return 3

    @property
    def num_classes(self) -> int:
        return 2

    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        return tokens ^ tokens[0]


@cite("deletang2023neural")
class CycleNavigation(_AbstractCounter):
    r"""Where a walk on a cycle ends: $y_t = \sum_{s \le t} (x_s - 1) \bmod n$ for tokens 0 (left), 1 (stay), 2 (right).

    Args:
        length: of the sequences in training.
        cycle_length: $n$, the number of positions.
        every_step: the position after each prefix is a target, and not only the last.
    """

    length: int = eqx.field(static=True, default=40)
    cycle_length: int = eqx.field(static=True, default=5)
    every_step: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.cycle_length < 2:
            raise ValueError(f"CycleNavigation needs a cycle of at least 2 positions, got {self.cycle_length}.")

    @property
    def name(self) -> str:
        return "cycle_navigation"

    @property
    def vocab_size(self) -> int:
        return 4

    @property
    def num_classes(self) -> int:
        return self.cycle_length

    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        return jnp.cumsum(tokens - 1) % self.cycle_length


@cite("fan2024advancing")
class Sum(_AbstractCounter):
    r"""The sum of the tokens: $y_t = \sum_{s \le t} x_s \bmod n$ for uniform tokens $0, \dots, n - 1$.

    Args:
        length: of the sequences in training.
        modulus: $n$.
        every_step: the sum of each prefix is a target, and not only that of the whole.
    """

    length: int = eqx.field(static=True, default=40)
    modulus: int = eqx.field(static=True, default=5)
    every_step: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.modulus < 2:
            raise ValueError(f"Sum needs a modulus of at least 2, got {self.modulus}.")

    @property
    def name(self) -> str:
        return "sum"

    @property
    def vocab_size(self) -> int:
        return self.modulus + 1

    @property
    def num_classes(self) -> int:
        return self.modulus

    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        return jnp.cumsum(tokens) % self.modulus
