"""Random nested lists of an exact length, and their values: one pass with a stack for each."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int

from .._types import PRNGKey

NUM_DIGITS = 10
OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
CLOSE = NUM_DIGITS + len(OPERATORS)


def capacities(max_depth: int, max_args: int, length: int) -> list[int]:
    """The longest expression with so many levels of lists, up to a little more than `length`."""
    found = [1]
    for _ in range(max_depth):
        found.append(min(2 + max_args * found[-1], length + 8))
    return found


def can_fill(tokens: Array, args: Array, longest: Array) -> Bool[Array, "..."]:
    """Whether so many tokens are a row of at most `args` expressions, none longer than `longest`.

    Expressions have 1 token or from 4 on: a list has its operator, two arguments and its end.
    """
    rare = ((args == 1) & ((tokens == 2) | (tokens == 3))) | ((args == 2) & (tokens == 3))
    return (tokens == 0) | ((args > 0) & (tokens <= args * longest) & ~(rare & (longest > 1)))


def draw_list(
    key: PRNGKey, length: int, size: Int[Array, ""], max_depth: int, max_args: int, value_share: float
) -> Int[Array, " step"]:
    """A list of exactly `size` tokens; what is behind its end has no meaning.

    Token by token: the list on top of the stack knows how many tokens and arguments it may still have. An argument is a
    digit with probability `value_share`, else a list of a length uniform among those that fit; where what was drawn
    leaves a rest that cannot be filled, the nearest that does is taken.

    Args:
        key: of the randomness.
        length: of the array.
        size: of the list, at least 4.
        max_depth: levels of lists.
        max_args: arguments of a list, at least 4; their number is drawn uniformly from 2 on and is an upper bound.
        value_share: the probability of a digit.
    """
    longest = jnp.array(capacities(max_depth, max_args, length), jnp.int32)
    share_key, cut_key, digit_key, operator_key, args_key = jr.split(key, 5)
    draws = (
        jr.uniform(share_key, (length,), jnp.float32) < value_share,
        jr.uniform(cut_key, (length,), jnp.float32),
        jr.randint(digit_key, (length,), 0, NUM_DIGITS, jnp.int32),
        NUM_DIGITS + jr.randint(operator_key, (length,), 0, len(OPERATORS), jnp.int32),
        jr.randint(args_key, (length,), 2, max_args + 1, jnp.int32),
    )
    # Level 0 holds the whole as its one argument. Columns: tokens left, arguments left, whether one was written.
    frames = jnp.zeros((max_depth + 2, 3), jnp.int32).at[0].set(jnp.stack([size.astype(jnp.int32), 1, 1]))

    def step(carry: tuple[Array, Array], draw: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        frames, level = carry
        is_value, cut, digit, operator, asked = draw
        tokens, args, begun = frames[level]
        below = jnp.maximum(max_depth - level, 0)
        cost = choose_argument(tokens, args, longest[below], begun == 0, is_value & (level > 0), cut)
        ends, opens = tokens == 0, cost > 1
        inner = longest[jnp.maximum(below - 1, 0)]
        # As many arguments as the longest need; up to four tokens for two or more of them are digits.
        needed = jnp.where(cost <= 6, cost - 2, -(-(cost - 2) // inner))
        room = jnp.clip(jnp.maximum(asked, needed), 2, max_args)
        frames = frames.at[level].set(jnp.where(ends, frames[level], jnp.stack([tokens - cost, args - 1, 1])))
        child = jnp.minimum(level + 1, max_depth + 1)
        frames = frames.at[child].set(jnp.where(opens & ~ends, jnp.stack([cost - 2, room, 0]), frames[child]))
        after = jnp.where(ends, jnp.maximum(level - 1, 0), jnp.where(opens, child, level))
        return (frames, after), jnp.where(ends, CLOSE, jnp.where(opens, operator, digit))

    return jax.lax.scan(step, (frames, jnp.zeros((), jnp.int32)), draws)[1]


def choose_argument(tokens: Array, args: Array, longest: Array, first: Array, is_value: Array, cut: Array) -> Array:
    """The length of the next argument of a list that has `tokens` left for at most `args` of them.

    Args:
        tokens, args, longest: as for `can_fill`, which they have to pass.
        first: whether it is the list's first, which leaves something for a second.
        is_value: whether a digit is wanted.
        cut: a uniform number that chooses the length of a list.
    """
    most = jnp.minimum(tokens - first, longest)
    least = jnp.maximum(4, tokens - (args - 1) * longest)
    drawn = least + jnp.minimum((cut * (most - least + 1)).astype(jnp.int32), most - least)
    wanted = jnp.where(is_value, 1, drawn)
    # Rests that cannot be filled are 2 or 3 tokens, so that a step or three away there is one that can.
    options = jnp.stack([wanted, drawn, drawn - 1, drawn - 2, drawn + 1, drawn + 2, jnp.ones_like(drawn)])
    rest = tokens - options
    good = (options == 1) | ((options >= 4) & (options <= longest))
    good = good & (rest >= first) & can_fill(rest, args - 1, longest) & (rest >= 0)
    return options[jnp.argmax(good)]


def evaluate_list(tokens: Int[Array, " step"], size: Int[Array, ""], max_depth: int) -> Int[Array, ""]:
    """The value of a list of digits: each level keeps how often it has which digit, from which all operators follow."""
    counts = jnp.zeros((max_depth + 2, NUM_DIGITS), jnp.int32)
    operators = jnp.zeros(max_depth + 2, jnp.int32)

    def step(carry: tuple[Array, Array, Array], token: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
        counts, operators, level = carry
        character, real = token
        closes, opens = character == CLOSE, (character >= NUM_DIGITS) & (character != CLOSE)
        at = jnp.clip(level + jnp.where(opens, 1, jnp.where(closes, -1, 0)), 0, max_depth + 1)
        value = jnp.where(closes, _apply(operators[level], counts[level]), jnp.minimum(character, NUM_DIGITS - 1))
        new = jnp.where(opens, 0, counts[at] + jax.nn.one_hot(value, NUM_DIGITS, dtype=counts.dtype))
        after = (
            counts.at[at].set(new),
            operators.at[at].set(jnp.where(opens, character - NUM_DIGITS, operators[at])),
            at,
        )
        return tuple(jnp.where(real, a, b) for a, b in zip(after, carry)), None

    real = jnp.arange(tokens.shape[0]) < size
    (counts, _, _), _ = jax.lax.scan(step, (counts, operators, jnp.zeros((), jnp.int32)), (tokens, real))
    return jnp.argmax(counts[0])


def _apply(operator: Int[Array, ""], counts: Int[Array, " digit"]) -> Int[Array, ""]:
    """An operator on digits of which each occurs so often; the median of an even number is rounded down."""
    digits, up_to = jnp.arange(NUM_DIGITS), jnp.cumsum(counts)
    num = up_to[-1]
    least = jnp.argmax(counts > 0)
    largest = NUM_DIGITS - 1 - jnp.argmax(counts[::-1] > 0)
    middle = (jnp.argmax(up_to > (num - 1) // 2) + jnp.argmax(up_to > num // 2)) // 2
    return jnp.stack([least, largest, middle, jnp.sum(digits * counts) % NUM_DIGITS])[operator]
