"""What the chunk forms of `attend` share: cutting into chunks, resets as masks, and products under a decay."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array

#: Rows of a block in which exponents are subtracted element by element, where each key has its own decay; a power of 2.
_BLOCK = 4


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

    Exponents are always differences, formed before the exponential: cumulative decays by themselves would overflow.
    Where each key has its own decay, blocks of a few rows on the diagonal are summed element by element. Two neighbours
    of any size are joined by the product of the later rows and the earlier columns, both faded to the border between
    them: no exponent is positive where decays are none, and the work is $O(\log C)$ exponentials a step and key.

    Args:
        rows: $x$, `"row key"`.
        columns: $y$, `"column key"`, the same number for each row.
        at_rows: $G$, `"row"` or `"row key"`.
        at_columns: $G'$, `"column"` or `"column key"`.
        mask: `"row column"`, true only where the column comes before the row or is its own.
    """
    if at_rows.ndim == 1:
        exponents = jnp.where(mask, at_rows[:, None] - at_columns[None, :], 0)
        return jnp.where(mask, (rows @ columns.T) * jnp.exp(exponents), 0)
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
    block = jnp.einsum("nik,njk,nijk->nij", x, y, jnp.exp(exponents))
    while size < full:
        x, g, y, h = (part.reshape(-1, 2, part.shape[1], width) for part in (x, g, y, h))
        border = h[:, 0, -1:]
        later, earlier = x[:, 1] * jnp.exp(g[:, 1] - border), y[:, 0] * jnp.exp(border - h[:, 0])
        block = _join(block[0::2], jnp.einsum("nik,njk->nij", later, earlier), block[1::2])
        size *= 2
        x, g, y, h = (part.reshape(full // size, -1, width) for part in (x, g, y, h))
    return jnp.where(mask, block[0, :num, : columns.shape[0]], 0)


def _join(first: Array, below: Array, second: Array) -> Array:
    """Lower triangular blocks of twice the size."""
    top = jnp.concatenate([first, jnp.zeros_like(first)], axis=2)
    return jnp.concatenate([top, jnp.concatenate([below, second], axis=2)], axis=1)


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
        inverse = _join(first, second @ below @ first, second)
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
