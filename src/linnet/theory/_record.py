"""From linear maps over time to what the simulated road records: losses on all parts and mode strengths."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import tasks
from .._trajectory import Trajectory

#: Times whose maps are held in memory at once.
BLOCK = 64

DIMS = {
    "loss": ("time",),
    "validation_loss": ("time",),
    "test_loss": ("time",),
    "mode_strengths": ("time", "mode"),
    "step_mode_strengths": ("time", "step", "mode"),
}


def in_blocks(function: Callable[[Any], Any], xs: Any) -> Any:
    """`function` of every element along the first axis of `xs`, up to `BLOCK` of them at once.

    Blocks are of one size, the last one filled up with its last element, so that the function is compiled only once.
    """
    num = jtu.tree_leaves(xs)[0].shape[0]
    if num <= BLOCK:
        return jax.vmap(function)(xs)
    blocks = -(-num // BLOCK)
    size = -(-num // blocks)
    order = jnp.minimum(jnp.arange(blocks * size), num - 1).reshape(blocks, size)
    found = jax.lax.map(lambda places: jax.vmap(function)(jtu.tree_map(lambda leaf: leaf[places], xs)), order)
    return jtu.tree_map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num], found)


def held_out_forms(task: Any) -> dict[str, tasks.ResidualForm]:
    """The losses on the held-out parts of a split, by the names under which `simulate` records them."""
    if not isinstance(task, tasks.Split):
        return {}
    parts = {"validation_loss": task.validation, "test_loss": task.test}
    return {name: tasks.as_moments(part).residual_form() for name, part in parts.items() if part is not None}


def held_out_losses(
    task: Any, linear_map: Callable[[Any], Float[Array, "out feature"]], state: Any
) -> dict[str, Float[Array, " time"]]:
    """The held-out losses of `linear_map(state)` for states with a leading axis over time, a block of times at once."""
    forms = held_out_forms(task)
    if not forms:
        return {}
    return in_blocks(lambda s: {name: form(linear_map(s)) for name, form in forms.items()}, state)


def strengths(moments: tasks.AbstractMoments, modes: tasks.SingularModes, network: Any) -> dict[str, Array]:
    """The mode strengths of a linear network, as the simulated road records them."""
    if moments.num_steps is None:
        return {"mode_strengths": modes.mode_strengths(network.end_to_end())}
    by_step = network.impulse_response(moments.num_steps)[::-1]
    return {"mode_strengths": modes.mode_strengths(by_step), "step_mode_strengths": modes.project(by_step)}


def dims_of(values: dict[str, Array]) -> dict[str, tuple[str, ...]]:
    """The axes of the quantities that theories of linear networks predict."""
    return {name: DIMS[name] for name in values}


def trajectory(ts: Float[Array, " time"], values: dict[str, Array], result: Array | None = None) -> Trajectory:
    """A predicted trajectory with the axes that these quantities have on both roads."""
    return Trajectory(ts, values, dims_of(values), result=result)  # pyright: ignore[reportArgumentType]
