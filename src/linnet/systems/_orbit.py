"""A system's path through state space, and what is common to making one: times, batches, noise, how it ended."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from .._types import PRNGKey

#: What each result code of an orbit means and what to do about it.
RESULTS = {
    0: "The orbit was computed.",
    1: "The orbit diverged: a state is no longer finite. Start closer to the attractor, or check the parameters.",
    2: "The solver reached its maximal number of steps. Use looser tolerances (`rtol`, `atol`) or more `max_steps`.",
}


class Orbit(eqx.Module):
    """States of a system at equally spaced times.

    Args:
        times: the times, those of the system itself: the first is the length of the transient.
        states: the states, with the axes of a batch of initial states or parameters first.
        system: the name of the system.
        dt: the time between two states (1 for maps).
        noise: the standard deviation of the observation noise as a fraction of each coordinate's own.
        result: how each orbit ended, a code of `linnet.systems.RESULTS`.
    """

    times: Float[Array, " time"]
    states: Float[Array, "... time state"]
    system: str = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    noise: float = eqx.field(static=True)
    result: Int[Array, "..."]

    @property
    def message(self) -> str:
        """How the orbit ended, as a sentence (of the worst of a batch)."""
        return RESULTS[int(np.max(np.asarray(self.result)))]


def batch_shape(system: Any, initial: Array) -> tuple[int, ...]:
    """The leading axes that initial states and parameters share.

    Raises:
        ValueError: if they do not broadcast.
    """
    shapes = {"initial": initial.shape[:-1]}
    for name, shape in system.shapes:
        value = jnp.shape(system.parameters[name])
        shapes[name] = value[: len(value) - len(shape)]
    try:
        return jnp.broadcast_shapes(*shapes.values())
    except ValueError as error:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise ValueError(
            f"The leading axes of the initial states and of the parameters of {system.name} must broadcast, got"
            f" {given}; give them the same batch axes."
        ) from error


def over_batch(function: Any, system: Any, initial: Array) -> Any:
    """`function(system, initial)` for every member of a batch, by `vmap`; without batch axes it is called as it is."""
    batch = batch_shape(system, initial)
    if not batch:
        return function(system, initial)
    shapes, axes, parameters = dict(system.shapes), {}, {}
    for name, value in system.parameters.items():
        batched = jnp.ndim(value) > len(shapes[name])
        axes[name] = 0 if batched else None
        full = jnp.broadcast_to(value, batch + shapes[name]) if batched else value
        parameters[name] = full.reshape((-1, *shapes[name])) if batched else value
    flat = jnp.broadcast_to(initial, batch + initial.shape[-1:]).reshape(-1, initial.shape[-1])
    out = jax.vmap(lambda own, start: function(system.replace(parameters=own), start), in_axes=(axes, 0))(
        parameters, flat
    )
    return jax.tree_util.tree_map(lambda leaf: leaf.reshape(batch + leaf.shape[1:]), out)


def with_noise(states: Float[Array, "... time state"], noise: float, key: PRNGKey) -> Float[Array, "... time state"]:
    """States with Gaussian observation noise, in units of each coordinate's standard deviation along its orbit."""
    scale = noise * jnp.std(states, axis=-2, keepdims=True)
    return states + scale * jr.normal(key, states.shape, states.dtype)


def check_request(
    num: int, points_per_period: float | None, dt: float | None, noise: float, key: Any, transient: float
) -> None:
    """Refuses what no orbit can be made from.

    Raises:
        ValueError: that says which argument, what it must be and what was got.
    """
    if num < 1:
        raise ValueError(f"An orbit needs at least one point, got num={num}.")
    if points_per_period is not None and dt is not None:
        raise ValueError(
            f"The spacing of an orbit is given once, got points_per_period={points_per_period} and dt={dt};"
            " leave one of them out."
        )
    for name, value in (("points_per_period", points_per_period), ("dt", dt)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be a positive number, got {value}.")
    if not (np.isfinite(noise) and noise >= 0):
        raise ValueError(
            f"`noise` is a fraction of each coordinate's standard deviation, 0 or more, got {noise}; 0.05 is 5 %."
        )
    if noise > 0 and key is None:
        raise ValueError(f"Noise is random: noise={noise} needs a key, such as `key=jax.random.key(0)`.")
    if not (np.isfinite(transient) and transient >= 0):
        raise ValueError(f"`transient` is a length of time to leave out first, 0 or more, got {transient}.")
