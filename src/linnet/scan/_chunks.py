"""What the chunk forms of `attend` share: cutting into chunks, resets as masks, and products under a decay."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array

#: Rows of a block in which exponents are subtracted element by element, where each key has its own decay.
_BLOCK = 16


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


def decayed_products(rows: Array, columns: Array, at_rows: Array, at_columns: Array, mask: Array) -> Array:
    r"""$\sum_c x_{ic}\, y_{jc}\, e^{G_{ic} - G'_{jc}}$ where the mask is true, else 0.

    Exponents are always differences, formed before the exponential and at most 0 where the mask is true: cumulative
    decays by themselves would overflow. Where each key has its own decay, blocks of rows share a reference between
    themselves and the columns before them, so that these are products of matrices, and only blocks on the diagonal are
    summed element by element.

    Args:
        rows: $x$, `"row key"`.
        columns: $y$, `"column key"`.
        at_rows: $G$, `"row"` or `"row key"`, falling along rows.
        at_columns: $G'$, `"column"` or `"column key"`.
        mask: `"row column"`, true only where the column comes before the row or is its own.
    """
    if at_rows.ndim == 1:
        exponents = jnp.where(mask, at_rows[:, None] - at_columns[None, :], 0)
        return jnp.where(mask, (rows @ columns.T) * jnp.exp(exponents), 0)
    num_rows, num_columns = rows.shape[0], columns.shape[0]
    per_row = num_columns // num_rows
    if num_rows <= _BLOCK:
        return _elementwise(rows, columns, at_rows, at_columns, mask)
    blocks = []
    for first in range(0, num_rows, _BLOCK):
        last = min(first + _BLOCK, num_rows)
        here, own = slice(first, last), slice(first * per_row, last * per_row)
        diagonal = _elementwise(rows[here], columns[own], at_rows[here], at_columns[own], mask[here, own])
        row = [diagonal, jnp.zeros((last - first, num_columns - last * per_row), rows.dtype)]
        if first:
            before = slice(0, first * per_row)
            reference = at_columns[first * per_row - 1]
            left = rows[here] * jnp.exp(jnp.minimum(at_rows[here] - reference, 0))
            right = columns[before] * jnp.exp(jnp.minimum(reference - at_columns[before], 0))
            row = [jnp.where(mask[here, before], left @ right.T, 0), *row]
        blocks.append(jnp.concatenate(row, axis=1))
    return jnp.concatenate(blocks)


def _elementwise(rows: Array, columns: Array, at_rows: Array, at_columns: Array, mask: Array) -> Array:
    exponents = jnp.where(mask[..., None], at_rows[:, None] - at_columns[None, :], -jnp.inf)
    # One contraction: the exponentials are not kept as a product with both.
    return jnp.einsum("ik,jk,ijk->ij", rows, columns, jnp.exp(exponents))


def unit_lower_inverse(lower: Array) -> Array:
    r"""$(I - L)^{-1}$ for strictly lower triangular $L$, by halves:

    $$\begin{pmatrix} A & \\ -B & D \end{pmatrix}^{-1} = \begin{pmatrix} A^{-1} & \\ D^{-1} B A^{-1} & D^{-1}
    \end{pmatrix}$$

    from blocks of one up, all blocks of a size at once: $\log_2 C$ products of matrices. As stable as substitution,
    which the product of $I + L^{2^k}$ is not: powers of $L$ grow as binomials where keys repeat, and cancel. It never
    calls LAPACK, whose solver of small triangular systems stands still on CPUs for seconds.

    Args:
        lower: `"row row"`; what is not below the diagonal is not read.
    """
    num = lower.shape[-1]
    full = 1 << (num - 1).bit_length()
    lower = jnp.pad(lower, (0, full - num))
    inverse = jnp.ones((full, 1, 1), lower.dtype)
    size = 1
    while size < full:
        pairs = full // (2 * size)
        blocks = lower.reshape(pairs, 2, size, pairs, 2, size)
        below = jnp.einsum("pipj->pij", blocks[:, 1, :, :, 0, :])
        first, second = inverse[0::2], inverse[1::2]
        corner = second @ below @ first
        top = jnp.concatenate([first, jnp.zeros_like(first)], axis=2)
        inverse = jnp.concatenate([top, jnp.concatenate([corner, second], axis=2)], axis=1)
        size *= 2
    return inverse[0, :num, :num]


def before_or_same(size: int, segment: Array | None) -> Array:
    """Where a column of a chunk reaches a row: it is no later, and no reset lies between."""
    mask = jnp.tril(jnp.ones((size, size), bool))
    return mask if segment is None else mask & (segment[:, None] == segment[None, :])


def scan_chunks(body: Any, start: Array, xs: Any) -> tuple[Array, Array]:
    """A loop over chunks whose backward pass keeps the states between them;
    `body(state, chunk) -> (state, outputs)`."""
    last, outputs = jax.lax.scan(jax.checkpoint(body), start, xs)
    return outputs.reshape(-1, *outputs.shape[2:]), last
