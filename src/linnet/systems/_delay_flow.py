"""Differential equations with one delay, by the method of steps."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import PRNGKey
from ._orbit import Orbit, over_batch
from ._system import AbstractSystem, finish, prepare, stack


class DelayFlow(AbstractSystem):
    r"""A differential equation with one delay, $\dot x(t) = f(t, x(t), x(t - \tau); \text{parameters})$.

    Its state is a piece of history of length $\tau$; `initial` is the value it has in all of it.

    Args:
        name: its name.
        function: `function(t, state, delayed, **parameters)`, without the delay among the parameters.
        parameters: arrays by name; `tau` is the delay.
        initial: the constant history.
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

    def __check_init__(self):
        if "tau" not in self.parameters:
            raise ValueError(f"A delay flow needs its delay as the parameter `tau`, got {', '.join(self.parameters)}.")

    @property
    def delay(self) -> Array:
        r"""$\tau$."""
        return self.parameters["tau"]

    def rhs(self, t: Any, x: Float[Array, " state"], delayed: Float[Array, " state"]) -> Float[Array, " state"]:
        """The derivative at time t, from the state then and the state one delay before."""
        others = {name: value for name, value in self.parameters.items() if name != "tau"}
        return stack(self.function(t, x, delayed, **others), x.dtype)

    def orbit(
        self,
        num: int,
        *,
        points_per_period: float | None = None,
        dt: float | None = None,
        initial: Float[Array, "... state"] | Callable[[Any], Any] | None = None,
        noise: float = 0.0,
        key: PRNGKey | None = None,
        transient: float = 0.0,
        steps_per_delay: int = 256,
    ) -> Orbit:
        r"""Solves the flow one delay at a time and keeps the states at `num` equally spaced times.

        Over an interval as long as the delay all delayed states are known: the fourth-order Runge-Kutta method steps
        through it. Halfway between its steps the history is a cubic Hermite polynomial, and so are the states kept.
        Steps divide the delay, so that the corners that the history sends ahead, at multiples of the delay, are ends
        of steps.

        Args:
            num: how many states.
            points_per_period: how many of them lie in one period; 100 if `dt` is not given either.
            dt: the time between two states.
            initial: initial histories that are constant, axes before the last make a batch, as do leading axes of the
                parameters; or one history as a function of time on $[-\tau, 0]$.
            noise: observation noise, a fraction of the standard deviation of each coordinate.
            key: the key of the noise.
            transient: how long to run before the first state is kept, in the system's own time.
            steps_per_delay: how many steps divide the delay; the error falls with their fourth power.

        Returns:
            The orbit. Nothing is raised where one diverges: its `result` is 1.

        Raises:
            ValueError: if an argument is not what it must be.
        """
        history = initial if callable(initial) else None
        start, step = prepare(
            self, num, points_per_period=points_per_period, dt=dt, initial=None if history else initial, noise=noise,
            key=key, transient=transient,
        )  # fmt: skip
        delay = np.asarray(self.delay)
        if not (np.all(np.isfinite(delay)) and np.all(delay > 0)) or steps_per_delay < 1:
            raise ValueError(
                f"The delay `tau` of {self.name} and `steps_per_delay` must be positive, got {delay} and"
                f" {steps_per_delay}."
            )
        times = jnp.asarray(transient, self.initial.dtype) + step * jnp.arange(num, dtype=self.initial.dtype)
        delays = int(np.ceil(float(transient + step * (num - 1)) / float(delay.min()) + 1e-9)) or 1
        states, result = _solve(self, start, times, history, delays, steps_per_delay)
        return finish(self, times, states, result, dt=step, noise=noise, key=key)


def initial_history(
    system: DelayFlow, start: Array, history: Callable[[Any], Any] | None, steps: int
) -> tuple[Float[Array, "point state"], Float[Array, "point state"]]:
    """Values and slopes of the initial history at the ends of its steps."""
    if history is None:
        values = jnp.broadcast_to(start, (steps + 1, *start.shape))
        return values, jnp.zeros_like(values)
    grid = system.delay * jnp.linspace(-1.0, 0.0, steps + 1, dtype=start.dtype)
    function = lambda t: jnp.broadcast_to(jnp.asarray(history(t), start.dtype), start.shape)  # noqa: E731
    return jax.vmap(lambda t: jax.jvp(function, (t,), (jnp.ones_like(t),)))(grid)


def advance_history(
    system: DelayFlow, t: Array, values: Float[Array, "point state"], slopes: Float[Array, "point state"]
) -> tuple[Float[Array, "point state"], Float[Array, "point state"]]:
    """The next piece of history, one delay long, from this one that ends at time t."""
    steps = values.shape[0] - 1
    h = system.delay / steps
    middle = (values[:-1] + values[1:]) / 2 + h / 8 * (slopes[:-1] - slopes[1:])

    def step(carry, known):
        now, x, slope = carry
        half, end = known
        k2 = system.rhs(now + h / 2, x + h / 2 * slope, half)
        k3 = system.rhs(now + h / 2, x + h / 2 * k2, half)
        k4 = system.rhs(now + h, x + h * k3, end)
        following = x + h / 6 * (slope + 2 * k2 + 2 * k3 + k4)
        ahead = system.rhs(now + h, following, end)
        return (now + h, following, ahead), (following, ahead)

    # The slope at the beginning is that of what comes, not of the history: they differ where the history begins.
    first = values[-1], system.rhs(t, values[-1], values[0])
    _, (later, rising) = jax.lax.scan(step, (t, *first), (middle, values[1:]))
    return jnp.concatenate([first[0][None], later]), jnp.concatenate([first[1][None], rising])


@eqx.filter_jit
def _solve(system, start, times, history, delays, steps):
    def one(member, state):
        def piece(carry, number):
            values, slopes = carry
            new = advance_history(member, number * member.delay, values, slopes)
            return new, new

        numbers = jnp.arange(delays, dtype=state.dtype)
        _, (values, slopes) = jax.lax.scan(piece, initial_history(member, state, history, steps), numbers)
        states = _interpolate(values, slopes, times, member.delay)
        return states, jnp.where(jnp.all(jnp.isfinite(states)), 0, 1).astype(jnp.int32)

    return over_batch(one, system, start)


def _interpolate(values, slopes, times, delay):
    """Cubic Hermite interpolation of the pieces, `"piece point state"`, at times."""
    pieces, points = values.shape[:2]
    h = delay / (points - 1)
    piece = jnp.clip(jnp.floor(times / delay).astype(jnp.int32), 0, pieces - 1)
    place = times / h - piece * (points - 1)
    left = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, points - 2)
    s = (place - left)[:, None]
    y0, y1, m0, m1 = values[piece, left], values[piece, left + 1], slopes[piece, left], slopes[piece, left + 1]
    rise = y1 - y0
    return y0 + s * (h * m0 + s * (3 * rise - h * (2 * m0 + m1) + s * (h * (m0 + m1) - 2 * rise)))
