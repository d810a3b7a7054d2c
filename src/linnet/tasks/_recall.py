"""Associative recall: keys and their values, and the keys again."""

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._distinct import draw_distinct, draw_weighted
from ._sequence_task import AbstractTokenTask, Example, single_answer


@cite("arora2024zoology")
class AssociativeRecall(AbstractTokenTask):
    r"""Multi-query associative recall (MQAR): $K$ keys with their values, and then each key once more.

    Keys differ within an example, and so do values: keys are tokens $1, \dots, V/2 - 1$, values $V/2, \dots, V - 1$.
    The first $2K$ steps are `key value key value ...`. Behind them there is room for a query at every second step, and
    key $i$ stands in slot $j_i$, drawn without replacement with $p(j) \propto (j + 1)^{a - 1}$, so that gaps follow a
    power law. At a query the target is the key's value; no other step counts. All other steps hold token 0.

    Args:
        length: of the sequences in training, even and at least $4 K$ (an odd one is padded by a step).
        num_pairs: $K$.
        num_tokens: $V$, even, without the padding.
        power: $a$.
        random_fillers: steps without a key or value hold uniform tokens in place of 0.
    """

    length: int = eqx.field(static=True, default=64)
    num_pairs: int = eqx.field(static=True, default=8)
    num_tokens: int = eqx.field(static=True, default=256)
    power: float = eqx.field(static=True, default=0.01)
    random_fillers: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.num_tokens % 2 or not 1 <= self.num_pairs < self.num_tokens // 2:
            raise ValueError(
                "AssociativeRecall needs an even number of tokens and fewer pairs than half of them, got "
                f"num_tokens={self.num_tokens} and num_pairs={self.num_pairs}."
            )

    @property
    def name(self) -> str:
        return "mqar"

    @property
    def vocab_size(self) -> int:
        return self.num_tokens + 1

    @property
    def num_classes(self) -> int:
        return self.num_tokens

    @property
    def chance(self) -> float:
        return 2 / self.num_tokens

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "some"

    @property
    def shortest(self) -> int:
        return 4 * self.num_pairs

    def fit(self, size: Any) -> Any:
        return size - size % 2

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        key_key, value_key, slot_key, filler_key = jr.split(key, 4)
        half, context = self.num_tokens // 2, 2 * self.num_pairs
        keys = 1 + draw_distinct(key_key, self.num_pairs, half - 1)
        values = half + draw_distinct(value_key, self.num_pairs, half)
        slot = jnp.arange((length - context) // 2)
        weights = (self.power - 1) * jnp.log(slot + 1.0)
        slots = draw_weighted(slot_key, self.num_pairs, jnp.where(slot < (size - context) // 2, weights, -jnp.inf))
        tokens = jr.randint(filler_key, (length,), 0, self.num_tokens if self.random_fillers else 1, keys.dtype)
        tokens = tokens.at[:context].set(jnp.stack([keys, values], axis=1).reshape(-1))
        queries = context + 2 * slots
        tokens = tokens.at[queries].set(keys)
        x, _, _ = single_answer(tokens, tokens, size, self.pad_token)
        y = jnp.zeros(length, jnp.int32).at[queries].set(values.astype(jnp.int32))
        return x, y, jnp.zeros(length, bool).at[queries].set(True)


@cite("gu2023mamba", "fu2023hungry")
class InductionHeads(AbstractTokenTask):
    """What came behind the special token when it was read before: `... ! 7 ... !` is answered by 7.

    Uniform ordinary tokens; the special one (the last before the padding) stands at a place uniform among those that
    leave room for what follows it, and at the last step, at which the answer is the target.

    Args:
        length: of the sequences in training, at least 3.
        num_symbols: of the ordinary tokens.
    """

    length: int = eqx.field(static=True, default=256)
    num_symbols: int = eqx.field(static=True, default=15)

    def __check_init__(self) -> None:
        if self.num_symbols < 2:
            raise ValueError(f"InductionHeads needs at least 2 ordinary tokens, got {self.num_symbols}.")

    @property
    def name(self) -> str:
        return "induction"

    @property
    def vocab_size(self) -> int:
        return self.num_symbols + 2

    @property
    def num_classes(self) -> int:
        return self.num_symbols

    @property
    def chance(self) -> float:
        return 1 / self.num_symbols

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "last"

    @property
    def shortest(self) -> int:
        return 3

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        token_key, place_key = jr.split(key)
        place = jnp.arange(length)
        special = jr.randint(place_key, (), 0, size - 2)
        tokens = jr.randint(token_key, (length,), 0, self.num_symbols)
        answer = tokens[special + 1]
        tokens = jnp.where((place == special) | (place == size - 1), self.num_symbols, tokens)
        return single_answer(tokens, jnp.full(length, answer), size, self.pad_token)
