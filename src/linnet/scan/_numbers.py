"""Numbers that multiply a state, given as themselves or as logarithms and signs."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool


def check_numbers(name: str, value: Any, log: Any, sign: Any) -> Array:
    """The array that was given, of numbers or of logarithms.

    Raises:
        ValueError: if neither or both are given, or signs without logarithms or of another shape.
    """
    if (value is None) == (log is None):
        raise ValueError(f"{name} needs either the numbers (`value`) or the logarithms of their moduli (`log`).")
    if sign is not None and (log is None or jnp.shape(sign) != jnp.shape(log)):
        raise ValueError(
            f"{name} needs signs of the shape of its logarithms, {None if log is None else jnp.shape(log)}, got "
            f"{jnp.shape(sign)}; with `value` the signs are those of the numbers."
        )
    return value if log is None else log


def numbers(decay: Any) -> Array:
    """The numbers themselves."""
    if decay.value is not None:
        return decay.value
    return jnp.exp(decay.log) if decay.sign is None else _constant(decay.sign) * jnp.exp(decay.log)


def log_numbers(decay: Any) -> tuple[Array, Array | None]:
    """Logarithms of the moduli, and signs."""
    if decay.value is None:
        return decay.log, None if decay.sign is None else _constant(decay.sign)
    size = jnp.abs(decay.value)
    least = jnp.finfo(size.dtype).tiny
    sign = jnp.where(decay.value < 0, -1.0, 1.0).astype(size.dtype)
    return jnp.log(jnp.maximum(size, least)), sign


def _constant(sign: Array) -> Array:
    """Signs have no derivative: each form takes them for 1 or -1, and each another way."""
    return jax.lax.stop_gradient(sign)


def multiply_numbers(later: Any, earlier: Any) -> Any:
    """The product of two decays of the same kind, given in the same way, element by element."""
    if later.value is not None and earlier.value is not None:
        return eqx.tree_at(lambda d: d.value, later, later.value * earlier.value)
    (log, sign), (log_before, sign_before) = later.logarithms(), earlier.logarithms()
    one = jnp.ones_like(log)
    signs = None
    if sign is not None or sign_before is not None:
        signs = (one if sign is None else sign) * (one if sign_before is None else sign_before)

    def parts(decay: Any) -> tuple:
        return decay.value, decay.log, decay.sign

    return eqx.tree_at(parts, later, (None, log + log_before, signs), is_leaf=lambda leaf: leaf is None)


def forget_numbers(decay: Any, resets: Bool[Array, " step"]) -> Array:
    """The numbers at all steps, 0 where nothing is to pass."""
    values = decay.values()
    if decay.invariant:
        values = values[None]
    return jnp.where(resets.reshape(-1, *[1] * (values.ndim - 1)), 0, values)


def bounded_logarithms(log: Array) -> Array:
    r"""Logarithms of decays, not below $\frac32 \log \epsilon$, for sums over chunks.

    What such a decay leaves is far below rounding. But the sums of a chunk are differences of cumulative ones, and one
    logarithm of $-10^4$ would take the digits of all that come after it.
    """
    return jnp.maximum(log, 1.5 * math.log(float(jnp.finfo(log.dtype).eps)))
