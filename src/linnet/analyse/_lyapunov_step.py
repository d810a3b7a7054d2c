"""A fixed time step for a flow, from the eigenvalues of its Jacobian along an orbit."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..systems import Flow


def runge_kutta_step(system: Flow, t: Any, x: Float[Array, " state"], h: Any) -> Float[Array, " state"]:
    """One step of length h by the fourth-order Runge-Kutta method."""
    k1 = system.rhs(t, x)
    k2 = system.rhs(t + h / 2, x + h / 2 * k1)
    k3 = system.rhs(t + h / 2, x + h / 2 * k2)
    k4 = system.rhs(t + h, x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


#: The largest eigenvalue times the step: at almost every point for accuracy, and at every one for stability.
_ACCURATE, _STABLE = 0.3, 1.5


def stable_step(system: Flow, start: Float[Array, "*axes state"], *, periods: float = 10.0, points: int = 400) -> float:
    r"""The step h of a fourth-order Runge-Kutta method, such that $h |\mu| \le 0.3$ at 95 % of an orbit's points.

    $\mu$ is the largest eigenvalue of the Jacobian. At all points it is at most 1.5, where the method's limit is 2.8,
    and the step is at most a fiftieth of the period. Where the right-hand side has corners it is an eighth of that.

    Raises:
        ValueError: if the orbit leaves every bound.
    """
    first = start.reshape(-1, start.shape[-1])[0]
    stride = max(1, round(periods * system.period / system.dt / points))
    jacobians = np.asarray(_jacobians(system, first, jnp.asarray(system.dt, first.dtype), jnp.asarray(stride), points))
    if not np.all(np.isfinite(jacobians)):
        raise ValueError(
            f"An orbit of {system.name} left every bound in {periods:g} periods with the step {system.dt:.3g}; start on"
            " the attractor (`initial`), or give `step`."
        )
    largest = np.abs(np.linalg.eigvals(jacobians)).max(axis=-1)
    limits = [_ACCURATE / max(np.quantile(largest, 0.95), 1e-300), _STABLE / max(largest.max(), 1e-300)]
    step = float(min(*limits, system.period / 50))
    return step / 8 if {"nonsmooth", "discontinuous"} & set(system.flags) else step


def fixed_step_states(
    system: Flow, num: int, *, dt: float, step: float, start: Float[Array, " state"] | None = None
) -> Float[Array, "time state"]:
    """States of a flow by the fourth-order Runge-Kutta method, `dt` apart, with steps no longer than `step`."""
    first = system.initial if start is None else start
    stride = max(1, int(np.ceil(dt / step)))
    return _walk(system, first, jnp.asarray(dt / stride, first.dtype), jnp.asarray(stride), num)[1]


@eqx.filter_jit
def _walk(system, first, h, stride, points):
    def step(_, carry):
        t, x = carry
        return t + h, runge_kutta_step(system, t, x, h)

    def keep(carry, _):
        carry = jax.lax.fori_loop(0, stride, step, carry)
        return carry, carry

    return jax.lax.scan(keep, (jnp.zeros((), first.dtype), first), length=points)[1]


@eqx.filter_jit
def _jacobians(system, first, h, stride, points):
    times, states = _walk(system, first, h, stride, points)
    return jax.vmap(lambda t, x: system.jacobian(x, t))(times, states)
