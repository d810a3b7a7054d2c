"""Square roots, pseudo-inverses and singular bases that do not depend on the whims of a LAPACK."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def tolerance(eigenvalues: Float[Array, " n"]) -> Array:
    """Below this an eigenvalue of a positive semi-definite matrix counts as zero."""
    return 10 * eigenvalues.shape[0] * jnp.finfo(eigenvalues.dtype).eps * jnp.max(jnp.abs(eigenvalues))


def root_and_inverse(matrix: Float[Array, "n n"]) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """The symmetric square root and the pseudo-inverse of a positive semi-definite matrix."""
    eigenvalues, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
    kept = eigenvalues > tolerance(eigenvalues)
    safe = jnp.where(kept, eigenvalues, 1)
    root = (vectors * jnp.where(kept, jnp.sqrt(safe), 0)) @ vectors.T
    inverse = (vectors * jnp.where(kept, 1 / safe, 0)) @ vectors.T
    return root, inverse


def _generic_weights(num: int) -> np.ndarray:
    """Fixed weights with no symmetry: the fractional parts of multiples of the golden ratio."""
    return np.modf(np.arange(1, num + 1) * (np.sqrt(5) - 1) / 2)[0]


def canonical_svd(
    matrix: Float[Array, "out in"],
) -> tuple[Float[Array, "out mode"], Float[Array, " mode"], Float[Array, "in mode"]]:
    r"""The singular value decomposition $M = U S V^\top$ in one reproducible basis.

    Signs: the first entry of $v_\alpha$ within a tenth of its largest is positive. Degenerate subspaces (relative gap
    below the square root of machine precision): the basis of the subspace in which a fixed generic diagonal matrix is
    diagonal, so that every library, precision and machine chooses the same vectors. Traceable.
    """
    left, singular_values, right_t = jnp.linalg.svd(matrix, full_matrices=False)
    right = right_t.T
    eps = jnp.sqrt(jnp.finfo(matrix.dtype).eps)
    gap = singular_values[:-1] - singular_values[1:]
    group = jnp.cumsum(jnp.concatenate([jnp.zeros(1), gap > eps * singular_values[0]]).astype(matrix.dtype))
    weights = jnp.asarray(_generic_weights(matrix.shape[1]), matrix.dtype)
    generic = right.T @ (weights[:, None] * right)
    same = group[:, None] == group[None, :]
    # Block-diagonal with well separated blocks: eigenvectors rotate within a group only, and keep the groups' order.
    _, rotation = jnp.linalg.eigh(jnp.where(same, generic, 0) + 2 * jnp.diag(group))
    rotation = jnp.where(same, rotation, 0)
    left, right = left @ rotation, right @ rotation
    magnitude = jnp.abs(right)
    first = jnp.argmax(magnitude > 0.9 * jnp.max(magnitude, axis=0), axis=0)
    sign = jnp.sign(right[first, jnp.arange(right.shape[1])])
    sign = jnp.where(sign == 0, 1, sign)
    return left * sign, singular_values, right * sign
