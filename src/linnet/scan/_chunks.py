"""What the chunk forms of `attend` share: cutting into chunks, resets as masks, and products under a decay."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array

from .._precision import unrounded
from .._products import times, times_transposed

#: Rows of a block in which exponents are subtracted element by element, where each key has its own decay; a power of 2.
_BLOCK = 4
#: The largest logarithm of a decay over a whole chunk that needs no such blocks; half of it is put on either side.
_BOUND = 40.0


def cut(tree: Any, num: int, size: int) -> Any:
    """Arrays `"step ..."` as `"chunk within ..."`; what is missing in the last chunk is 0, which changes no state: keys
    of 0 write nothing and logarithms of 0 are no decay."""
    pad = -num % size

    def split(leaf: Array) -> Array:
        if pad:
            leaf = jnp.concatenate([leaf, jnp.zeros((pad, *leaf.shape[1:]), leaf.dtype)])
        return leaf.reshape(-1, size, *leaf.shape[1:])

    return jtu.tree_map(split, tree)


def segments(resets: Array) -> Array:
    """How many resets there were within each chunk so far, `"chunk within"`; 0 is what the chunk before has left."""
    return jnp.cumsum(resets.astype(jnp.int32), axis=1)


def spread(part: Any, rank: int, axis: int = 0) -> Any:
    """What is the same for the `rank` rows of a step, for each of them."""
    return part if part is None or rank == 1 else jnp.repeat(part, rank, axis)


def signed(part: Array, signs: Array | None) -> Array:
    """Rows times their signs, one for each or one for each key; `None` for no signs."""
    return part if signs is None else part * (signs[:, None] if signs.ndim == 1 else signs)


def faded(part: Array, at: Array | None, where: Array | None) -> Array:
    """Rows times decays given by their logarithms (`None` for none), 0 beyond a reset (where `where` is false)."""
    part = part if where is None else jnp.where(where[:, None], part, 0)
    if at is None:
        return part
    factor = jnp.exp(at)
    return part * (factor[:, None] if at.ndim == 1 else factor)


def kept_of(total: Array | None, signs: Array | None, segment: Array | None, dtype: Any) -> Array:
    """What a chunk leaves of the state before it: one number, or `"key 1"`.

    Args:
        total: cumulative logarithms of decays, `None` for none.
        signs: cumulative signs.
        segment: how many resets there were so far.
        dtype: of the result.
    """
    kept = jnp.ones((), dtype) if total is None else jnp.exp(total[-1])
    kept = kept if segment is None else jnp.where(segment[-1] == 0, kept, 0)
    kept = kept if signs is None else kept * signs[-1]
    return kept[:, None] if kept.ndim == 1 else kept


def decayed_products(
    rows: Array,
    columns: Array,
    at_rows: Array | None,
    at_columns: Array | None,
    mask: Array,
    bounded: bool = False,
) -> Array:
    r"""$\sum_c x_{ic}\, y_{jc}\, e^{G_{ic} - G'_{jc}}$ where the mask is true, else 0.

    Exponents are always differences, formed before the exponential: cumulative decays by themselves would overflow,
    unless they are known to be bounded; then one product does.
    Where each key has its own decay, blocks of a few rows on the diagonal are summed element by element. Two neighbours
    of any size are joined by the product of the later rows and the earlier columns, both faded to the border between
    them: no exponent is positive where decays are none, and the work is $O(\log C)$ exponentials a step and key.

    Args:
        rows: $x$, `"row key"`.
        columns: $y$, `"column key"`, the same number for each row.
        at_rows: $G$, `"row"` or `"row key"`; `None`, as for the columns, where nothing decays.
        at_columns: $G'$, `"column"` or `"column key"`.
        mask: `"row column"`, true only where the column comes before the row or is its own.
        bounded: no exponential of half of a cumulative decay can overflow.
    """
    if at_rows is None or at_columns is None:
        return jnp.where(mask, times_transposed(rows, columns), 0)
    if at_rows.ndim == 1:
        exponents = jnp.where(mask, at_rows[:, None] - at_columns[None, :], -jnp.inf)
        return times_transposed(rows, columns) * jnp.exp(exponents)
    if bounded:
        middle = at_columns[-1] / 2
        faded_rows, faded_columns = rows * jnp.exp(at_rows - middle), columns * jnp.exp(middle - at_columns)
        return jnp.where(mask, times_transposed(faded_rows, faded_columns), 0)
    (num, width), per_row = rows.shape, columns.shape[0] // rows.shape[0]
    full = max(_BLOCK, 1 << (num - 1).bit_length())
    pad = full - num
    x, g = jnp.pad(rows, ((0, pad), (0, 0))), jnp.pad(at_rows, ((0, pad), (0, 0)), "edge")
    y = jnp.pad(columns, ((0, per_row * pad), (0, 0)))
    h = jnp.pad(at_columns, ((0, per_row * pad), (0, 0)), "edge")
    size, count = _BLOCK, full // _BLOCK
    x, g, y, h = (part.reshape(count, -1, width) for part in (x, g, y, h))
    own = jnp.pad(mask, ((0, pad), (0, per_row * pad))).reshape(count, size, count, size * per_row)
    own = own[jnp.arange(count), :, jnp.arange(count)]
    exponents = jnp.where(own[..., None], g[:, :, None] - h[:, None], -jnp.inf)
    block = jnp.sum(x[:, :, None] * y[:, None] * jnp.exp(exponents), axis=-1)
    while size < full:
        x, g, y, h = (part.reshape(-1, 2, part.shape[1], width) for part in (x, g, y, h))
        border = h[:, 0, -1:]
        later, earlier = x[:, 1] * jnp.exp(g[:, 1] - border), y[:, 0] * jnp.exp(border - h[:, 0])
        block = _join(block[0::2], jax.vmap(times_transposed)(later, earlier), block[1::2])
        size *= 2
        x, g, y, h = (part.reshape(full // size, -1, width) for part in (x, g, y, h))
    return jnp.where(mask, block[0, :num, : columns.shape[0]], 0)


def _join(first: Array, below: Array, second: Array) -> Array:
    """Lower triangular blocks of twice the size."""
    top = jnp.concatenate([first, jnp.zeros_like(first)], axis=2)
    return jnp.concatenate([top, jnp.concatenate([below, second], axis=2)], axis=1)


@jax.custom_jvp
def unit_lower_inverse(lower: Array) -> Array:
    r"""$(I - L)^{-1}$ for strictly lower triangular $L$, by halves:

    $$\begin{pmatrix} A & \\ -B & D \end{pmatrix}^{-1} = \begin{pmatrix} A^{-1} & \\ D^{-1} B A^{-1} & D^{-1}
    \end{pmatrix}$$

    from blocks of two up, all blocks of a size in one product of masked matrices: $2 \log_2 C$ products. As stable as
    substitution, which the product of $I + L^{2^k}$ is not: powers of $L$ grow as binomials where keys repeat, and
    cancel. It never calls LAPACK, whose solver of small triangular systems stands still on CPUs for seconds.

    Args:
        lower: `"row row"`; what is not below the diagonal is not read.
    """
    num = lower.shape[-1]
    row = jnp.arange(num)[:, None]
    column = row.T
    inverse = jnp.eye(num, dtype=lower.dtype) + jnp.where((row // 2 == column // 2) & (row > column), lower, 0)
    size = 2
    while size < num:
        below = (row // (2 * size) == column // (2 * size)) & (row // size > column // size)
        inverse = inverse + times(times(inverse, jnp.where(below, lower, 0)), inverse)
        size *= 2
    return inverse


@unit_lower_inverse.defjvp
@unrounded
def _unit_lower_inverse_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    inverse = unit_lower_inverse(*primals)
    return inverse, times(inverse, times(jnp.tril(tangents[0], -1), inverse))


def before_or_same(size: int, segment: Array | None) -> Array:
    """Where a column of a chunk reaches a row: it is no later, and no reset lies between."""
    mask = jnp.tril(jnp.ones((size, size), bool))
    return mask if segment is None else mask & (segment[:, None] == segment[None, :])


def bounded(least: float | None, size: int) -> bool:
    """Whether decays of no less than this logarithm cannot overflow in a chunk."""
    return least is not None and -least * size <= _BOUND


def cumulative(log: Array) -> Array:
    """Sums of the rows so far; a product with a triangle, which CPUs do faster than sums along an axis."""
    triangle = jnp.tril(jnp.ones((log.shape[0], log.shape[0]), log.dtype))
    return times(triangle, log) if log.ndim == 2 else times(triangle, log[:, None])[:, 0]


def in_groups(
    before: Any, between: Any, after: Any, start: Array, chunks: Any, size: int, group_size: int
) -> tuple[Array, Array]:
    """Outputs and the last state of a recurrence over chunks, of which many are worked at a time.

    The backward pass keeps the state between groups of chunks only, and makes the rest of one group anew.

    Args:
        before: of one chunk, what does not depend on the state: `before(chunk) -> (passing, reading)`.
        between: the loop over a group's chunks, `between(state, passing) -> (state, met)`; what each chunk has met.
        after: the outputs of a chunk, `after(met, reading)`.
        start: the state before the first.
        chunks: a tree of arrays, `"chunk within ..."`; a chunk of zeros changes no state.
        size: steps in a chunk.
        group_size: steps in a group.
    """

    def group(state: Array, chunks: Any) -> tuple[Array, Array]:
        passing, reading = jax.vmap(before)(chunks)
        state, met = between(state, passing)
        return state, jax.vmap(after)(met, reading)

    num = jtu.tree_leaves(chunks)[0].shape[0]
    count = -(-num * size // group_size)
    if count <= 1:
        last, outputs = group(start, chunks)
    else:
        each = -(-num // count)
        last, outputs = jax.lax.scan(jax.checkpoint(group), start, cut(chunks, num, each))
        outputs = outputs.reshape(-1, *outputs.shape[2:])
    return outputs.reshape(-1, *outputs.shape[2:]), last
