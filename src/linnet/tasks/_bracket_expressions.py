"""Random arithmetic expressions in brackets, and their values: one pass with a stack for each."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._types import PRNGKey

#: Characters behind the digits, in the order of their tokens.
CHARACTERS = "+-*()"
_CLOSE, _OPERATOR, _END = -1, -2, 0


def draw_expression(
    key: PRNGKey, length: int, size: Int[Array, ""], modulus: int, num_operators: int
) -> Int[Array, " step"]:
    """An expression of exactly `size` tokens; what is behind its end has no meaning.

    By the grammar of Deletang et al.: of length 1 `d`, 2 `-d`, 3 `(d)`, 4 `(-d)`, and from 5 on `(left operator right)`
    where the length of the left part is uniform between 1 and what leaves one token for the right one.

    Args:
        key: of the randomness.
        length: of the array.
        size: of the expression.
        modulus: digits are below it.
        num_operators: 2 for `+` and `-`, 3 with `*`.
    """
    split_key, digit_key, operator_key = jr.split(key, 3)
    draws = (
        jr.uniform(split_key, (length,), jnp.float32),
        jr.randint(digit_key, (length,), 0, modulus, jnp.int32),
        modulus + jr.randint(operator_key, (length,), 0, num_operators, jnp.int32),
    )
    minus, opening, closing = (modulus + CHARACTERS.index(character) for character in "-()")
    # The stack holds what is still to be written, the next one on top: lengths of expressions, and two single tokens.
    stack = jnp.zeros(length + 8, jnp.int32).at[1].set(size.astype(jnp.int32))

    def step(carry: tuple[Array, Array], draw: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], Array]:
        stack, top = carry
        split, digit, operator = draw
        item = stack[top]
        left = 1 + jnp.minimum((split * (item - 4)).astype(jnp.int32), item - 5)
        pair = jnp.stack([jnp.asarray(_CLOSE), item - 3 - left, jnp.asarray(_OPERATOR), left])
        single = jnp.stack([jnp.asarray(_CLOSE), item - 2, jnp.asarray(_END), jnp.asarray(_END)])
        signed = jnp.array([1, _END, _END, _END])
        pushed = jnp.where(item >= 5, pair, jnp.where(item >= 3, single, jnp.where(item == 2, signed, _END)))
        moved = jnp.select([item >= 5, item >= 3, item == 2, item == _END], [3, 1, 0, 0], -1)
        token = jnp.select(
            [item >= 3, item == 2, item == 1, item == _OPERATOR], [opening, minus, digit, operator], closing
        )
        stack = jax.lax.dynamic_update_slice(stack, pushed.astype(jnp.int32), (top,))
        return (stack, top + moved), token

    return jax.lax.scan(step, (stack, jnp.ones((), jnp.int32)), draws)[1]


def evaluate_expression(tokens: Int[Array, " step"], size: Int[Array, ""], modulus: int) -> Int[Array, ""]:
    """The value modulo `modulus` of an expression in which every operation has its brackets."""
    plus, minus, times, opening, closing = (modulus + index for index in range(5))
    depth = tokens.shape[0] // 3 + 3
    start = (
        jnp.zeros(depth, jnp.int32),  # the value so far at each depth of brackets
        jnp.full(depth, plus, jnp.int32),  # and the operator that waits there for its right side
        jnp.zeros((), jnp.int32),
        jnp.zeros((), bool),  # a minus behind an operator is a sign
        jnp.zeros((), bool),
    )

    def step(carry: tuple[Array, ...], token: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        values, operators, level, negative, behind_operator = carry
        character, real = token
        digit, opens, closes = character < modulus, character == opening, character == closing
        at = jnp.clip(level + jnp.where(opens, 1, jnp.where(closes, -1, 0)), 0, depth - 1)
        value = jnp.where(digit, jnp.where(negative, -character, character), values[level])
        old, waiting = values[at], operators[at]
        result = jnp.select([waiting == minus, waiting == times], [old - value, old * value], old + value) % modulus
        new = jnp.where(digit | closes, result, jnp.where(opens, 0, old))
        operation = ~(digit | opens | closes)
        is_sign = operation & behind_operator
        operator = jnp.where(opens, plus, jnp.where(operation & ~behind_operator, character, waiting))
        after = (
            values.at[at].set(new),
            operators.at[at].set(operator),
            at,
            is_sign | (negative & ~digit),
            operation,
        )
        return tuple(jnp.where(real, a, b) for a, b in zip(after, carry)), None

    real = jnp.arange(tokens.shape[0]) < size
    return jax.lax.scan(step, start, (tokens.astype(jnp.int32), real))[0][0][0]
