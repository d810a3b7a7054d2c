"""The divergence between two mixtures with a Gaussian at each point, by Monte Carlo, without a matrix of all pairs."""

import functools as ft

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._types import PRNGKey

#: Distances held at a time.
_PAIRS = 2**20


@ft.partial(jax.jit, static_argnames="num_samples")
def mixture_divergence(
    truth: Float[Array, "time state"],
    generated: Float[Array, "other_time state"],
    variance: Float[Array, ""],
    key: PRNGKey,
    *,
    num_samples: int,
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """The divergence, its standard error, and the fraction of generated points that are no numbers."""
    which, noise = jr.split(key)
    centres = truth[jr.randint(which, (num_samples,), 0, len(truth))]
    samples = centres + jnp.sqrt(variance) * jr.normal(noise, centres.shape, truth.dtype)
    finite = jnp.all(jnp.isfinite(generated), axis=1)
    log_p = _log_densities(samples, truth, jnp.ones(len(truth), bool), variance)
    log_q = _log_densities(samples, jnp.where(finite[:, None], generated, 0), finite, variance)
    ratios = log_p - log_q
    error = jnp.std(ratios, ddof=1) / jnp.sqrt(num_samples)
    # Where nothing was generated but what is no number, the ratio is infinite and its spread is not known.
    return jnp.mean(ratios), jnp.where(jnp.any(finite), error, jnp.inf), 1 - jnp.mean(finite.astype(truth.dtype))


def _log_densities(
    samples: Float[Array, "sample state"],
    points: Float[Array, "point state"],
    kept: Bool[Array, " point"],
    variance: Float[Array, ""],
) -> Float[Array, " sample"]:
    """Logarithms of the mixture's density, without the factor that all mixtures of this variance share.

    By logarithms of sums of exponentials: far from every point the density itself would be 0 and its ratio nothing.
    """

    def one(sample):
        # The points that are left out take their weight with them: the mixture's total is less than 1.
        distances = jnp.sum((sample - points) ** 2, axis=1)
        return jax.nn.logsumexp(-distances / (2 * variance), where=kept) - jnp.log(len(points))

    return jax.lax.map(one, samples, batch_size=max(1, min(len(samples), _PAIRS // len(points))))
