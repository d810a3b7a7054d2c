"""The states of a leaky network along many sequences at once, with gradients that are fast for many members."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn

#: The slope of units below zero.
_SLOPE = 0.01


def leaky_states(
    network: nn.LeakyRNN, xs: Float[Array, "step sequence in"], start: Float[Array, "sequence unit"]
) -> Float[Array, "step sequence unit"]:
    """What the network's call goes through, for leaky rectified units."""
    entries = jnp.concatenate([network.input_weights, network.hidden_bias[:, None]], axis=1)
    # Biases are the weights of an input that is always 1.
    inputs = jnp.concatenate([xs, jnp.ones_like(xs[..., :1])], axis=2)
    return _recur(network.transition(), entries / network.unit_timescales[:, None], inputs, start)


@jax.custom_vjp
def _recur(
    transition: Float[Array, "unit unit"],
    entries: Float[Array, "unit in"],
    inputs: Float[Array, "step sequence in"],
    start: Float[Array, "sequence unit"],
) -> Float[Array, "step sequence unit"]:
    """The recurrence.

    JAX would sum the gradient of the transition within the loop, step by step, and that of the entries by a slow
    kernel. Here both are one product behind the loop with the summed axis last on the left, for which XLA has its fast
    kernels on CPUs.
    """
    across = transition.T

    def advance(state, drive):
        total = state @ across + drive
        state = jnp.where(total > 0, total, _SLOPE * total)
        return state, state

    return jax.lax.scan(advance, start, inputs @ entries.T)[1]


def _forward(transition: Array, entries: Array, inputs: Array, start: Array) -> tuple[Array, tuple[Array, ...]]:
    states = _recur(transition, entries, inputs, start)
    return states, (transition, entries, inputs, start, states)


def _backward(kept: Any, upstream: Array) -> tuple[Array, Array, Array, Array]:
    transition, entries, inputs, start, states = kept

    def back(carry, now):
        upstream, state = now
        # A unit has the sign of what went into it.
        total = (carry + upstream) * jnp.where(state > 0, 1, _SLOPE)
        return total @ transition, total

    first, totals = jax.lax.scan(back, jnp.zeros_like(start), (upstream, states), reverse=True)
    size = start.shape[-1]
    before = jnp.concatenate([jnp.concatenate([start[None], states[:-1]]), inputs], axis=2)
    # The barrier keeps the transposition apart: XLA would fold it into the product and lose the fast kernel.
    turned = jax.lax.optimization_barrier(totals.reshape(-1, size).T)
    both = turned @ before.reshape(-1, before.shape[-1])
    return both[:, :size], both[:, size:], totals @ entries, first


_recur.defvjp(_forward, _backward)
