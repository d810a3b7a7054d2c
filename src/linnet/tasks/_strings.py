"""Strings to strings: copied, reversed, doubled, reordered, sorted."""

import abc
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._sequence_task import AbstractTokenTask, Example, string_answer


class AbstractStringTask(AbstractTokenTask):
    """A string is answered by a string: behind the input come as many query tokens as the answer has characters.

    The answer's first character is the target at the first query token, so that a causal network has read the whole
    input by then. A batch has `num_steps(length) = length + output_length(length)` steps. Tokens are the input's
    symbols, the query, and the padding.
    """

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "some"

    @property
    def query_token(self) -> int:
        """The token that asks for a character of the answer."""
        return self.vocab_size - 2

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*(str(token) for token in range(self.vocab_size - 2)), "?", "")

    @abc.abstractmethod
    def output_length(self, length: Any) -> Any:
        """The length of the answer to an input of a length (a number or an array)."""

    def num_steps(self, length: int) -> int:
        return length + self.output_length(length)


class _AbstractRearrangement(AbstractStringTask):
    """A uniform string, and another order of its characters."""

    num_symbols: eqx.AbstractVar[int]

    def __check_init__(self) -> None:
        if self.num_symbols < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 symbols, got {self.num_symbols}.")

    @property
    def vocab_size(self) -> int:
        return self.num_symbols + 2

    @property
    def num_classes(self) -> int:
        return self.num_symbols

    @property
    def chance(self) -> float:
        return 1 / self.num_symbols

    def output_length(self, length: Any) -> Any:
        return length

    @abc.abstractmethod
    def answer(self, tokens: Int[Array, " step"], size: Int[Array, ""]) -> Int[Array, " answer"]:
        """The answer to the first `size` tokens."""

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        tokens = jr.randint(key, (length,), 0, self.num_symbols)
        return string_answer(tokens, self.answer(tokens, size), size, self.output_length(size), self.query_token)


@cite("deletang2023neural")
class ReverseString(_AbstractRearrangement):
    """The string backwards.

    Args:
        length: of the strings in training; the answer is as long.
        num_symbols: of the alphabet.
    """

    length: int = eqx.field(static=True, default=40)
    num_symbols: int = eqx.field(static=True, default=2)

    @property
    def name(self) -> str:
        return "reverse_string"

    def answer(self, tokens: Int[Array, " step"], size: Int[Array, ""]) -> Int[Array, " answer"]:
        return tokens[jnp.maximum(size - 1 - jnp.arange(tokens.shape[0]), 0)]


@cite("deletang2023neural")
class DuplicateString(_AbstractRearrangement):
    """The string twice.

    Args:
        length: of the strings in training; the answer is twice as long.
        num_symbols: of the alphabet.
    """

    length: int = eqx.field(static=True, default=40)
    num_symbols: int = eqx.field(static=True, default=2)

    @property
    def name(self) -> str:
        return "duplicate_string"

    def output_length(self, length: Any) -> Any:
        return 2 * length

    def answer(self, tokens: Int[Array, " step"], size: Int[Array, ""]) -> Int[Array, " answer"]:
        return tokens[jnp.arange(2 * tokens.shape[0]) % size]


@cite("deletang2023neural")
class OddsFirst(_AbstractRearrangement):
    """The characters at odd places, counted from 1, and then the others: $s_1 s_3 s_5 \\dots s_2 s_4 s_6 \\dots$

    As the paper has it; its code puts $s_2 s_4 \\dots$ first.

    Args:
        length: of the strings in training; the answer is as long.
        num_symbols: of the alphabet.
    """

    length: int = eqx.field(static=True, default=40)
    num_symbols: int = eqx.field(static=True, default=2)

    @property
    def name(self) -> str:
        return "odds_first"

    def answer(self, tokens: Int[Array, " step"], size: Int[Array, ""]) -> Int[Array, " answer"]:
        place, odds = jnp.arange(tokens.shape[0]), (size + 1) // 2
        source = jnp.where(place < odds, 2 * place, 2 * (place - odds) + 1)
        return tokens[jnp.clip(source, 0, tokens.shape[0] - 1)]


@cite("deletang2023neural")
class BucketSort(_AbstractRearrangement):
    """The string sorted.

    Args:
        length: of the strings in training; the answer is as long.
        num_symbols: of the alphabet.
    """

    length: int = eqx.field(static=True, default=40)
    num_symbols: int = eqx.field(static=True, default=5)

    @property
    def name(self) -> str:
        return "bucket_sort"

    def answer(self, tokens: Int[Array, " step"], size: Int[Array, ""]) -> Int[Array, " answer"]:
        return jnp.sort(jnp.where(jnp.arange(tokens.shape[0]) < size, tokens, self.num_symbols))


@cite("gu2023mamba")
class Copy(_AbstractRearrangement):
    """The string again.

    Args:
        length: of the strings in training; the answer is as long.
        num_symbols: of the alphabet.
    """

    length: int = eqx.field(static=True, default=40)
    num_symbols: int = eqx.field(static=True, default=8)

    @property
    def name(self) -> str:
        return "copy"

    def answer(self, tokens: Int[Array, " step"], size: Int[Array, ""]) -> Int[Array, " answer"]:
        return tokens
