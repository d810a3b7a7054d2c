"""One form for all that has fixed points: how a vector moves, from a system, a network or a function."""

from collections.abc import Callable
from typing import Any, Literal

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from ..nn import AbstractRecurrent
from ..systems import DelayFlow, Flow, IteratedMap
from ._tangent_steps import RecurrentStep


class StateFunction(eqx.Module):
    """How a vector moves: the derivative of a flow, or the next state of a map.

    Args:
        function: from a state to its derivative (a flow) or to the next state (a map).
        start: a state that it has, of which the size is known; `None` for a function.
        kind: whether time is continuous.
    """

    function: Callable
    start: Float[Array, " state"] | None
    kind: Literal["flow", "map"] = eqx.field(static=True)

    def __call__(self, x: Float[Array, " state"]) -> Float[Array, " state"]:
        return self.function(x)

    def velocity(self, x: Float[Array, " state"]) -> Float[Array, " state"]:
        """$f(x)$ of a flow, $F(x) - x$ of a map: zero at a fixed point."""
        return self.function(x) if self.kind == "flow" else self.function(x) - x


class _Derivative(eqx.Module):
    """The right-hand side of a flow at time 0."""

    system: Flow

    def __call__(self, x: Float[Array, " state"]) -> Float[Array, " state"]:
        return self.system.rhs(jnp.zeros((), x.dtype), x)


class _Next(eqx.Module):
    """The step of a map."""

    system: IteratedMap

    def __call__(self, x: Float[Array, " state"]) -> Float[Array, " state"]:
        return self.system.step(x)


def state_function(system: Any, inputs: Any, what: str) -> StateFunction:
    """How a system, a recurrent network under a constant input, or a function moves a vector, in float64.

    To be called where float64 is on; arrays of the system become float64.

    Args:
        system: a flow or map of `linnet.systems`, a recurrent network, or a function from a state to the next.
        inputs: the constant input of a network.
        what: what is asked for, for the messages.

    Raises:
        ValueError: if it is none of them, or a network without `inputs`.
    """
    system = in_float64(system)
    if isinstance(system, Flow):
        return StateFunction(_Derivative(system), system.initial, "flow")
    if isinstance(system, IteratedMap):
        return StateFunction(_Next(system), system.initial, "map")
    if isinstance(system, DelayFlow):
        raise ValueError(
            f"{what} of a delay flow are not defined on a finite vector; those of the flow without its delay are"
            " those of the function `lambda x: x + system.rhs(0.0, x, x)`, whose stability is another."
        )
    if isinstance(system, AbstractRecurrent):
        size = getattr(system, "in_size", None) if inputs is None else None
        if inputs is None and size is None:
            raise ValueError(
                f"{what} of a recurrent network are those under a constant input; give it as `inputs`, an array of the"
                " width of its input (zeros for a network left to itself)."
            )
        given = jnp.zeros(size) if inputs is None else jnp.asarray(inputs, jnp.float64)
        start = jax.flatten_util.ravel_pytree(_real_state(system))[0]
        return StateFunction(RecurrentStep(system, given), start, "map")
    if callable(system):
        return StateFunction(system, None, "map")
    raise ValueError(
        f"{what} are those of a system of `linnet.systems`, a recurrent network or a function from a state to the"
        f" next, got {type(system).__name__}."
    )


def states_as_vectors(states: Any, size: int | None) -> Float[Array, "start state"]:
    """Many states, an array or a tree of arrays with one leading axis, as rows in float64.

    Raises:
        ValueError: if they do not have a leading axis, or not the size of the state.
    """
    leaves = [jnp.asarray(leaf, jnp.float64) for leaf in jtu.tree_leaves(states)]
    if not leaves or any(leaf.ndim < 2 for leaf in leaves) or len({leaf.shape[0] for leaf in leaves}) > 1:
        raise ValueError(
            "`starts` must be an array (start, state), or a tree of arrays with the same first axis, got the shapes"
            f" {[leaf.shape for leaf in leaves]}."
        )
    rows = jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)
    if size is not None and rows.shape[1] != size:
        raise ValueError(f"The state has {size} numbers, got `starts` with {rows.shape[1]} each.")
    return rows


def vector_as_state(system: Any, vector: Any) -> Any:
    """A vector as the state that the network has, such as the pair of an LSTM."""
    if not isinstance(system, AbstractRecurrent):
        return vector
    return jax.flatten_util.ravel_pytree(_real_state(system))[1](vector)


def in_float64(tree: Any) -> Any:
    """The same tree with its floating-point arrays in float64."""
    return jtu.tree_map(lambda leaf: jnp.asarray(leaf, jnp.float64) if eqx.is_inexact_array(leaf) else leaf, tree)


def _real_state(network: AbstractRecurrent) -> Any:
    state = network.init_state()
    if not all(eqx.is_inexact_array(leaf) and jnp.isrealobj(leaf) for leaf in jtu.tree_leaves(state)):
        raise ValueError(
            f"The state of {type(network).__name__} has entries that are no real numbers, and no vector can stand for"
            " it; take a network apart whose state is real, or a function of the real part."
        )
    return in_float64(state)
