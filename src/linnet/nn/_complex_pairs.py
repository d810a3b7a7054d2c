"""Complex numbers as pairs of real ones: how parameters and states hold them.

JAX's gradient by a complex leaf is the conjugate of the direction of steepest ascent; by pairs it is the direction.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from .._types import PRNGKey
from ._random import gaussian


def to_complex(pair: Float[Array, "2 *shape"]) -> Complex[Array, "*shape"]:
    """The numbers of a pair of real and imaginary parts."""
    return jax.lax.complex(pair[0], pair[1])


def to_pair(numbers: Complex[Array, "*shape"]) -> Float[Array, "2 *shape"]:
    """Real and imaginary parts, one after the other."""
    return jnp.stack([numbers.real, numbers.imag])


def constant_pair(numbers: np.ndarray, dtype: jnp.dtype) -> Float[Array, "2 *shape"]:
    """The same of a NumPy array, in the dtype of parameters."""
    return jnp.asarray(np.stack([numbers.real, numbers.imag]), dtype)


def gaussian_pair(key: PRNGKey, shape: tuple[int, int], dtype: jnp.dtype, scale: float) -> Float[Array, "2 _ _"]:
    """Real and imaginary parts, each of the same standard deviation."""
    return gaussian(key, (2 * shape[0], shape[1]), dtype, scale).reshape(2, *shape)
