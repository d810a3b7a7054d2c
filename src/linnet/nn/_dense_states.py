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
