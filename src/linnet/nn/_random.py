"""How one weight matrix is drawn."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._types import PRNGKey

#: At least so many entries are drawn, and powers of two of them.
_FEWEST = 4096


def gaussian(key: PRNGKey, shape: tuple[int, int], dtype: Any, scale: Any) -> Float[Array, "out in"]:
    """Independent entries of standard deviation `scale`.

    They are the first of a longer draw whose length many shapes share: to compile a draw costs a thousand times more
    than to make it, seconds in float64.
    """
    num = math.prod(shape)
    drawn = jr.normal(key, (max(_FEWEST, 1 << (num - 1).bit_length()),), dtype)
    return jnp.asarray(scale, dtype) * drawn[:num].reshape(shape)


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
