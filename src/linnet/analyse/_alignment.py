"""How a network's map is aligned with the modes of its task."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from ._linear_map import effective_map


@cite("saxe2014exact")
def mode_alignment(
    network: Any, modes: tasks.SingularModes, xs: Float[Array, "num *step in"] | None = None
) -> Float[Array, " mode"]:
    r"""How nearly each mode of the task is a pair of singular vectors of the network's own map.

    $$\frac{u_\alpha^\top M v_\alpha}{\sqrt{\lVert M v_\alpha \rVert\, \lVert M^\top u_\alpha \rVert}} \in [-1, 1]$$

    It is 1 exactly where $M v_\alpha \propto u_\alpha$ and $M^\top u_\alpha \propto v_\alpha$, so that $u_\alpha,
    v_\alpha$ are singular vectors of $M$; unlike overlaps with computed singular vectors it does not depend on their
    order or on degenerate ones. Over sequences $M$ is the sum over steps along the task's own profile of the mode.

    Args:
        network: a linear network, a matrix, or (with `xs`) any network.
        modes: the task's modes, `task.singular_modes()`.
        xs: inputs on which the best linear map of a nonlinear network is measured.

    Returns:
        The alignment of each mode; 0 where the map is zero on it.
    """
    linear_map = effective_map(network, modes, xs)
    if modes.step_singular_values is None:
        forward = jnp.einsum("oi,im->mo", linear_map, modes.right)
        backward = jnp.einsum("oi,om->mi", linear_map, modes.left)
    else:
        scale = jnp.where(modes.singular_values > 0, modes.singular_values, 1)
        profile = modes.step_singular_values / scale
        forward = jnp.einsum("tm,toi,im->mo", profile, linear_map, modes.right)
        backward = jnp.einsum("tm,toi,om->mi", profile, linear_map, modes.left)
    strengths = jnp.einsum("mo,om->m", forward, modes.left)
    sizes = jnp.linalg.norm(forward, axis=1), jnp.linalg.norm(backward, axis=1)
    # Roots first: the product of two small norms would underflow in float32.
    scale = jnp.sqrt(sizes[0]) * jnp.sqrt(sizes[1])
    return jnp.where(scale > 0, strengths / jnp.where(scale > 0, scale, 1), 0)
