"""Steps of a diagonal plus low-rank system, each of them of as many operations as there are states."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from ._complex_pairs import to_complex, to_pair


class DPLR(eqx.Module):
    r"""$\dot x = (\Lambda - P P^*) x + B u$ by the bilinear rule, $x_t = \bar A x_{t-1} + \bar B u_t$.

    States come in conjugate pairs, and one of each is kept: a real vector of twice as many numbers in other words, and
    $P^* x$ means $2\,\mathrm{Re}(P^* x)$ of the half. With $c = 2 / \Delta$, $\bar A = (c - A)^{-1} (c + A)$ and
    $\bar B = 2 (c - A)^{-1} B$; inverses are those of diagonals and, by Woodbury's identity, of matrices of the rank
    of $P$.

    The methods are about one system; many of them, the first axis of all arrays, are mapped over.

    Args:
        poles: $\Lambda$, with negative real parts.
        low_rank: $P$, of rank 1 or 2.
        inputs: $B$.
        dt: $\Delta$.
    """

    poles: Complex[Array, "*feature state"]
    low_rank: Complex[Array, "*feature state rank"]
    inputs: Complex[Array, "*feature state"]
    dt: Float[Array, "*feature"]

    def multiply(self, state: Complex[Array, " state"]) -> Complex[Array, " state"]:
        """$A x$."""
        return self.poles * state - self.low_rank @ (2 * (self.low_rank.conj().T @ state).real)

    def solve(self, state: Complex[Array, " state"]) -> Complex[Array, " state"]:
        """$(c - A)^{-1} x$."""
        scaled = state / (2 / self.dt - self.poles)
        sides = self.low_rank / (2 / self.dt - self.poles)[:, None]
        back = self.low_rank.conj().T
        inner = jnp.eye(sides.shape[1], dtype=self.dt.dtype) + 2 * (back @ sides).real
        return scaled - sides @ (small_inverse(inner) @ (2 * (back @ scaled).real))

    def advance(self, state: Complex[Array, " state"]) -> Complex[Array, " state"]:
        r"""$\bar A x$."""
        return self.solve(2 / self.dt * state + self.multiply(state))

    def drive(self) -> Complex[Array, " state"]:
        r"""$\bar B$."""
        return 2 * self.solve(self.inputs)

    def matrix(self) -> Float[Array, "real real"]:
        r"""$\bar A = I + 2 (c - A)^{-1} A$ on real vectors $(\mathrm{Re}\, x, \mathrm{Im}\, x)$."""
        size = 2 * self.poles.shape[0]

        def column(one: Array) -> Array:
            return one + to_pair(2 * self.solve(self.multiply(to_complex(one.reshape(2, -1))))).reshape(size)

        return jax.vmap(column, out_axes=1)(jnp.eye(size, dtype=self.dt.dtype))


def small_inverse(matrix: Array) -> Array:
    """The inverses of matrices of one or two rows, in closed form: LAPACK is slow on many small ones.

    Raises:
        ValueError: for more rows.
    """
    size = matrix.shape[-1]
    if size == 1:
        return 1 / matrix
    if size != 2:
        raise ValueError(f"A low-rank part needs a rank of 1 or 2, got {size}.")
    (a, b), (c, d) = (jnp.moveaxis(matrix[..., row, :], -1, 0) for row in (0, 1))
    adjugate = jnp.stack([jnp.stack([d, -b], axis=-1), jnp.stack([-c, a], axis=-1)], axis=-2)
    return adjugate / (a * d - b * c)[..., None, None]
