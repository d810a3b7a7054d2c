"""How one weight matrix is drawn."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._types import PRNGKey


def gaussian(key: PRNGKey, shape: tuple[int, int], dtype: Any, scale: Any) -> Float[Array, "out in"]:
    """Independent entries of standard deviation `scale`."""
    return jnp.asarray(scale, dtype) * jr.normal(key, shape, dtype)


def glorot_gaussian(key: PRNGKey, shape: tuple[int, int], dtype: Any, gain: Any) -> Float[Array, "out in"]:
    """Independent entries of variance `2 gain**2 / (in + out)`."""
    return gaussian(key, shape, dtype, jnp.asarray(gain, dtype) * (2 / sum(shape)) ** 0.5)


def fan_in_gaussian(key: PRNGKey, shape: tuple[int, int], dtype: Any, gain: Any) -> Float[Array, "out in"]:
    """Independent entries of variance `gain**2 / in`."""
    return gaussian(key, shape, dtype, jnp.asarray(gain, dtype) / shape[1] ** 0.5)


def orthogonal_matrix(key: PRNGKey, shape: tuple[int, int], dtype: Any, gain: Any) -> Float[Array, "out in"]:
    """`gain` times a uniformly drawn matrix with orthonormal rows or columns, whichever are fewer."""
    return jnp.asarray(gain, dtype) * jax.nn.initializers.orthogonal()(key, shape, dtype)


def glorot_weights(key: PRNGKey, shapes: Sequence[tuple[int, int]], dtype: Any) -> tuple[Float[Array, "_ _"], ...]:
    """One Glorot-Gaussian matrix for each shape."""
    keys = jr.split(key, len(shapes))
    return tuple(glorot_gaussian(k, shape, dtype, 1.0) for k, shape in zip(keys, shapes, strict=True))
