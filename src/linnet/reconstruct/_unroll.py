"""Forced orbits of any recurrent network, with a backward pass of their own."""

from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from ..nn import AbstractRecurrent

#: So many states share one product in the gradient by the parameters: enough to fill it, few enough for the cache.
_TOGETHER = 512


def latent_size(network: AbstractRecurrent) -> int:
    """The numbers in a network's state, all its arrays together."""
    return sum(leaf.size for leaf in jtu.tree_leaves(jax.eval_shape(network.init_state)))


def input_size(network: AbstractRecurrent) -> int:
    """The number of a network's external inputs; 0 where it does not tell."""
    return getattr(network, "in_size", 0)


def latent_step(
    network: AbstractRecurrent, state: Float[Array, " state"], x: Float[Array, " in"]
) -> Float[Array, " state"]:
    """One step of a network on the vector of all its states."""
    _, unravel = jax.flatten_util.ravel_pytree(network.init_state())
    moved, _ = network.step(unravel(state), x)
    return jax.flatten_util.ravel_pytree(moved)[0]


def forced_orbits(
    network: AbstractRecurrent,
    starts: Float[Array, "batch state"],
    signals: Float[Array, "step batch state"],
    strengths: Float[Array, "step state"],
    inputs: Float[Array, "step batch in"],
) -> tuple[Float[Array, "step batch state"], Float[Array, "step batch state"]]:
    r"""Orbits that are drawn to forcing signals, $z_t = F(\tilde z_{t-1}, s_t)$ with
    $\tilde z_t = (1 - \alpha_t) z_t + \alpha_t z^*_t$ and $\tilde z_0 = z_0$.

    Gradients go to the network and the starts; signals, strengths and inputs are constants. The backward pass is the
    recurrence $g_t = \partial L / \partial z_t + (1 - \alpha_t) J_{t+1}^\top g_{t+1}$ over states that were kept, and
    after it the gradient by the parameters is made of many steps at once. JAX's own would add up an outer product at
    every step.

    Args:
        network: the recurrent network; its state is a vector here, whatever its form.
        starts: $z_0$ of every orbit.
        signals: $z^*_1, \dots, z^*_T$.
        strengths: $\alpha_1, \dots, \alpha_T$, for each unit.
        inputs: $s_1, \dots, s_T$.

    Returns:
        $z_1, \dots, z_T$, the predictions, and $\tilde z_0, \dots, \tilde z_{T-1}$, from which they were made; through
        the latter no gradient goes.
    """
    constants = jax.lax.stop_gradient((signals, strengths, inputs))
    predicted, forced = _orbits((network, starts), *constants)
    return predicted, jax.lax.stop_gradient(forced)


@eqx.filter_custom_vjp
def _orbits(moving: tuple[AbstractRecurrent, Array], signals: Array, strengths: Array, inputs: Array) -> Any:
    network, starts = moving

    def one(forced: Array, now: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        signal, strength, x = now
        predicted = _batch_step(network, forced, x)
        return (1 - strength) * predicted + strength * signal, (predicted, forced)

    return jax.lax.scan(one, starts, (signals, strengths, inputs))[1]


@_orbits.def_fwd
def _forward(perturbed: Any, moving: Any, *constants: Array) -> tuple[Any, Array]:
    predicted, forced = _orbits(moving, *constants)
    return (predicted, forced), forced


@_orbits.def_bwd
def _backward(
    forced: Array, upstream: Any, perturbed: Any, moving: Any, signals: Array, strengths: Array, inputs: Array
) -> Any:
    network, starts = moving
    direct = jnp.zeros_like(forced) if upstream[0] is None else upstream[0]

    def one(later: Array, now: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
        own, strength, state, x = now
        gradient = own + (1 - strength) * later
        back = jax.vjp(lambda state: _batch_step(network, state, x), state)[1]
        return back(gradient)[0], gradient

    to_start, gradients = jax.lax.scan(one, jnp.zeros_like(starts), (direct, strengths, forced, inputs), reverse=True)
    params, rest = eqx.partition(network, eqx.is_inexact_array)

    def add(total: Any, now: tuple[Array, Array, Array]) -> tuple[Any, None]:
        states, xs, gradient = (leaf.reshape(leaf.shape[0] * leaf.shape[1], leaf.shape[2]) for leaf in now)
        back = jax.vjp(lambda params: _batch_step(eqx.combine(params, rest), states, xs), params)[1]
        return jtu.tree_map(jnp.add, total, back(gradient)[0]), None

    pieces = tuple(_pieces(leaf, fill) for leaf, fill in ((forced, True), (inputs, True), (gradients, False)))
    to_params = jax.lax.scan(add, jtu.tree_map(jnp.zeros_like, params), pieces)[0]
    return to_params, to_start


def _batch_step(network: AbstractRecurrent, states: Array, xs: Array) -> Array:
    return jax.vmap(lambda state, x: latent_step(network, state, x))(states, xs)


def _pieces(leaf: Float[Array, "step batch last"], fill: bool) -> Float[Array, "piece few batch last"]:
    """Steps in pieces of equal size; the last is filled up with its last step, or with zeros."""
    num, batch = leaf.shape[:2]
    count = max(1, -(-num * batch // _TOGETHER))
    few = -(-num // count)
    whole = -(-num // few)
    missing = whole * few - num
    # Where the gradient is zero any state will do, and one that occurs is safe.
    filling = jnp.broadcast_to(leaf[-1:] if fill else jnp.zeros_like(leaf[-1:]), (missing, *leaf.shape[1:]))
    return jnp.concatenate([leaf, filling]).reshape(whole, few, *leaf.shape[1:])
