"""Memory tasks: a few symbols to be kept over a delay, or among noise."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._distinct import draw_weighted
from ._sequence_task import Example, string_answer
from ._strings import AbstractStringTask


class _AbstractMemory(AbstractStringTask):
    """Some symbols among blanks (the token behind the symbols), which are written down at the end."""

    num_symbols: eqx.AbstractVar[int]
    num_copied: eqx.AbstractVar[int]

    def __check_init__(self) -> None:
        if self.num_symbols < 2 or self.num_copied < 1:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 symbols and 1 of them to copy, got "
                f"num_symbols={self.num_symbols} and num_copied={self.num_copied}."
            )

    @property
    def vocab_size(self) -> int:
        return self.num_symbols + 3

    @property
    def num_classes(self) -> int:
        return self.num_symbols

    @property
    def chance(self) -> float:
        return 1 / self.num_symbols

    @property
    def shortest(self) -> int:
        return self.num_copied

    def output_length(self, length: Any) -> Any:
        return 0 * length + self.num_copied


@cite("arjovsky2016unitary", "hochreiter1997long")
class DelayedCopy(_AbstractMemory):
    """Symbols, a delay of blanks, and then the symbols again (the copying memory problem).

    The first `num_copied` steps are uniform symbols, the others up to `length` are blanks, and the query tokens follow.
    (Arjovsky et al. mark the end of the delay by one delimiter and then go on with blanks, which are targets before.)

    Args:
        length: of the symbols and the delay in training.
        num_symbols: of the alphabet.
        num_copied: how many symbols are kept.
    """

    length: int = eqx.field(static=True, default=100)
    num_symbols: int = eqx.field(static=True, default=8)
    num_copied: int = eqx.field(static=True, default=10)

    @property
    def name(self) -> str:
        return "delayed_copy"

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        symbols = jr.randint(key, (self.num_copied,), 0, self.num_symbols)
        tokens = jnp.full(length, self.num_symbols).at[: self.num_copied].set(symbols)
        return string_answer(tokens, symbols, size, self.num_copied, self.query_token)


@cite("gu2023mamba", "jing2019gated")
class SelectiveCopy(_AbstractMemory):
    """Symbols scattered among blanks, and then the symbols in the order in which they came.

    The places of the `num_copied` symbols are a uniform choice among the `length` steps; the query tokens follow.

    Args:
        length: of the symbols and the blanks in training.
        num_symbols: of the alphabet.
        num_copied: how many symbols are kept.
    """

    length: int = eqx.field(static=True, default=64)
    num_symbols: int = eqx.field(static=True, default=14)
    num_copied: int = eqx.field(static=True, default=16)

    @property
    def name(self) -> str:
        return "selective_copy"

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        symbol_key, place_key = jr.split(key)
        symbols = jr.randint(symbol_key, (self.num_copied,), 0, self.num_symbols)
        allowed = jnp.where(jnp.arange(length) < size, 0.0, -jnp.inf)
        places = jnp.sort(draw_weighted(place_key, self.num_copied, allowed))
        tokens = jnp.full(length, self.num_symbols).at[places].set(symbols)
        return string_answer(tokens, symbols, size, self.num_copied, self.query_token)
