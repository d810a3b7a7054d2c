"""Ordinary differential equations, solved adaptively."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._ode import default_tolerances, solve_ode
from .._types import PRNGKey
from ._orbit import Orbit, over_batch
from ._system import AbstractSystem, finish, prepare, stack


class Flow(AbstractSystem):
    r"""An ordinary differential equation, $\dot x = f(t, x; \text{parameters})$.

    A driven flow carries the phase of its drive as its last coordinate, so that it is autonomous; only `Torus` depends
    on t itself.

    Args:
        name: its name.
        function: `function(t, state, **parameters)`, the derivative as a tuple of coordinates or one array.
        parameters: arrays by name.
        initial: an initial state, on the attractor for the systems of the table.
        period: the period of the dominant oscillation.
        dt: a fine step.
        flags: words of `FLAGS`.
        unbounded: the coordinates that grow without bound.
        citation: its source.
        shapes: the shape of each parameter without batch axes; by default as given.
    """

    name: str = eqx.field(static=True)
    function: Callable[..., Any] = eqx.field(static=True)
    parameters: dict[str, Array]
    initial: Float[Array, " state"]
    period: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    flags: tuple[str, ...] = eqx.field(default=(), static=True)
    unbounded: tuple[int, ...] = eqx.field(default=(), static=True)
    citation: str = eqx.field(default="", static=True)
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(default=(), static=True)

    def rhs(self, t: Any, x: Float[Array, " state"]) -> Float[Array, " state"]:
        """The derivative of one state at time t."""
        return stack(self.function(t, x, **self.parameters), x.dtype)

    def jacobian(self, x: Float[Array, " state"], t: Any = 0.0) -> Float[Array, "state state"]:
        """The derivative of the right-hand side with respect to the state, by forward-mode differentiation.

        Where the right-hand side jumps (`"discontinuous" in flags`) it is that of the side the state is on.
        """
        return jax.jacfwd(lambda state: self.rhs(t, state))(x)

    def orbit(
        self,
        num: int,
        *,
        points_per_period: float | None = None,
        dt: float | None = None,
        initial: Float[Array, "... state"] | None = None,
        noise: float = 0.0,
        key: PRNGKey | None = None,
        transient: float = 0.0,
        rtol: float | None = None,
        atol: float | None = None,
        max_steps: int | None = None,
        solver: diffrax.AbstractSolver | None = None,
    ) -> Orbit:
        """Solves the flow adaptively and keeps the states at `num` equally spaced times.

        Args:
            num: how many states.
            points_per_period: how many of them lie in one period; 100 if `dt` is not given either.
            dt: the time between two states.
            initial: initial states; axes before the last make a batch, as do leading axes of the parameters.
            noise: observation noise, a fraction of the standard deviation of each coordinate.
            key: the key of the noise.
            transient: how long to run before the first state is kept, in the system's own time.
            rtol: relative tolerance, by default 1e-8 in float64 and 1e-5 in float32.
            atol: absolute tolerance, by default 1e-12 in float64 and 1e-8 in float32.
            max_steps: the most steps, by default 100,000 and 200 for each point.
            solver: a diffrax solver; by default `Dopri8`, or `Kvaerno5` for stiff systems.

        Returns:
            The orbit. Nothing is raised where one diverges: its `result` is not 0, and its `message` says why.

        Raises:
            ValueError: if an argument is not what it must be.
        """
        start, step = prepare(
            self, num, points_per_period=points_per_period, dt=dt, initial=initial, noise=noise, key=key,
            transient=transient,
        )  # fmt: skip
        dtype = self.initial.dtype
        default_rtol, default_atol = default_tolerances(dtype)
        tolerances = (default_rtol if rtol is None else rtol, default_atol if atol is None else atol)
        if solver is None:
            solver = diffrax.Kvaerno5() if "stiff" in self.flags else diffrax.Dopri8()
        times = jnp.asarray(transient, dtype) + step * jnp.arange(num, dtype=dtype)
        most = 100_000 + 200 * num if max_steps is None else max_steps
        states, result = _solve(self, start, times, tolerances, solver, most)
        return finish(self, times, states, result, dt=step, noise=noise, key=key)


@eqx.filter_jit
def _solve(system, start, times, tolerances, solver, max_steps):
    rtol, atol = tolerances

    def one(member, state):
        states, _, result = solve_ode(
            lambda t, x, args: args.rhs(t, x), state, times, member, solver=solver, rtol=rtol, atol=atol,
            max_steps=max_steps,
        )  # fmt: skip
        return states, result

    return over_batch(one, system, start)
