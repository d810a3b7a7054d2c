"""The chunk form of `attend` for a diagonal and rank $r$: the WY representation, one routine for the whole family."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._products import times, transposed_times
from ._chunks import (
    before_or_same,
    bounded,
    cumulative,
    cut,
    decayed_products,
    faded,
    in_groups,
    kept_of,
    segments,
    signed,
    spread,
    unit_lower_inverse,
)
from ._low_rank import LowRank
from ._numbers import bounded_logarithms
from ._policy import attend_group


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
    safe = bounded(transition.least, size)
    xs = (
        *cut((queries, transition.erase, transition.write, keys, values), num, size),
        None if log is None else cut(log, num, size),
        None if sign is None else cut(sign - 1, num, size),  # zeros, with which chunks are filled, flip nothing
        None if resets is None else segments(cut(resets, num, size)),
    )

    def rows(part: Array) -> Array:
        return part.reshape(size * rank, -1)

    def before(chunk: tuple) -> tuple[tuple, tuple]:
        query, erase, write, key, value, log, flips, segment = chunk
        erase, write, key, value = rows(erase), rows(write), rows(key), rows(value)
        total = None if log is None else cumulative(log)
        signs = None if flips is None else jnp.cumprod(1 + flips, axis=0)
        # Until where a correction has seen the decays: its own step's, or the step's before.
        seen, seen_signs = total, signs
        if transition.undecayed:
            seen = None if total is None else jnp.concatenate([jnp.zeros_like(total[:1]), total[:-1]])
            seen_signs = None if signs is None else jnp.concatenate([jnp.ones_like(signs[:1]), signs[:-1]])
        reach = spread(before_or_same(size, segment), rank, 1)
        earlier = jnp.tril(jnp.ones((size * rank, size * rank), bool), -1) & spread(reach, rank)
        alive, late = (None, None) if segment is None else (segment == 0, spread(segment == segment[-1], rank))
        at_rows, seen_rows, row_signs = spread(total, rank), spread(seen, rank), spread(signs, rank)
        ends = None if total is None else total[-1] - at_rows
        query, erase = signed(query, signs), signed(erase, spread(seen_signs, rank))
        write, key = signed(write, row_signs), signed(key, row_signs)

        def leaving(part: Array) -> Array:
            """What rows are at the end of the chunk."""
            found = faded(part, ends, late)
            return found if signs is None else found * signs[-1]

        inverse = unit_lower_inverse(decayed_products(erase, write, seen_rows, at_rows, earlier, safe))
        drive = faded(erase, seen_rows, spread(alive, rank))
        scores = decayed_products(query, write, total, at_rows, reach, safe)
        if one_direction:
            # u = p + v solves u = E S + L u + v.
            own, new, direct = value, None, None
        else:
            own = times(decayed_products(erase, key, seen_rows, at_rows, earlier, safe), value)
            new = transposed_times(leaving(key), value)
            direct = times(decayed_products(query, key, total, at_rows, reach, safe), value)
        kept = kept_of(total, signs, segment, query.dtype)
        return (kept, inverse, drive, own, leaving(write).T, new), (faded(query, total, alive), scores, direct)

    def between(state: Array, passing: tuple) -> tuple[Array, tuple[Array, Array]]:
        def advance(state: Array, now: tuple) -> tuple[Array, tuple[Array, Array]]:
            kept, inverse, drive, own, out, new = now
            # Both are large where keys repeat, and their sum is not: it comes before the inverse.
            left = times(inverse, times(drive, state) + own)
            after = kept * state + times(out, left)
            return after if new is None else after + new, (state, left)

        return jax.lax.scan(advance, state, passing)

    def after(met: tuple[Array, Array], reading: tuple) -> Array:
        (state, left), (read, scores, direct) = met, reading
        outputs = times(read, state) + times(scores, left)
        return outputs if direct is None else outputs + direct

    outputs, last = in_groups(before, between, after, start, xs, size, attend_group(transition, num, start.size))
    return outputs[:num], last
