"""The inverse of a small matrix without LAPACK."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._precision import unrounded


@jax.custom_jvp
def inverse(matrix: Float[Array, "row column"]) -> Float[Array, "column row"]:
    r"""$A^{-1}$ by Gauss and Jordan's elimination with the largest pivots of each column.

    LAPACK's triangular solves, which `jax.numpy.linalg` calls once for each of many matrices, wait for each other's
    threads on CPUs: a hundred times longer, now and then, than the elimination takes. For matrices that are far from
    singular, such as those of implicit steps. Its derivative is $-A^{-1}\, dA\, A^{-1}$.
    """
    size = matrix.shape[0]
    both = jnp.concatenate([matrix, jnp.eye(size, dtype=matrix.dtype)], axis=1)

    def eliminate(place: Array, both: Array) -> Array:
        column = jnp.abs(both[:, place])
        pivot = jnp.argmax(jnp.where(jnp.arange(size) < place, -1.0, column))
        top, chosen = both[place], both[pivot]
        both = both.at[pivot].set(top)
        row = chosen / chosen[place]
        both = both - both[:, place, None] * row
        return both.at[place].set(row)

    return jax.lax.fori_loop(0, size, eliminate, both)[:, size:]


@inverse.defjvp
@unrounded
def _inverse_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    found = inverse(primals[0])
    return found, -found @ tangents[0] @ found
