"""The dimension of an attractor from its Lyapunov exponents."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Real

from .._cite import cite


@cite("kaplan1979chaotic")
def kaplan_yorke_dimension(
    exponents: Real[Array, "*axes exponent"], *, zero: Real[Array, "*axes exponent"] | float = 0.0
) -> Float[Array, "*axes"]:
    r"""The Kaplan-Yorke dimension, $D = j + (\lambda_1 + \dots + \lambda_j) / |\lambda_{j+1}|$.

    j is the largest number of exponents whose sum is not negative. It is never more than the number of exponents: where
    the sum of all is not negative (a conservative system, or exponents that are missing) that number is returned.

    Args:
        exponents: the exponents $\lambda$, in any order.
        zero: exponents no larger than this in size count as zero, for an exponent that is zero in theory is computed as
            a small number of either sign, and a limit cycle with exponents (-1e-9, -1) has dimension one, not zero.

    Returns:
        $D$, for each set of exponents.
    """
    values = jnp.asarray(exponents)
    values = values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(jnp.result_type(float))
    values = -jnp.sort(-jnp.where(jnp.abs(values) <= zero, 0, values), axis=-1)
    size = values.shape[-1]
    sums = jnp.cumsum(values, axis=-1)
    # Sums rise and then fall, so the number of those that are not negative is j.
    count = jnp.sum(sums >= 0, axis=-1)
    padded = jnp.concatenate([jnp.zeros_like(sums[..., :1]), sums], axis=-1)
    held = jnp.take_along_axis(padded, count[..., None], axis=-1)[..., 0]
    following = jnp.take_along_axis(values, jnp.minimum(count, size - 1)[..., None], axis=-1)[..., 0]
    part = held / jnp.where(count < size, jnp.abs(following), 1)
    return jnp.where(count < size, count + part, size).astype(values.dtype)
