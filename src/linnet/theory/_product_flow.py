"""The flow of the product of balanced layers under any loss of a map, and what it needs."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn
from .._ode import default_tolerances, solve_ode
from ._assumptions import SMALL
from ._implicit_preconditioner import preconditioned, rounding
from ._theory import Assumption


def product_flow(
    network: nn.DeepLinear,
    ts: Float[Array, " time"],
    slope: Callable[[Array, Array], Array],
    record: Callable[[Array, Array], Any],
    *,
    jumps: Float[Array, " jump"] | None = None,
) -> tuple[Any, Array]:
    r"""Solves $\dot W = -P_W(\nabla L_t(W))$ for the product $W$ of balanced layers.

    The rank that the flow conserves is held by force: what rounding adds beyond it would grow.

    Args:
        network: the network before training.
        ts: learning times.
        slope: $\nabla L_t(W)$, `slope(t, linear_map)`.
        record: what is recorded, `record(linear_map, singular_values)`.
        jumps: times at which the loss jumps.

    Returns:
        What was recorded, with a leading axis over times, and the code of how the solution ended.
    """
    depth, initial = network.depth, network.end_to_end()
    rank = map_rank(network)

    def of_rank(linear_map: Array) -> tuple[tuple[Array, Array, Array], Array]:
        left, values, right_t = jnp.linalg.svd(linear_map, full_matrices=False)
        if depth == 1:
            return (left, values, right_t), linear_map
        values = jnp.where(jnp.arange(values.shape[0]) < rank, values, 0)
        return (left, values, right_t), (left * values) @ right_t

    def field(t: Array, linear_map: Array, args: Any) -> Array:
        if depth == 1:
            return -slope(t, linear_map)
        svd, linear_map = of_rank(linear_map)
        return -preconditioned(svd, slope(t, linear_map), depth)

    def save(t: Array, linear_map: Array, args: Any) -> Any:
        svd, linear_map = of_rank(linear_map)
        return record(linear_map, svd[1])

    atol = jnp.clip(1e-4 * jnp.max(jnp.abs(initial)), *finest_tolerances(initial.dtype))
    values, _, result = solve_ode(field, initial, ts, save=save, atol=atol, jumps=jumps)
    return values, result


def map_rank(network: nn.DeepLinear) -> Array:
    """The rank of the map: at most the narrowest layer's width, and without what is only rounding."""
    linear_map = network.end_to_end()
    values = jnp.linalg.svd(linear_map, compute_uv=False)
    narrowest = min(values.shape[0], *(weight.shape[0] for weight in network.weights))
    return jnp.minimum(jnp.sum(values > rounding(linear_map, values)), narrowest)


def balanced_layers(network: nn.DeepLinear, other: str) -> Assumption:
    """What flow conserves of the layers' differences, against the weakest mode's weights, which feel it most."""
    uneven = jnp.max(jnp.stack([jnp.linalg.norm(m, ord=2) for m in analyse.balance_matrices(network)]))
    values = jnp.linalg.svd(network.end_to_end(), compute_uv=False)
    narrowest = min(values.shape[0], *(weight.shape[0] for weight in network.weights))
    # Layers are balanced to rounding only; modes weaker than this floor (absent ones, say) could not tell.
    floor = 100 * jnp.sqrt(jnp.finfo(values.dtype).eps) * values[0]
    weakest = jnp.maximum(values[narrowest - 1], floor) ** (2 / network.depth)
    return Assumption(
        "balanced layers",
        jnp.where(weakest > 0, uneven / jnp.where(weakest > 0, weakest, 1), jnp.where(uneven > 0, jnp.inf, 0)),
        SMALL,
        "the largest part of W_{l+1}^T W_{l+1} - W_l W_l^T, relative to the square of the weakest mode's weight",
        f"initialise by `linnet.nn.zero_balanced()`, or use {other}, which needs no balance.",
    )


def resolved_map(network: nn.DeepLinear, other: str) -> Assumption:
    """That the product of the layers, which is solved for, is not lost in the rounding of what it becomes."""
    largest = jnp.max(jnp.abs(network.end_to_end()))
    finest = finest_tolerances(largest.dtype)[0]
    return Assumption(
        "resolved initial map",
        jnp.where(largest > 0, finest / jnp.where(largest > 0, largest, 1), 0),
        SMALL,
        "what the precision resolves at maps of order one, relative to the initial map",
        f"use float64 or larger initial weights, or {other}, which follows the layers themselves.",
    )


def finest_tolerances(dtype: Any) -> tuple[float, float]:
    """The least absolute tolerance that rounding allows at maps of order one, and the default one."""
    return 10 * float(jnp.finfo(dtype).eps), default_tolerances(dtype)[1]
