"""The part of a tangent kernel's spectrum that a residual excites: dense for few outputs, Krylov for many."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class ExcitedSpectrum(eqx.Module):
    r"""A residual $q = Q c$ in orthonormal vectors $Q$ in which a kernel is diagonal, $\Theta \approx Q \Lambda Q^\top$
    on what $q$ excites.

    Args:
        basis: $Q$.
        rates: $\Lambda$, the rates at which each part decays; never negative.
        coefficients: $c$.
        unresolved: how much of each vector's image the basis does not hold (0 for a full basis): Lanczos' last
            off-diagonal entry times the last component of each eigenvector.
    """

    basis: Float[Array, "row mode"]
    rates: Float[Array, " mode"]
    coefficients: Float[Array, " mode"]
    unresolved: Float[Array, " mode"]

    def loss(self, ts: Float[Array, " time"]) -> Float[Array, " time"]:
        r"""$\tfrac12 |e^{-\Theta t} q|^2$."""
        return 0.5 * jnp.exp(-2 * ts[:, None] * self.rates) @ self.coefficients**2

    def integral(self, t: Float[Array, ""]) -> Float[Array, " row"]:
        r"""$\int_0^t e^{-\Theta s} q\, ds$, also where the kernel is singular."""
        z = self.rates * t
        small = z < 1e-8
        safe = jnp.where(small, 1, z)
        shape = jnp.where(small, 1 - z / 2, -jnp.expm1(-safe) / safe)
        return self.basis @ (t * shape * self.coefficients)

    def time_to_learn(self, part: float) -> Float[Array, ""]:
        """The time after which all but a part of what can be learned is learned, by bisection."""
        power = jnp.where(self.learnable, self.coefficients**2, 0)
        total = jnp.sum(power)
        slowest = jnp.min(jnp.where(self.learnable & (power > 0), self.rates, jnp.inf))
        fastest = jnp.max(self.rates)
        longest = jnp.where(jnp.isfinite(slowest), -jnp.log(part) / slowest, 1 / jnp.where(fastest > 0, fastest, 1))

        def halve(_: Array | int, interval: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = interval
            middle = (low + high) / 2
            left = jnp.sum(power * jnp.exp(-2 * self.rates * jnp.exp(middle)))
            return jnp.where(left > part * total, middle, low), jnp.where(left > part * total, high, middle)

        ends = jnp.log(longest) - 40, jnp.log(longest)
        return jnp.exp(jax.lax.fori_loop(0, 60, halve, ends)[1])

    @property
    def learnable(self) -> Array:
        """Which parts decay at all, to rounding."""
        return self.rates > 10 * self.rates.size * jnp.finfo(self.rates.dtype).eps * jnp.max(self.rates, initial=0)


def dense_spectrum(kernel: Float[Array, "row row"], residual: Float[Array, " row"]) -> ExcitedSpectrum:
    """The whole spectrum, by an eigendecomposition."""
    rates, basis = jnp.linalg.eigh((kernel + kernel.T) / 2)
    return ExcitedSpectrum(basis, jnp.maximum(rates, 0), basis.T @ residual, jnp.zeros_like(rates))


def krylov_spectrum(product: Callable[[Array], Array], residual: Float[Array, " row"], size: int) -> ExcitedSpectrum:
    r"""The spectrum in the Krylov space of a residual, by Lanczos with full reorthogonalisation.

    $e^{-\Theta t} q$ converges in it faster than exponentially once the space is larger than about
    $\sqrt{\lambda_{\max} t}$: products with the kernel are all that is needed, never the kernel.

    Args:
        product: the kernel times a vector.
        residual: $q$.
        size: the dimension of the space, at most the number of rows.
    """
    rows, dtype = residual.shape[0], residual.dtype
    num = min(size, rows)
    norm = jnp.linalg.norm(residual)
    start = residual / jnp.where(norm > 0, norm, 1)

    def advance(carry: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        basis, vector = carry
        basis = basis.at[index].set(vector)
        image = product(vector)
        diagonal, scale = vector @ image, jnp.linalg.norm(image)
        for _ in range(2):
            image = image - basis.T @ (basis @ image)
        beta = jnp.linalg.norm(image)
        alive = beta > 100 * jnp.finfo(dtype).eps * scale
        following = jnp.where(alive, image / jnp.where(alive, beta, 1), 0)
        return (basis, following), (diagonal, jnp.where(alive, beta, 0))

    carry = jnp.zeros((num, rows), dtype), start
    (basis, _), (diagonals, betas) = jax.lax.scan(advance, carry, jnp.arange(num))
    matrix = jnp.diag(diagonals) + jnp.diag(betas[:-1], 1) + jnp.diag(betas[:-1], -1)
    rates, vectors = jnp.linalg.eigh(matrix)
    return ExcitedSpectrum(
        basis.T @ vectors, jnp.maximum(rates, 0), norm * vectors[0], jnp.abs(betas[-1] * vectors[-1])
    )
