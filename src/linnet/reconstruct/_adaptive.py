"""Generalized teacher forcing whose strength follows the network's Jacobians."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from ..nn import (
    PLRNN,
    AbstractPiecewiseLinear,
    AbstractRecurrent,
    AlmostLinearRNN,
    DendriticPLRNN,
    MeanCentredPLRNN,
    ShallowPLRNN,
)
from ._forcing import AbstractForcing
from ._unroll import latent_step

#: Squarings of $J^T J$; the spectral norm is right to about the size of the matrix over 10,000.
_SQUARINGS = 12

Jacobians = Float[Array, "step batch state other_state"]


def product_bound(network: AbstractRecurrent, jacobians: Jacobians) -> Float[Array, ""]:
    r"""$\max_p (\prod_t \|J_t^{(p)}\|)^{1/T}$, the geometric mean of norms, largest over the batch: a bound."""
    norms = jnp.log(spectral_norm(jacobians))
    return jnp.exp(jnp.max(jnp.mean(norms, axis=0)))


def arithmetic_mean(network: AbstractRecurrent, jacobians: Jacobians) -> Float[Array, ""]:
    r"""$\max_p \| \frac1T \sum_t J_t^{(p)} \|$: the norm of the mean Jacobian, largest over the batch."""
    return jnp.max(spectral_norm(jnp.mean(jacobians, axis=0)))


def exp_log(network: AbstractRecurrent, jacobians: Jacobians) -> Float[Array, ""]:
    r"""$\max_p \| \exp(\frac1T \sum_t \log J_t^{(p)}) \|$ with the exponential and logarithm of matrices.

    By eigenvectors, which JAX computes on CPUs only.
    """
    values, vectors = jnp.linalg.eig(jacobians)
    logarithms = (vectors * jnp.log(values)[..., None, :]) @ jnp.linalg.inv(vectors)
    means = jax.vmap(jax.scipy.linalg.expm)(jnp.mean(logarithms, axis=0))
    return jnp.max(jnp.linalg.norm(means, 2, axis=(-2, -1)))


def batch_maximum(network: AbstractRecurrent, jacobians: Jacobians) -> Float[Array, ""]:
    r"""$\max_{p, t} \|J_t^{(p)}\|$, the largest norm of all."""
    return jnp.max(spectral_norm(jacobians))


def parameter_bound(network: AbstractRecurrent, jacobians: Jacobians) -> Float[Array, ""]:
    r"""A bound of all Jacobians there can be: $\max |A| + \|W_1\| \|W_2\|$ of a `ShallowPLRNN`, and the like.

    Raises:
        ValueError: if the network is no piecewise-linear one of `linnet.nn`.
    """
    if isinstance(network, ShallowPLRNN):
        gain = spectral_norm(network.outer_weights) * spectral_norm(network.inner_weights)
    elif isinstance(network, (PLRNN, MeanCentredPLRNN, DendriticPLRNN)):
        gain = spectral_norm(network.weights * (1 - jnp.eye(network.state_size, dtype=network.weights.dtype)))
        gain = gain * jnp.sum(jnp.abs(network.slopes)) if isinstance(network, DendriticPLRNN) else gain
    elif isinstance(network, AlmostLinearRNN):
        gain = spectral_norm(network.weights)
    else:
        raise ValueError(
            f"A bound by parameters is known for the piecewise-linear networks of linnet.nn, not for a"
            f" {type(network).__name__}; use another estimator, such as `product_bound`."
        )
    return jnp.max(jnp.abs(network.diagonal)) + gain


@cite("hess2023generalized")
class AdaptiveTeacherForcing(AbstractForcing):
    r"""Generalized teacher forcing with $\hat\alpha = \max(0, 1 - 1 / \kappa)$ from an estimate $\kappa$ of the norm
    of products of Jacobians.

    It is estimated after every few training steps. A larger strength is taken at once, a smaller one slowly:
    $\alpha_n = \gamma \alpha_{n-1} + (1 - \gamma) \hat\alpha$. Jacobians are those at the forced states (the published
    code has them at the forcing signals, which say nothing about units that are not seen).

    Args:
        estimator: $\kappa$ as `estimator(network, jacobians)`: `product_bound`, `arithmetic_mean`, `exp_log`,
            `batch_maximum` or `parameter_bound`.
        every: the training steps between two estimates.
        decay: $\gamma$.
        start: the first strength.

    Raises:
        ValueError: if a number is not what it must be.
    """

    estimator: Callable[..., Any] = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    decay: Float[Array, ""]
    start: Float[Array, ""]

    def __init__(
        self, estimator: Callable[..., Any] = product_bound, *, every: int = 5, decay: Any = 0.999, start: Any = 1.0
    ) -> None:
        if every < 1:
            raise ValueError(f"AdaptiveTeacherForcing estimates after 1 or more training steps, got every={every}.")
        for name, value in (("decay", decay), ("start", start)):
            if isinstance(value, (int, float)) and not 0 <= value <= 1:
                raise ValueError(f"`{name}` of AdaptiveTeacherForcing lies between 0 and 1, got {value}.")
        dtype = jnp.result_type(float)
        self.estimator, self.steps = estimator, every
        self.decay, self.start = jnp.asarray(decay, dtype), jnp.asarray(start, dtype)

    @property
    def every(self) -> int:
        return self.steps

    def init(self) -> Float[Array, ""]:
        return self.start

    def strengths(self, num_steps: int, memory: Any) -> Float[Array, " step"]:
        return jnp.broadcast_to(memory, (num_steps,))

    def adapt(
        self,
        network: AbstractRecurrent,
        states: Float[Array, "step batch state"],
        inputs: Float[Array, "step batch in"],
        memory: Float[Array, ""],
    ) -> Float[Array, ""]:
        kappa = self.estimator(network, jacobians_along(network, states, inputs))
        wanted = jnp.maximum(0, 1 - 1 / kappa)
        slowly = self.decay * memory + (1 - self.decay) * wanted
        # Where no estimate could be made the strength stays as it is.
        return jnp.where(jnp.isfinite(wanted), jnp.where(wanted > memory, wanted, slowly), memory).astype(memory.dtype)


def jacobians_along(
    network: AbstractRecurrent, states: Float[Array, "step batch state"], inputs: Float[Array, "step batch in"]
) -> Jacobians:
    """The Jacobians of steps from many states."""
    if isinstance(network, AbstractPiecewiseLinear):
        return jax.vmap(jax.vmap(network.jacobian))(states)
    jacobian = jax.jacfwd(lambda state, x: latent_step(network, state, x))
    return jax.vmap(jax.vmap(jacobian))(states, inputs)


def spectral_norm(matrices: Float[Array, "*batch row column"]) -> Float[Array, "*batch"]:
    """The largest singular value, by squaring: many small matrices at once, where LAPACK would be called for each."""
    grams = jnp.swapaxes(matrices, -1, -2) @ matrices
    tiny = jnp.finfo(grams.dtype).tiny
    powers = grams
    for _ in range(_SQUARINGS):
        powers = powers / (jnp.trace(powers, axis1=-2, axis2=-1) + tiny)[..., None, None]
        powers = powers @ powers
    # Rayleigh's quotient with the matrix that has become the projection on the leading vector.
    quotient = jnp.sum(powers * grams, axis=(-2, -1)) / (jnp.trace(powers, axis1=-2, axis2=-1) + tiny)
    return jnp.sqrt(quotient)
