"""The spectrum of random inputs, as a quadrature that integrates smooth functions to rounding."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite


class Spectrum(eqx.Module):
    r"""Eigenvalues of the training inputs' $X X^\top / P$ with weights: sums over input dimensions become weighted
    sums.

    Args:
        eigenvalues: of the mean $\mathbb E[x x^\top]$ over the training samples; zeros included.
        weights: how many input dimensions each stands for; they sum to the number of inputs.
    """

    eigenvalues: Float[Array, " node"]
    weights: Float[Array, " node"]


@cite("marchenko1967distribution", "advani2020high")
def marchenko_pastur(
    num_inputs: int,
    aspect_ratio: float | Float[Array, ""],
    input_variance: float | None = None,
    *,
    num_nodes: int = 256,
) -> Spectrum:
    r"""The spectrum of Gaussian inputs for many inputs $N$ and samples $P = \alpha N$.

    The eigenvalues $l$ of $\sum_p x_p x_p^\top$ for entries of variance $1/N$ have the density
    $\rho(l) = \frac{1}{2\pi l}\sqrt{(l_+ - l)(l - l_-)}$ between $l_\pm = (\sqrt\alpha \pm 1)^2$, and for $\alpha < 1$
    a part $1 - \alpha$ at zero. With $l = 1 + \alpha + 2 \sqrt\alpha \cos\theta$ the integrand is smooth and periodic
    at every $\alpha$, $\alpha = 1$ included, so that equal steps in $\theta$ converge exponentially.

    Args:
        num_inputs: $N$, what the weights sum to.
        aspect_ratio: $\alpha$. Traceable.
        input_variance: $\sigma_x^2$ of every input; by default $1/N$.
        num_nodes: nodes of the quadrature.

    Returns:
        The spectrum of means: $\lambda = l \sigma_x^2 / \alpha$, the atom at zero last.
    """
    alpha = jnp.asarray(aspect_ratio, jnp.result_type(float))
    variance = 1 / num_inputs if input_variance is None else input_variance
    theta = (jnp.asarray(np.arange(num_nodes), alpha.dtype) + 0.5) * np.pi / num_nodes
    root = jnp.sqrt(alpha)
    # 1 + alpha + 2 root cos(theta) without cancellation at alpha = 1, theta = pi.
    nodes = (1 - root) ** 2 + 4 * root * jnp.cos(theta / 2) ** 2
    density = (2 * root * jnp.sin(theta)) ** 2 / (2 * np.pi * nodes) * (np.pi / num_nodes)
    eigenvalues = jnp.append(nodes, 0.0) * variance / alpha
    weights = num_inputs * jnp.append(density, jnp.maximum(1 - alpha, 0))
    return Spectrum(eigenvalues, weights)
