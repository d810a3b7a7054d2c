"""The chunk form of `attend` where numbers decay the state: masked products of queries and keys."""

import jax.numpy as jnp
from jaxtyping import Array

from ._chunks import before_or_same, cumulative, cut, decayed_products, in_groups, segments
from ._elementwise import decay
from ._identity import Identity
from ._numbers import bounded_logarithms
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
        mask = before_or_same(size, segment)
        if rank > 1:
            key, value = key.reshape(size * rank, -1), value.reshape(size * rank, -1)
            mask = jnp.repeat(mask, rank, 1)
        here, flipped = (log, flips) if same else decays
        if here is None:
            scores = jnp.where(mask, query @ key.T, 0)
            kept = jnp.ones((), query.dtype)
            if segment is not None:
                query = jnp.where((segment == 0)[:, None], query, 0)
                late = segment == segment[-1]
                key = jnp.where((jnp.repeat(late, rank) if rank > 1 else late)[:, None], key, 0)
                kept = (segment[-1] == 0).astype(query.dtype)
            return (kept, key.T @ value), (query, scores, value)
        total = cumulative(here)
        end = total[-1]
        into, out_of, kept = jnp.exp(total), jnp.exp(end - total), jnp.exp(end)
        signs = None
        if flipped is not None:
            signs = jnp.cumprod(1 + flipped, axis=0)
            into, out_of, kept = into * signs, out_of * signs * signs[-1], kept * signs[-1]
        if segment is not None:
            shape = (-1, *[1] * (total.ndim - 1))
            into = jnp.where((segment == 0).reshape(shape), into, 0)
            out_of = jnp.where((segment == segment[-1]).reshape(shape), out_of, 0)
            kept = jnp.where(segment[-1] == 0, kept, 0)
        at_keys, at_column = total, signs
        if rank > 1:
            at_keys, out_of = jnp.repeat(total, rank, 0), jnp.repeat(out_of, rank, 0)
            at_column = None if signs is None else jnp.repeat(signs, rank, 0)
        into, out_of = (part[:, None] if part.ndim == 1 else part for part in (into, out_of))
        if signs is not None and total.ndim == 2:
            # Each key has signs of its own: they go with the factors.
            scores = decayed_products(query * signs, key * at_column, total, at_keys, mask)
        else:
            scores = decayed_products(query, key, total, at_keys, mask)
            scores = scores if signs is None else scores * signs[:, None] * at_column[None, :]
        return (kept, (key * out_of).T @ value), (query * into, scores, value)

    def between(state: Array, passing: tuple[Array, Array]) -> tuple[Array, Array]:
        kept, new = passing
        kept = kept[:, :, None] if kept.ndim == 2 else kept[:, None, None]
        states = decay(kept, new, state, "scan", None, False)
        return states[-1], jnp.concatenate([state[None], states[:-1]])

    def after(state: Array, reading: tuple[Array, Array, Array]) -> Array:
        query, scores, value = reading
        return query @ state + scores @ value

    outputs, last = in_groups(before, between, after, start, chunks, size)
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
