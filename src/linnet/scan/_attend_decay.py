"""The chunk form of `attend` where numbers decay the state: masked products of queries and keys."""

import jax.numpy as jnp
from jaxtyping import Array

from ._chunks import before_or_same, cut, decayed_products, scan_chunks, segments
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

    Signs are multiplied along beside the logarithms; a reset is a mask on pairs.

    Args:
        transition: an `AbstractDecay`.
        queries, keys, values, start, resets: as in `attend`.
        size: $C$.

    Returns:
        The outputs and the last state.
    """
    num = queries.shape[0]
    log, sign = transition.logarithms()  # pyright: ignore[reportAttributeAccessIssue]
    log = bounded_logarithms(log)
    if transition.invariant:
        log = jnp.broadcast_to(log.astype(queries.dtype), (num, *log.shape))
        sign = None if sign is None else jnp.broadcast_to(sign.astype(queries.dtype), (num, *sign.shape))
    pad = -num % size
    sign = sign if sign is None or not pad else jnp.concatenate([sign, jnp.ones((pad, *sign.shape[1:]), sign.dtype)])
    xs = (
        *cut((queries, keys, values, log), num, size),
        None if sign is None else sign.reshape(-1, size, *sign.shape[1:]),
        None if resets is None else segments(cut(resets, num, size)),
    )
    rank = 1 if keys.ndim == 2 else keys.shape[1]

    def body(state: Array, chunk: tuple) -> tuple[Array, Array]:
        query, key, value, log, sign, segment = chunk
        total = jnp.cumsum(log, axis=0)
        mask, end = before_or_same(size, segment), total[-1]
        into, out_of = jnp.exp(total), jnp.exp(end - total)
        kept = jnp.exp(end)
        if sign is not None:
            signs = jnp.cumprod(sign, axis=0)
            into, out_of, kept = into * signs, out_of * signs * signs[-1], kept * signs[-1]
        if segment is not None:
            shape = (-1, *[1] * (total.ndim - 1))
            into = jnp.where((segment == 0).reshape(shape), into, 0)
            out_of = jnp.where((segment == segment[-1]).reshape(shape), out_of, 0)
            kept = jnp.where(segment[-1] == 0, kept, 0)
        at_keys = total
        if rank > 1:
            key, value = key.reshape(size * rank, -1), value.reshape(size * rank, -1)
            mask, at_keys, out_of = (
                jnp.repeat(part, rank, axis) for part, axis in ((mask, 1), (total, 0), (out_of, 0))
            )
        into, out_of, kept = (part[..., None] if total.ndim == 1 else part for part in (into, out_of, kept))
        if sign is not None and total.ndim == 2:
            # Each key has signs of its own: they go with the factors.
            at_column = jnp.repeat(signs, rank, axis=0) if rank > 1 else signs
            scores = decayed_products(query * signs, key * at_column, total, at_keys, mask)
        else:
            scores = decayed_products(query, key, total, at_keys, mask)
            if sign is not None:
                at_column = jnp.repeat(signs, rank) if rank > 1 else signs
                scores = scores * signs[:, None] * at_column[None, :]
        outputs = (query * into) @ state + scores @ value
        state = (kept[:, None] if kept.ndim == 1 and total.ndim == 2 else kept) * state + (key * out_of).T @ value
        return state, outputs

    outputs, last = scan_chunks(body, start, xs)
    return outputs[:num], last
