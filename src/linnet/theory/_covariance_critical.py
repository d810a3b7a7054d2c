"""Where and how fast the learning of a covariance ends."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._cite import cite


@cite("brechet2023critical")
def critical_covariance_losses(
    eigenvalues: Float[Array | np.ndarray, " mode"], rank: int, *, smoothing: Any = 0.0
) -> tuple[Float[Array, " subset"], Bool[np.ndarray, "subset mode"]]:
    r"""The Bures-Wasserstein loss at all critical points of a rank: that of the eigenvalues that are left out.

    A covariance $W W^\top$ of rank $k$ is critical where it shares $k$ eigenvectors with the target, a set $J$, with
    variances $\lambda_i - \tau$ there. Its loss is

    $$L_J = \sum_{i \notin J} \bigl(\sqrt{\lambda_i} - \sqrt\tau\bigr)^2,$$

    without smoothing the sum of the eigenvalues that are left out. The least one leaves out the smallest; all others
    are saddles.

    Args:
        eigenvalues: $\lambda_i$ of the target, in any order.
        rank: $k$, of the generated covariance.
        smoothing: $\tau$; critical points need $\lambda_i > \tau$ for all that is kept.

    Returns:
        The losses in ascending order, and which eigenvalues each of them keeps.

    Raises:
        ValueError: if there is no such rank.
    """
    eigenvalues = jnp.asarray(eigenvalues)
    num = eigenvalues.shape[0]
    if not 0 <= rank <= num:
        raise ValueError(f"The rank of a covariance of {num} dimensions is a number from 0 to {num}, got {rank}.")
    kept = np.zeros((len(list(itertools.combinations(range(num), rank))), num), bool)
    for row, subset in zip(kept, itertools.combinations(range(num), rank), strict=True):
        row[list(subset)] = True
    missed = (jnp.sqrt(eigenvalues) - jnp.sqrt(jnp.asarray(smoothing, eigenvalues.dtype))) ** 2
    losses = jnp.sum(jnp.where(kept, 0, missed), axis=1)
    order = np.argsort(np.asarray(losses), kind="stable")
    return losses[order], kept[order]


@cite("brechet2023critical", "arora2019implicit")
def covariance_convergence_rate(
    eigenvalues: Float[Array | np.ndarray, " mode"], rank: int | None = None, *, depth: int = 1
) -> Float[Array, ""]:
    r"""The rate at which the loss of $N$ balanced layers approaches its minimum in the end, without smoothing.

    $$-\frac{d}{dt} \ln (L - L_*) \to 4 \min\Bigl( N \lambda_k^{\frac{N-1}{N}},\;
    \min_{i \le k < j} \bigl(1 - \tfrac{\lambda_j}{\lambda_i}\bigr) \lambda_i^{\frac{N-1}{N}} \Bigr)$$

    The first term is how fast the weakest kept eigenvalue $\lambda_k = \sigma_{\min}^2$ gets its size, and grows with
    it for two and more layers; the second one is how fast its eigenvector is found among those that are left out, and
    is the smaller one where there are any. With one layer and full rank the rate is 4 for every target.

    Args:
        eigenvalues: $\lambda_i$ of the target, in any order.
        rank: $k$, the width of the narrowest layer; by default all.
        depth: $N$, the number of weight matrices.
    """
    values = jnp.sort(jnp.asarray(eigenvalues), descending=True)
    num = values.shape[0]
    rank = num if rank is None else rank
    if not 1 <= rank <= num or depth < 1:
        raise ValueError(f"A rank from 1 to {num} and a depth of at least 1 are needed, got {rank} and {depth}.")
    power = (depth - 1) / depth
    size = depth * values[rank - 1] ** power
    kept, left = values[:rank, None], values[None, rank:]
    turning = (1 - left / jnp.where(kept > 0, kept, 1)) * kept**power
    return 4 * jnp.minimum(size, jnp.min(turning, initial=jnp.inf))
