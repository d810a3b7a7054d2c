"""One form for all that has Lyapunov exponents: a vector, and how it moves on over a short time."""

import abc
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.tree_util as jtu
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
        # A network may hold the dtype of its state as a fact; the state here has that of the vector.
        start = jtu.tree_map(lambda leaf: jnp.asarray(leaf, x.dtype), self.network.init_state())
        _, unravel = jax.flatten_util.ravel_pytree(start)
        state, _ = self.network.step(unravel(x), self.inputs)
        return jax.flatten_util.ravel_pytree(state)[0]


def recurrent_step(network: AbstractRecurrent, inputs: Any) -> RecurrentStep:
    """The step of a recurrent network under a constant input, by default zero where the network tells its size.

    Raises:
        ValueError: if there is no input and the network does not tell its size.
    """
    dtype = jax.flatten_util.ravel_pytree(network.init_state())[0].dtype
    if inputs is None:
        size = getattr(network, "in_size", None)
        if size is None:
            raise ValueError(
                f"A {type(network).__name__} is a dynamical system under a constant input; give it as `inputs`, an"
                " array of the width of its input (zeros for a network left to itself)."
            )
        return RecurrentStep(network, jnp.zeros(size, dtype))
    return RecurrentStep(network, jnp.asarray(inputs, dtype))


def one_step(system: Any, inputs: Any = None) -> Callable[[Float[Array, " state"]], Float[Array, " state"]]:
    """A function from a vector to the next one: of a map, of a recurrent network under a constant input, or itself.

    Raises:
        ValueError: if it is none of them.
    """
    if isinstance(system, AbstractRecurrent):
        return recurrent_step(system, inputs)
    if isinstance(system, IteratedMap):
        return system.step
    if isinstance(system, (Flow, DelayFlow)) or not callable(system):
        raise ValueError(
            "Steps are those of a map of `linnet.systems`, of a recurrent network, or of a function from a state to the"
            f" next, got {type(system).__name__}; a flow needs a function that moves a state on by one step of time."
        )
    return system
