"""The noise edge: how strong the strongest mode is where inputs and targets have nothing to do with each other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from .. import tasks
from .._types import PRNGKey

#: A mode counts if it is stronger than in this share of the permutations.
QUANTILE = 0.95

#: More samples than this do not move the estimate; singular values of noise fall as one over the root of their number.
MOST_SAMPLES = 20_000


def noise_edge(batch: tasks.Batch, num_rows: int, permutations: int, *, key: PRNGKey) -> tuple[float, np.ndarray]:
    """Estimates the noise edge by permuting the targets against the inputs.

    Rows of a table are permuted. Windows of a series are shifted against their targets by at least their length,
    around the end, because a permutation would destroy the correlations in time that make chance alignments strong.

    Args:
        batch: training samples (for a series, in order of time).
        num_rows: examples that the real moments were made of, at least as many as there are samples.
        permutations: how many.
        key: of the permutations.

    Returns:
        The edge (the 95 % quantile), and the largest singular value for each permutation.
    """
    num = min(batch.num, MOST_SAMPLES)
    x, y = batch.x[:num], batch.y[:num]
    keys = jr.split(key, permutations)
    largest = _shifted(x, y, keys) if x.ndim == 3 else _permuted(x, y, keys)
    found = np.asarray(largest, float) * np.sqrt(num / max(num_rows, num))
    return float(np.quantile(found, QUANTILE)), found


@eqx.filter_jit
def _permuted(
    x: Float[Array, "num in"], y: Float[Array, "num out"], keys: Key[Array, " permutation"]
) -> Float[Array, " permutation"]:
    def largest(key: PRNGKey) -> Float[Array, ""]:
        yx = jr.permutation(key, y).T @ x / x.shape[0]
        return jnp.linalg.norm(yx, 2)

    return jax.lax.map(largest, keys)


@eqx.filter_jit
def _shifted(
    x: Float[Array, "num step in"], y: Float[Array, "num out"], keys: Key[Array, " permutation"]
) -> Float[Array, " permutation"]:
    num, steps, _ = x.shape
    margin = min(steps, num // 2)

    def largest(key: PRNGKey) -> Float[Array, ""]:
        shift = jr.randint(key, (), margin, max(num - margin, margin + 1))
        rows = (jnp.arange(num) + shift) % num
        yx = jnp.einsum("po,pti->toi", y[rows], x) / num
        return tasks.TemporalMoments(None, yx, jnp.eye(y.shape[1], dtype=y.dtype)).singular_modes().singular_values[0]

    return jax.lax.map(largest, keys)
