"""What every network can do, and what the rest of linnet asks of it."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

#: Activations whose derivative jumps: gradient flow through them is no smooth ODE.
KINKED = (jax.nn.relu, jax.nn.relu6, jax.nn.leaky_relu, jax.nn.hard_tanh, jax.nn.hard_sigmoid, jnp.abs, jnp.sign)


class AbstractLinearNetwork(eqx.Module):
    """A network whose output is a linear map of its input, `net(x) = net.end_to_end() @ x`."""

    @abc.abstractmethod
    def end_to_end(self) -> Float[Array, "out in"]:
        """The map from input to output."""

    @abc.abstractmethod
    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        """The output for one example."""


class AbstractRecurrent(eqx.Module):
    """A network that reads a sequence step by step; the step form and the call agree to rounding."""

    @abc.abstractmethod
    def init_state(self) -> Any:
        """The state before the first step."""

    @abc.abstractmethod
    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " out"]]:
        """One step: the new state and the output read from it."""

    @abc.abstractmethod
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        """The outputs at all steps and the final state, from `state` (by default the initial state)."""


def run_steps(
    network: AbstractRecurrent, xs: Float[Array, "step in"], state: Any = None
) -> tuple[Float[Array, "step out"], Any]:
    """The call of a recurrent network by its own step, scanned over the sequence."""
    # A bound method would be hashed, and its network holds tracers.
    start = network.init_state() if state is None else state
    final, ys = jax.lax.scan(lambda state, x: network.step(state, x), start, xs)
    return ys, final


def apply(network: Any, x: Float[Array, "*step in"]) -> Float[Array, "*step out"]:
    """The output of a network on one example; of a recurrent network, its outputs at all steps."""
    return network(x)[0] if isinstance(network, AbstractRecurrent) else network(x)


def has_kinks(network: Any) -> bool:
    """Whether an activation among the network's leaves has a jump in its derivative (see `KINKED`)."""
    functions = [leaf for leaf in jtu.tree_leaves(network) if callable(leaf)]
    return any(function is kinked for function in functions for kinked in KINKED)
