"""Draws without replacement in memory that does not grow with what is drawn from."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

from .._types import PRNGKey


def draw_distinct(key: PRNGKey, num: int, size: int) -> Int[Array, " num"]:
    """`num` different numbers below `size`, every ordered choice equally likely, in memory O(num).

    Floyd's way: the i-th draw is uniform up to a limit that grows by one, and a number that was drawn before is
    replaced by the limit itself, which cannot have been.
    """
    draw_key, order_key = jr.split(key)
    limits = size - num + jnp.arange(num)
    draws = jr.randint(draw_key, (num,), 0, limits + 1)

    def step(chosen: Array, item: tuple[Array, Array, Array]) -> tuple[Array, None]:
        index, draw, limit = item
        taken = jnp.any((chosen == draw) & (jnp.arange(num) < index))
        return chosen.at[index].set(jnp.where(taken, limit, draw)), None

    chosen, _ = jax.lax.scan(step, jnp.full(num, -1, draws.dtype), (jnp.arange(num), draws, limits))
    return jr.permutation(order_key, chosen)


def draw_weighted(key: PRNGKey, num: int, log_weights: Float[Array, " place"]) -> Int[Array, " num"]:
    """`num` different places, one after the other with probabilities proportional to the weights of those left.

    The largest of logarithms of weights with independent Gumbel noise, in order, have this law. Weights of zero are
    drawn last.
    """
    noisy = log_weights + jr.gumbel(key, log_weights.shape, log_weights.dtype)
    return jax.lax.top_k(noisy, num)[1]
