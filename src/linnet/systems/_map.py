"""Maps, iterated."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import PRNGKey
from ._orbit import Orbit, over_batch
from ._system import AbstractSystem, finish, prepare, stack


class IteratedMap(AbstractSystem):
    r"""A map, $x_{n+1} = f(x_n; \text{parameters})$.

    Args:
        name: its name.
        function: `function(state, **parameters)`, the next state as a tuple of coordinates or one array.
        parameters: arrays by name.
        initial: an initial state.
        period: 1.
        dt: 1.
        flags: words of `FLAGS`.
        unbounded: the coordinates that grow without bound.
        citation: its source.
        shapes: the shape of each parameter without batch axes; by default as given.
    """

    name: str = eqx.field(static=True)
    function: Callable[..., Any] = eqx.field(static=True)
    parameters: dict[str, Array]
    initial: Float[Array, " state"]
    period: float = eqx.field(default=1.0, static=True)
    dt: float = eqx.field(default=1.0, static=True)
    flags: tuple[str, ...] = eqx.field(default=(), static=True)
    unbounded: tuple[int, ...] = eqx.field(default=(), static=True)
    citation: str = eqx.field(default="", static=True)
    shapes: tuple[tuple[str, tuple[int, ...]], ...] = eqx.field(default=(), static=True)

    def step(self, x: Float[Array, " state"]) -> Float[Array, " state"]:
        """The next state."""
        return stack(self.function(x, **self.parameters), x.dtype)

    def jacobian(self, x: Float[Array, " state"]) -> Float[Array, "state state"]:
        """The derivative of the next state with respect to this one, by forward-mode differentiation."""
        return jax.jacfwd(self.step)(x)

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
    ) -> Orbit:
        """Iterates the map and keeps `num` states in a row.

        Args:
            num: how many states, the first being the initial one if there is no transient.
            points_per_period: has no meaning for a map, and is refused unless 1.
            dt: likewise.
            initial: initial states; axes before the last make a batch, as do leading axes of the parameters.
            noise: observation noise, a fraction of the standard deviation of each coordinate.
            key: the key of the noise.
            transient: how many iterations to leave out first.

        Returns:
            The orbit. Nothing is raised where one diverges: its `result` is 1.

        Raises:
            ValueError: if an argument is not what it must be.
        """
        start, spacing = prepare(
            self, num, points_per_period=1 if points_per_period is None and dt is None else points_per_period, dt=dt,
            initial=initial, noise=noise, key=key, transient=transient,
        )  # fmt: skip
        if spacing != 1 or transient != int(transient):
            raise ValueError(
                f"{self.name} is a map: its time counts iterations, so `transient` is a whole number and dt is 1, got"
                f" transient={transient} and a spacing of {spacing}; leave `dt` and `points_per_period` out."
            )
        states, result = _iterate(self, start, jnp.asarray(int(transient)), num)
        times = transient + jnp.arange(num, dtype=self.initial.dtype)
        return finish(self, times, states, result, dt=1.0, noise=noise, key=key)


@eqx.filter_jit
def _iterate(system, start, transient, num):
    def one(member, state):
        first = jax.lax.fori_loop(0, transient, lambda _, x: member.step(x), state)
        _, states = jax.lax.scan(lambda x, _: (member.step(x), x), first, length=num)
        return states, jnp.where(jnp.all(jnp.isfinite(states)), 0, 1).astype(jnp.int32)

    return over_batch(one, system, start)
