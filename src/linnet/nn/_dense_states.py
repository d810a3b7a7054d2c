"""How layers whose states meet compute: loops, and trees of products of matrices."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact

from ..scan import Dense, recur
from ..scan._generic import checkpointed_scan


def loop(
    advance: Callable[[Array], Array],
    drives: Inexact[Array, "step *state"],
    start: Inexact[Array, "*state"],
    *,
    chunk_size: int | None,
    resets: Bool[Array, " step"] | None,
) -> tuple[Inexact[Array, "step *state"], Inexact[Array, "*state"]]:
    r"""All states of $h_t = A h_{t-1} + b_t$ and the last, step by step.

    `linnet.scan.recur` would need a matrix for each step where there are resets; here the state is forgotten instead.

    Args:
        advance: $h \mapsto A h$.
        drives: $b$.
        start: $h_0$.
        chunk_size: steps between two states that the backward pass keeps.
        resets: where the state is forgotten before the step.
    """

    def body(state: Array, now: tuple[Array, Array | None]) -> tuple[Array, Array]:
        drive, reset = now
        state = advance(state if reset is None else jnp.where(reset, 0, state)) + drive
        return state, state

    last, states = checkpointed_scan(body, start, (drives, resets), drives.shape[0], chunk_size)
    return states, last


def run_dense(
    matrices: Float[Array, "feature state state"],
    drives: Float[Array, "step feature state"],
    start: Float[Array, "feature state"],
    *,
    mode: str,
    chunk_size: int | None,
    resets: Bool[Array, " step"] | None,
) -> tuple[Float[Array, "step feature state"], Float[Array, "feature state"]]:
    """The same for each feature with a matrix of its own, in the modes that multiply matrices."""

    def one(matrix: Array, drive: Array, begin: Array) -> tuple[Array, Array]:
        transition = Dense(matrix, invariant=True)
        return recur(transition, drive, begin, mode=mode, chunk_size=chunk_size, resets=resets)

    return jax.vmap(one, in_axes=(0, 1, 0), out_axes=(1, 0))(matrices, drives, start)


def krylov(
    matrix: Float[Array, "state state"], columns: Float[Array, "state column"], num: int
) -> Float[Array, "power state column"]:
    r"""$X, A X, \dots, A^{T-1} X$ by doubling: $\log T$ products of matrices."""
    found, power = columns[None], matrix
    while found.shape[0] < num:
        found = jnp.concatenate([found, jnp.einsum("ij,ljk->lik", power, found)])
        power = power @ power
    return found[:num]


def convolution_parts(
    matrix: Float[Array, "state state"],
    column: Float[Array, " state"],
    rows: Float[Array, "row state"],
    start: Float[Array, " state"],
    inputs: Float[Array, " step"],
) -> tuple[Float[Array, "lag row 2"], Float[Array, " state"]]:
    r"""The kernels $C A^l B$ and $C A^{l+1} h_0$, and the state after the last step.

    With $l = mi + j$ and $m$ about $\sqrt T$ they are products of $C A^{mi}$ and $A^j B$: $O(\sqrt T)$ products of a
    matrix and a vector and one of matrices, where all $A^l B$ would be $T$ vectors in memory.

    Args:
        matrix: $A$.
        column: $B$.
        rows: $C$.
        start: $h_0$.
        inputs: $u$.
    """
    num = inputs.shape[0]
    size = block_size(num)
    inner = krylov(matrix, jnp.stack([column, matrix @ start], axis=1), size)  # within state 2
    longest = matrix
    for _ in range(size.bit_length() - 1):
        longest = longest @ longest
    blocks = -(-num // size)
    outer = krylov(longest.T, rows.T, blocks)  # block state row
    kernels = jnp.einsum("inr,jnk->ijrk", outer, inner).reshape(-1, rows.shape[0], 2)[:num]
    # The first block has the steps that fill no whole one.
    early = num - size * (blocks - 1)
    driven = jnp.pad(inputs[::-1], (0, size - early)).reshape(blocks, size) @ inner[..., 0]

    def advance(state: Array, block: Array) -> tuple[Array, None]:
        return longest @ state + block, None

    return kernels, jax.lax.scan(advance, inner[early - 1, :, 1] + driven[-1], driven[-2::-1])[0]


def block_size(num: int) -> int:
    """A power of two about the root of the steps."""
    return 1 << ((num - 1).bit_length() + 1) // 2
