"""What an activation function is like: smooth, or with kinks."""

import functools as ft
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np

from ._piecewise_linear import AbstractPiecewiseLinear

#: Where the piecewise functions in use have their kinks.
_PLACES = (-6.0, -3.0, -2.5, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 6.0)


def has_kinks(network: Any) -> bool:
    """Whether an activation among the network's leaves jumps, or its derivative does (ReLU and its relatives).

    Gradient flow through such a function is no smooth ODE. The functions are tried on both sides of the places where
    piecewise functions usually bend, so that a `lambda x: jnp.maximum(x, 0)` is found too.
    """
    leaves = jtu.tree_leaves(network, is_leaf=lambda node: isinstance(node, AbstractPiecewiseLinear))
    return any(isinstance(leaf, AbstractPiecewiseLinear) or (callable(leaf) and _bends(leaf)) for leaf in leaves)


@ft.lru_cache(maxsize=256)
def _bends(function: Callable) -> bool:
    width = 1e-3
    # Known at trace time: a network may be built inside a compiled function.
    with jax.ensure_compile_time_eval():
        places = jnp.asarray(_PLACES, jnp.float32)
        try:
            sides = [
                jax.jvp(function, (places + side * width,), (jnp.ones_like(places),)) for side in (-1.0, -0.5, 0.5, 1.0)
            ]
        except (TypeError, ValueError):
            return False  # no function of one array: nothing is known about it
        values, slopes = (np.stack([np.asarray(pair[i], float) for pair in sides]) for i in (0, 1))
    # A smooth function turns by f'' * width between the sides, and as much within one side: a kink only between.
    within = np.maximum(np.abs(slopes[1] - slopes[0]), np.abs(slopes[3] - slopes[2]))
    jump = np.abs(slopes[2] - slopes[1])
    leap = np.abs(values[2] - values[1]) > 0.1 + 2 * width * np.maximum(np.abs(slopes[1]), np.abs(slopes[2]))
    return bool(np.any((jump > 0.01) & (jump > 10 * within)) or np.any(leap))
