"""Lyapunov equations of stable systems, differentiable and in products of matrices alone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

#: Squarings: the last one reaches rates of 1e-9 of the typical one.
_SQUARINGS = 36


def solve_lyapunov(
    dynamics: Float[Array, "state state"], source: Float[Array, "state state"]
) -> Float[Array, "state state"]:
    r"""The covariance of a driven linear system, $A P + P A^\top + C = 0$, or $P = \int_0^\infty e^{As} C e^{A^\top s}
    ds$.

    By Smith's doubling: $X = (s I - A)^{-1} (s I + A)$ turns it into $P = X P X^\top + \dots$, whose sum doubles its
    terms with every squaring of $X$. Nothing is diagonalised, so that eigenvalues may meet. Derivatives of any order
    are those of the equation itself (implicit), not of the squarings.

    Args:
        dynamics: $A$, with all eigenvalues in the left half plane.
        source: $C$.

    Returns:
        $P$; not finite, or garbage, for unstable systems.
    """

    def image(matrix: Array) -> Array:
        return -(dynamics @ matrix + matrix @ dynamics.T)

    def solve(_: object, source: Array) -> Array:
        return _double(dynamics, source)

    def solve_transposed(_: object, source: Array) -> Array:
        return _double(dynamics.T, source)

    return jax.lax.custom_linear_solve(image, source, solve, solve_transposed)


def _double(dynamics: Float[Array, "state state"], source: Float[Array, "state state"]) -> Float[Array, "state state"]:
    size, dtype = dynamics.shape[0], dynamics.dtype
    identity = jnp.eye(size, dtype=dtype)
    speed = jnp.linalg.norm(dynamics) / jnp.sqrt(size)
    speed = jnp.where(speed > 0, speed, 1)
    inverse = jnp.linalg.inv(speed * identity - dynamics)
    power = inverse @ (speed * identity + dynamics)
    total = 2 * speed * inverse @ source @ inverse.T
    least = jnp.asarray(jnp.finfo(dtype).eps, dtype)

    def more(state: tuple[Array, Array, Array]) -> Array:
        count, power, _ = state
        return (count < _SQUARINGS) & (jnp.max(jnp.abs(power)) > least)

    def square(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        count, power, total = state
        return count + 1, power @ power, total + power @ total @ power.T

    return jax.lax.while_loop(more, square, (0, power, total))[2]
