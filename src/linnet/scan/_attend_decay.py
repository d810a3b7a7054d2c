"""The chunk form of `attend` where numbers decay the state: masked products of queries and keys."""

import jax.numpy as jnp
from jaxtyping import Array

from .._products import times, transposed_times
from ._chunks import (
    before_or_same,
    cumulative,
    cut,
    decayed_products,
    faded,
    in_groups,
    kept_of,
    segments,
    signed,
    spread,
)
from ._elementwise import decay
from ._identity import Identity
from ._numbers import bounded_logarithms
from ._policy import attend_group
from ._transition import AbstractTransition


def chunked_decay(
    transition: AbstractTransition,
    queries: Array,
    keys: Array,
    values: Array,
    start: Array,
    size: int,
    resets: Array | None,
) -> tuple[Array, Array]:
    r"""With the cumulative decay $e^{G_i}$ within a chunk and the state $S$ before it,

    $$o_i = (q_i e^{G_i})^\top S + \sum_{j \le i} \bigl(q_i e^{G_i - G_j}\bigr)^\top k_j\; v_j, \qquad
    S' = e^{G_C} S + \sum_j (e^{G_C - G_j} k_j)\, v_j^\top.$$

    Signs are multiplied along beside the logarithms; a reset is a mask on pairs. Only the state goes from chunk to
    chunk: all products of queries, keys and values are made for many chunks at once.

    Args:
        transition: an `AbstractDecay`.
        queries, keys, values, start, resets: as in `attend`.
        size: $C$.

    Returns:
        The outputs and the last state.
    """
    num = queries.shape[0]
    rank = 1 if keys.ndim == 2 else keys.shape[1]
    log, flips = (None, None) if isinstance(transition, Identity) else _logarithms(transition, queries, size)
    same = log is not None and transition.invariant and num % size == 0
    chunks = (
        *cut((queries, keys, values), num, size),
        None if log is None or same else cut(log, num, size),
        None if flips is None or same else cut(flips, num, size),
        None if resets is None else segments(cut(resets, num, size)),
    )

    def before(chunk: tuple) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
        query, key, value, *decays, segment = chunk
        key, value = key.reshape(size * rank, -1), value.reshape(size * rank, -1)
        here, flipped = (log, flips) if same else decays
        total = None if here is None else cumulative(here)
        signs = None if flipped is None else jnp.cumprod(1 + flipped, axis=0)
        alive, late = (None, None) if segment is None else (segment == 0, segment == segment[-1])
        at_keys = spread(total, rank)
        query, key = signed(query, signs), signed(key, spread(signs, rank))
        scores = decayed_products(query, key, total, at_keys, spread(before_or_same(size, segment), rank, 1))
        out = faded(key, None if total is None else total[-1] - at_keys, spread(late, rank))
        out = out if signs is None else out * signs[-1]
        kept = kept_of(total, signs, segment, query.dtype)
        return (kept, transposed_times(out, value)), (faded(query, total, alive), scores, value)

    def between(state: Array, passing: tuple[Array, Array]) -> tuple[Array, Array]:
        kept, new = passing
        states = decay(kept if kept.ndim == 3 else kept[:, None, None], new, state, "scan", None, False)
        return states[-1], jnp.concatenate([state[None], states[:-1]])

    def after(state: Array, reading: tuple[Array, Array, Array]) -> Array:
        query, scores, value = reading
        return times(query, state) + times(scores, value)

    outputs, last = in_groups(before, between, after, start, chunks, size, attend_group(transition, num, start.size))
    return outputs[:num], last


def _logarithms(transition: AbstractTransition, queries: Array, size: int) -> tuple[Array, Array | None]:
    """Logarithms, and signs less 1, of all steps, or of those of any chunk where chunks are alike; zeros change nothing
    in either."""
    log, sign = transition.logarithms()  # pyright: ignore[reportAttributeAccessIssue]
    log = bounded_logarithms(log)
    if transition.invariant:
        num = size if queries.shape[0] % size == 0 else queries.shape[0]
        log = jnp.broadcast_to(log.astype(queries.dtype), (num, *log.shape))
        sign = None if sign is None else jnp.broadcast_to(sign.astype(queries.dtype), (num, *sign.shape))
    return log, None if sign is None else sign - 1
