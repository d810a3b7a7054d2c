"""Whitening: the linear change of inputs after which E[x x^T] = I, with what it had to discard."""

from typing import TYPE_CHECKING

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._linear_algebra import tolerance as default_tolerance

if TYPE_CHECKING:
    from ._moments import Moments


class Whitening(eqx.Module):
    r"""White inputs $z = A x$ with $A = \Lambda^{-1/2} Q^\top$ over the kept part of $\Sigma_{xx} = Q \Lambda Q^\top$.

    Args:
        task: the moments of the white inputs, $\Sigma_{zz} = I$ and $\Sigma_{yz} = \Sigma_{yx} A^\top$.
        transform: $A$, `"kept in"`.
        inverse: $Q \Lambda^{1/2}$, back from white inputs to inputs within the kept directions.
        discarded: eigenvectors of the discarded directions, `"in discarded"`.
        variances: the eigenvalues of all directions, kept ones first.
    """

    task: "Moments"
    transform: Float[Array, "kept in"]
    inverse: Float[Array, "in kept"]
    discarded: Float[Array, "in discarded"]
    variances: Float[Array, " in"]


def whiten(moments: "Moments", tolerance: float | None = None) -> Whitening:
    """Whitens the inputs of plain moments (not traceable: how many directions are kept depends on their values).

    Args:
        moments: the task.
        tolerance: directions with a variance below this part of the largest are discarded; by default rounding.

    Returns:
        The white task with its transform and what was discarded.

    Raises:
        ValueError: if no direction has variance.
    """
    eigenvalues, vectors = jnp.linalg.eigh((moments.xx + moments.xx.T) / 2)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    limit = default_tolerance(eigenvalues) if tolerance is None else tolerance * eigenvalues[0]
    num = int(jnp.sum(eigenvalues > limit))
    if num == 0:
        raise ValueError(
            "Whitening needs inputs with variance in at least one direction, got none. Check the input columns."
        )
    scale = jnp.sqrt(eigenvalues[:num])
    transform = (vectors[:, :num] / scale).T
    white = type(moments)(jnp.eye(num, dtype=moments.xx.dtype), moments.yx @ transform.T, moments.yy)
    return Whitening(white, transform, vectors[:, :num] * scale, vectors[:, num:], eigenvalues)
