"""Minima of the speed of a dynamical system: Levenberg-Marquardt for its zeros, Newton's method for the others."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import optimistix as optx
from jaxtyping import Array, Bool, Float

from ._state_function import StateFunction

#: Steps no longer than this, relative to the state and absolutely, end a search.
_SMALL_STEP = 1e-8
#: What rounding leaves of a velocity that should be zero, relative to the products in it.
_ROUNDING = 1e-13


class DampedGaussNewton(optx.AbstractGaussNewton):
    """The Levenberg-Marquardt method of optimistix with a cheaper linear solve and a damping that falls faster.

    The normal equations square the condition number; the damping keeps them solvable, and a direction need not be
    exact. `optimistix.LevenbergMarquardt` takes twice the time by QR, and almost twice the steps.
    """

    rtol: float = _SMALL_STEP
    atol: float = _SMALL_STEP
    norm: Callable = eqx.field(default=optx.max_norm, static=True)
    descent: optx.DampedNewtonDescent = optx.DampedNewtonDescent(linear_solver=lx.Normal(lx.Cholesky()))
    search: optx.ClassicalTrustRegion = optx.ClassicalTrustRegion(high_cutoff=0.75, high_constant=10.0)
    verbose: Callable = eqx.field(default=lambda **_: None, static=True)


class SpeedMinimum(eqx.Module):
    """Where a search for a minimum of the speed has ended.

    Args:
        point: the state.
        speed: $q$ there.
        is_zero: whether it is a fixed point, to tolerance or to rounding.
        slope: the length of the gradient of $q$, relative to the velocity and its Jacobian: zero at a minimum.
    """

    point: Float[Array, "*start state"]
    speed: Float[Array, "*start"]
    is_zero: Bool[Array, "*start"]
    slope: Float[Array, "*start"]


@eqx.filter_jit
def speed_minima(
    system: StateFunction,
    starts: Float[Array, "start state"],
    tolerance: Float[Array, ""],
    max_steps: int,
    batch_size: int,
) -> SpeedMinimum:
    r"""Minima of $q(x) = \frac12 |v(x)|^2$ from each start, $v$ being the velocity.

    The zeros of $v$ are found as those of a least-squares problem. Near a minimum that is no zero that method only
    creeps, as it leaves out what then counts, $\sum_i v_i \nabla^2 v_i$; from where it is left the search goes on by
    Newton's method with the whole Hessian of $q$.
    """
    solver = DampedGaussNewton()

    def one(x: Array) -> SpeedMinimum:
        found = optx.least_squares(lambda x, _: system.velocity(x), solver, x, max_steps=max_steps, throw=False)
        x = jnp.where(jnp.all(jnp.isfinite(found.value)), found.value, x)
        first = _describe(system, x, tolerance)
        x = jax.lax.cond(first.is_zero, lambda x: x, lambda x: _newton(system, x, tolerance, max_steps), x)
        return _describe(system, x, tolerance)

    return jax.lax.map(one, starts, batch_size=batch_size)


@eqx.filter_jit
def derivatives(
    system: StateFunction, points: Float[Array, "point state"]
) -> tuple[Float[Array, "point state state"], Float[Array, "point state state"], Float[Array, "point state"]]:
    """The Jacobian of a system, the Hessian of its speed and the velocity at points."""

    def one(x: Array) -> tuple[Array, Array, Array]:
        return jax.jacfwd(system)(x), jax.hessian(lambda x: _speed(system, x))(x), system.velocity(x)

    return jax.lax.map(one, points)


def _speed(system: StateFunction, x: Array) -> Float[Array, ""]:
    return 0.5 * jnp.sum(system.velocity(x) ** 2)


def _describe(system: StateFunction, x: Array, tolerance: Array) -> SpeedMinimum:
    velocity = system.velocity(x)
    jacobian = jax.jacfwd(system.velocity)(x)
    speed, size = 0.5 * jnp.sum(velocity**2), jnp.linalg.norm(jacobian)
    rounding = _ROUNDING * size * jnp.linalg.norm(x)
    is_zero = (speed <= tolerance) | (jnp.sqrt(2 * speed) <= rounding)
    slope = jnp.linalg.norm(velocity @ jacobian) / jnp.maximum(size * jnp.sqrt(2 * speed), jnp.finfo(x.dtype).tiny)
    return SpeedMinimum(x, speed, is_zero, slope)


def _newton(system: StateFunction, start: Array, tolerance: Array, max_steps: int) -> Array:
    """Newton's method on the speed, damped so that it falls; optimistix has none with a Hessian of its own."""
    eye = jnp.eye(start.shape[0], dtype=start.dtype)

    def look(x: Array) -> tuple[Array, Array, Array]:
        speed, gradient = jax.value_and_grad(lambda x: _speed(system, x))(x)
        return speed, gradient, jax.hessian(lambda x: _speed(system, x))(x)

    def step(carry: Any) -> Any:
        x, damping, (speed, gradient, hessian), _, num = carry
        factor = jnp.linalg.cholesky(hessian + damping * eye)  # not a number where it has negative eigenvalues
        move = -jax.scipy.linalg.cho_solve((factor, True), gradient)
        expected = -(gradient @ move + 0.5 * move @ hessian @ move)
        gain = speed - _speed(system, x + move)
        good = jnp.all(jnp.isfinite(move)) & (expected > 0) & (gain >= 0.05 * expected)
        damping = jnp.where(good, jnp.where(gain > 0.5 * expected, 0.1 * damping, damping), 5 * damping)
        now = (speed, gradient, hessian)
        x, now = jax.lax.cond(good, lambda: (x + move, look(x + move)), lambda: (x, now))
        # The speed no longer falls where it is known to rounding only.
        small = jnp.max(jnp.abs(move)) <= _SMALL_STEP * (_SMALL_STEP + jnp.max(jnp.abs(x)))
        hopeless = damping > 1e15 * jnp.linalg.norm(hessian)
        return x, damping, now, small | hopeless | (now[0] <= tolerance), num + 1

    now = look(start)
    damping = 1e-3 * jnp.linalg.norm(now[2]) / start.shape[0] + jnp.finfo(start.dtype).tiny
    carry = (start, damping, now, jnp.asarray(False), jnp.asarray(0))
    return jax.lax.while_loop(lambda carry: ~carry[3] & (carry[4] < max_steps), step, carry)[0]
