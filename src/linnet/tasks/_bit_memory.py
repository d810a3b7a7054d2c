"""Streams of bits of which the last few must be kept: their parity, and whether the first of them is the last."""

import abc
from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._sequence_task import AbstractTokenTask, Example, single_answer


def window_parity(bits: Int[Array, " step"], window: int | Int[Array, ""]) -> Int[Array, " step"]:
    r"""$\sum_{s = t - N + 1}^{t} x_s \bmod 2$ at each step.

    Args:
        bits: $x$; what is before the first is 0.
        window: $N$, which may be an array: one compiled program for all.
    """
    sums = jnp.cumsum(bits)
    before = jnp.arange(bits.shape[0]) - window
    return (sums - jnp.where(before >= 0, sums[jnp.maximum(before, 0)], 0)) % 2


def window_match(bits: Int[Array, " step"], window: int | Int[Array, ""]) -> Int[Array, " step"]:
    r"""Whether $x_{t - N + 1} = x_t$, at each step.

    Args:
        bits: $x$; what is before the first is 0.
        window: $N$, which may be an array: one compiled program for all.
    """
    before = jnp.arange(bits.shape[0]) - window + 1
    return (jnp.where(before >= 0, bits[jnp.maximum(before, 0)], 0) == bits).astype(bits.dtype)


class _AbstractBitMemory(AbstractTokenTask):
    """Fair bits, and a class of the last few of them."""

    window: eqx.AbstractVar[int]
    every_step: eqx.AbstractVar[bool]

    def __check_init__(self) -> None:
        if self.window < 1:
            raise ValueError(f"{type(self).__name__} needs a window of at least 1 bit, got {self.window}.")

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "some" if self.every_step else "last"

    @property
    def vocab_size(self) -> int:
        return 3

    @property
    def num_classes(self) -> int:
        return 2

    @property
    def chance(self) -> float:
        return 0.5

    @property
    def shortest(self) -> int:
        return self.window

    @abc.abstractmethod
    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        """The class at each step."""

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        tokens = jr.randint(key, (length,), 0, 2)
        x, y, counted = single_answer(tokens, self.answers(tokens), size, self.pad_token, self.every_step)
        counted &= jnp.arange(length) >= self.window - 1
        return x, jnp.where(counted, y, 0), counted


@cite("khajehabdollahi2024emergent")
class NParity(_AbstractBitMemory):
    r"""Whether the number of ones among the last $N$ bits is odd: $y_t = \sum_{s = t - N + 1}^{t} x_s \bmod 2$.

    Other than `Parity`, this cannot be had by counting on: the bit that leaves the window must be known. The paper's
    sequences have a probability of ones that is drawn anew; here bits are fair, so that a guess is right in one half.

    Args:
        length: of the sequences in training, at least $N$.
        window: $N$.
        every_step: the class at each step from the $N$-th on is a target, and not only that of the last.
    """

    length: int = eqx.field(static=True, default=40)
    window: int = eqx.field(static=True, default=5)
    every_step: bool = eqx.field(static=True, default=False)

    @property
    def name(self) -> str:
        return "n_parity"

    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        return window_parity(tokens, self.window)


@cite("khajehabdollahi2024emergent")
class DelayedMatch(_AbstractBitMemory):
    r"""Whether the last bit is the one $N - 1$ steps before it, $y_t = [x_{t - N + 1} = x_t]$, of fair bits.

    A delayed match to sample of which each bit is a sample, then a delay, then the test: $N$ counts both ends, as the
    paper's code has it.

    Args:
        length: of the sequences in training, at least $N$.
        window: $N$.
        every_step: the class at each step from the $N$-th on is a target, and not only that of the last.
    """

    length: int = eqx.field(static=True, default=40)
    window: int = eqx.field(static=True, default=5)
    every_step: bool = eqx.field(static=True, default=False)

    @property
    def name(self) -> str:
        return "delayed_match"

    def answers(self, tokens: Int[Array, " step"]) -> Int[Array, " step"]:
        return window_match(tokens, self.window)
