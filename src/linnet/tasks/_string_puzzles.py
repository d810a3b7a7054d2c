"""A stack that is worked on, and a string given twice with a hole."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._sequence_task import AbstractTokenTask, Example, single_answer, string_answer
from ._strings import AbstractStringTask

_POP, _END = 2, 2


@cite("deletang2023neural")
class StackManipulation(AbstractStringTask):
    """The stack after some actions: bits from the bottom up, then actions pop (2), push 0 (3) and push 1 (4).

    To pop an empty stack does nothing. How many bits there are is uniform between 1 and all but one of the steps. The
    answer is the stack from the top down and its end, class 2; behind the end nothing counts (the reference also trains
    on zeros there, and measures as here).

    Args:
        length: of the inputs in training; the answer has one step more.
    """

    length: int = eqx.field(static=True, default=40)

    @property
    def name(self) -> str:
        return "stack_manipulation"

    @property
    def vocab_size(self) -> int:
        return 7

    @property
    def num_classes(self) -> int:
        return 3

    @property
    def chance(self) -> float:
        return 0.5

    def output_length(self, length: Any) -> Any:
        return length + 1

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        bit_key, action_key, split_key = jr.split(key, 3)
        place = jnp.arange(length)
        start = jr.randint(split_key, (), 1, jnp.maximum(size, 2))
        actions = jr.randint(action_key, (length,), 2, 5)
        tokens = jnp.where(place < start, jr.randint(bit_key, (length,), 0, 2), actions)

        def step(carry: tuple[Array, Array], token: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
            stack, height = carry
            action, real = token
            pushes = real & (action != _POP)
            bit = jnp.where(pushes, action % 3, stack[height])  # 0 and 1 are themselves, 3 and 4 push them
            height = height + jnp.where(pushes, 1, jnp.where(real, -1, 0))
            return (stack.at[carry[1]].set(bit), jnp.maximum(height, 0)), None

        empty = (jnp.zeros(length + 1, tokens.dtype), jnp.zeros((), jnp.int32))
        (stack, height), _ = jax.lax.scan(step, empty, (tokens, place < size))
        answer = jnp.append(stack[jnp.maximum(height - 1 - jnp.arange(length), 0)], 0)
        answer = jnp.where(jnp.arange(length + 1) == height, _END, answer)
        return string_answer(tokens, answer, size, size + 1, self.query_token, height + 1)


@cite("deletang2023neural")
class MissingDuplicateString(AbstractTokenTask):
    """The bit that is missing in a string given twice: `0110 0210` has lost a 1.

    Tokens are the bits, 2 in place of the missing one, and 3 at the end of an odd length.

    Args:
        length: of the inputs in training, at least 2.
    """

    length: int = eqx.field(static=True, default=40)

    @property
    def name(self) -> str:
        return "missing_duplicate_string"

    @property
    def vocab_size(self) -> int:
        return 5

    @property
    def num_classes(self) -> int:
        return 2

    @property
    def chance(self) -> float:
        return 0.5

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "last"

    @property
    def shortest(self) -> int:
        return 2

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        bit_key, hole_key = jr.split(key)
        place, half = jnp.arange(length), size // 2
        tokens = jr.randint(bit_key, (length,), 0, 2)[place % half]
        hole = jr.randint(hole_key, (), 0, 2 * half)
        missing = tokens[hole]
        tokens = jnp.where(place == hole, 2, jnp.where(place >= 2 * half, 3, tokens))
        return single_answer(tokens, jnp.full(length, missing), size, self.pad_token)
