"""The chunk form of `attend` for a diagonal and rank $r$: the WY representation, one routine for the whole family."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._chunks import (
    before_or_same,
    cumulative,
    cut,
    decayed_products,
    in_groups,
    segments,
    unit_lower_inverse,
)
from ._low_rank import LowRank
from ._numbers import bounded_logarithms


def chunked_low_rank(
    transition: LowRank,
    queries: Array,
    keys: Array | None,
    values: Array,
    start: Array,
    size: int,
    resets: Array | None,
) -> tuple[Array, Array]:
    r"""The delta rule and its relatives in products of matrices.

    The rows of a chunk are its corrections, $r$ for each of $C$ steps. What row $i$ reads of the state is $p_i$, and
    what it leaves there is $w_i p_i^\top + k_i v_i^\top$. With cumulative decays $e^{G}$ within the chunk,

    $$p_i = (e_i\, e^{G_i})^\top S + \sum_{j < i} (e_i\, e^{G_i - G_j})^\top \bigl(w_j p_j^\top + k_j v_j^\top\bigr),$$

    a unit lower triangular system, $P = (I - L)^{-1} (E S + M V)$. The inverse, $E$ and $M V$ are made for many chunks
    at once; only what has to do with $S$ goes from chunk to chunk. Then outputs and the next state are those of
    a decayed state to which $w_j p_j^\top + k_j v_j^\top$ is added. In place of $G_i$ stands $G_{i-1}$ where
    corrections read the state before its decay. Where what is new goes where corrections write (`keys` are `None`) both
    products are one.

    Args:
        transition: the corrections.
        queries, keys, values, start, resets: as in `attend`.
        size: $C$.

    Returns:
        The outputs and the last state.
    """
    num, rank = queries.shape[0], transition.erase.shape[1]
    log, sign = transition.logarithms()
    log = None if log is None else bounded_logarithms(log)
    one_direction = keys is None
    if keys is None:
        keys = transition.write
    elif keys.ndim == 2:
        # What a step writes is written after all its corrections.
        blank = ((0, 0), (rank - 1, 0), (0, 0))
        keys, values = jnp.pad(keys[:, None], blank), jnp.pad(values[:, None], blank)
    xs = (
        *cut((queries, transition.erase, transition.write, keys, values), num, size),
        None if log is None else cut(log, num, size),
        None if sign is None else cut(sign - 1, num, size),  # zeros, with which chunks are filled, flip nothing
        None if resets is None else segments(cut(resets, num, size)),
    )

    def rows(part: Array) -> Array:
        return part.reshape(size * rank, -1)

    def spread(part: Array, axis: int = 0) -> Array:
        return part if rank == 1 else jnp.repeat(part, rank, axis)

    def before(chunk: tuple) -> tuple[tuple, tuple]:
        query, erase, write, key, value, log, flips, segment = chunk
        erase, write, key, value = rows(erase), rows(write), rows(key), rows(value)
        total = jnp.zeros(size, query.dtype) if log is None else cumulative(log)
        signs = None if flips is None else jnp.cumprod(1 + flips, axis=0)
        # Until where a correction has seen the decays: its own step's, or the step's before.
        seen, seen_signs = total, signs
        if transition.undecayed:
            seen = jnp.concatenate([jnp.zeros_like(total[:1]), total[:-1]])
            seen_signs = None if signs is None else jnp.concatenate([jnp.ones_like(signs[:1]), signs[:-1]])
        reach = before_or_same(size, segment)
        reach_rows = spread(reach, 1)
        earlier = jnp.tril(jnp.ones((size * rank, size * rank), bool), -1) & spread(reach_rows)
        alive = None if segment is None else segment == 0
        late = None if segment is None else segment == segment[-1]

        def signed(part: Array, at: Array | None) -> Array:
            return part if at is None else part * (at[:, None] if at.ndim == 1 else at)

        def products(left: Array, right: Array, at_left: Array, at_right: Array, mask: Array) -> Array:
            if log is None:
                return jnp.where(mask, left @ right.T, 0)
            return decayed_products(left, right, at_left, at_right, mask)

        def faded(part: Array, at: Array, where: Array | None) -> Array:
            """Rows times a decay, 0 beyond a reset."""
            part = part if where is None else jnp.where(where[:, None], part, 0)
            if log is None:
                return part
            factor = jnp.exp(at)
            return part * (factor[:, None] if at.ndim == 1 else factor)

        at_rows, seen_rows = spread(total), spread(seen)
        row_signs = None if signs is None else spread(signs)
        seen_row_signs = None if seen_signs is None else spread(seen_signs)
        alive_rows = None if alive is None else spread(alive)
        late_rows = None if late is None else spread(late)
        erase = signed(erase, seen_row_signs)
        query = signed(query, signs)
        write_, key_ = signed(write, row_signs), signed(key, row_signs)

        inverse = unit_lower_inverse(products(erase, write_, seen_rows, at_rows, earlier))
        drive = faded(erase, seen_rows, alive_rows)
        ends = total[-1] - at_rows
        last_signs = None if signs is None else jnp.broadcast_to(signs[-1], (size * rank, *signs.shape[1:]))
        kept = jnp.exp(total[-1])
        kept = kept if segment is None else jnp.where(segment[-1] == 0, kept, 0)
        kept = kept if signs is None else kept * signs[-1]
        out = faded(signed(write_, last_signs), ends, late_rows).T
        scores = products(query, write_, total, at_rows, reach_rows)
        read = faded(query, total, alive)
        if one_direction:
            # u = p + v solves u = E S + L u + v.
            own, new, direct = value, None, None
        else:
            own = products(erase, key_, seen_rows, at_rows, earlier) @ value
            new = faded(signed(key_, last_signs), ends, late_rows).T @ value
            direct = products(query, key_, total, at_rows, reach_rows) @ value
        kept = kept[:, None] if kept.ndim == 1 else kept
        return (kept, inverse, drive, own, out, new), (read, scores, direct)

    def between(state: Array, passing: tuple) -> tuple[Array, tuple[Array, Array]]:
        def advance(state: Array, now: tuple) -> tuple[Array, tuple[Array, Array]]:
            kept, inverse, drive, own, out, new = now
            # Both are large where keys repeat, and their sum is not: it comes before the inverse.
            left = inverse @ (drive @ state + own)
            after = kept * state + out @ left
            return after if new is None else after + new, (state, left)

        return jax.lax.scan(advance, state, passing)

    def after(met: tuple[Array, Array], reading: tuple) -> Array:
        (state, left), (read, scores, direct) = met, reading
        outputs = read @ state + scores @ left
        return outputs if direct is None else outputs + direct

    outputs, last = in_groups(before, between, after, start, xs, size)
    return outputs[:num], last
