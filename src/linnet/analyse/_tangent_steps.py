"""One form for all that has Lyapunov exponents: a vector, and how it moves on over a short time."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..nn import AbstractRecurrent
from ..systems import DelayFlow, Flow, IteratedMap, advance_history
from ._lyapunov_step import runge_kutta_step


class AbstractSteps(eqx.Module):
    """A dynamical system as a map of vectors over a short time, after which tangent vectors are made orthogonal."""

    @property
    @abc.abstractmethod
    def duration(self) -> Float[Array, ""]:
        """How much time one call covers."""

    @abc.abstractmethod
    def __call__(self, t: Float[Array, ""], x: Float[Array, " state"]) -> Float[Array, " state"]:
        """The vector after one `duration`, from the one at time t."""


class FlowSteps(AbstractSteps):
    """A few steps of a flow by the fourth-order Runge-Kutta method."""

    system: Flow
    step: Float[Array, ""]
    num: int = eqx.field(static=True)

    @property
    def duration(self) -> Float[Array, ""]:
        return self.num * self.step

    def __call__(self, t: Float[Array, ""], x: Float[Array, " state"]) -> Float[Array, " state"]:
        numbers = jnp.arange(self.num, dtype=x.dtype)

        def one(x, number):
            return runge_kutta_step(self.system, t + number * self.step, x, self.step), None

        # A scan, for its derivative is a scan as well.
        return jax.lax.scan(one, x, numbers)[0]


class DelaySteps(AbstractSteps):
    """A delay flow over one delay; the vector holds values and slopes of the history at the ends of its steps."""

    system: DelayFlow

    @property
    def duration(self) -> Float[Array, ""]:
        return self.system.delay

    def __call__(self, t: Float[Array, ""], x: Float[Array, " state"]) -> Float[Array, " state"]:
        values, slopes = jnp.reshape(x, (2, -1, self.system.dimension))
        return jnp.stack(advance_history(self.system, t, values, slopes)).reshape(-1)


class MapSteps(AbstractSteps):
    """A few iterations of a function of one vector."""

    function: Any
    num: int = eqx.field(static=True)

    @property
    def duration(self) -> Float[Array, ""]:
        return jnp.asarray(float(self.num))

    def __call__(self, t: Float[Array, ""], x: Float[Array, " state"]) -> Float[Array, " state"]:
        step = self.function.step if isinstance(self.function, IteratedMap) else self.function
        return jax.lax.scan(lambda x, _: (step(x), None), x, length=self.num)[0]


class RecurrentStep(eqx.Module):
    """One step of a recurrent network under a constant input, on the vector of all its states."""

    network: AbstractRecurrent
    inputs: Float[Array, " in"]

    def __call__(self, x: Float[Array, " state"]) -> Float[Array, " state"]:
        _, unravel = jax.flatten_util.ravel_pytree(self.network.init_state())
        state, _ = self.network.step(unravel(x), self.inputs)
        return jax.flatten_util.ravel_pytree(state)[0]
