"""Small parts that the layers of sequence models share: heads, norms, rotations, step sizes."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int

from .._types import PRNGKey
from ._random import gaussian


def projections(
    key: PRNGKey, shapes: Sequence[tuple[int, int]], dtype: Any, gain: float = 1.0
) -> list[Float[Array, "_ _"]]:
    """One Gaussian matrix for each shape `(out, in)`, of variance `gain**2 / in`."""
    keys = jr.split(key, len(shapes))
    return [gaussian(k, shape, dtype, gain / math.sqrt(shape[1])) for k, shape in zip(keys, shapes, strict=True)]


def split_heads(xs: Float[Array, "step features"], num_heads: int) -> Float[Array, "step head size"]:
    """Features cut into heads."""
    return xs.reshape(xs.shape[0], num_heads, -1)


def merge_heads(xs: Float[Array, "step head size"]) -> Float[Array, "step features"]:
    """Heads side by side."""
    return xs.reshape(xs.shape[0], -1)


def rms_norm(
    xs: Float[Array, "*batch size"], weight: Float[Array, " size"] | None = None, epsilon: float = 1e-5
) -> Float[Array, "*batch size"]:
    r"""$x / \sqrt{\overline{x^2} + \epsilon}$, times a weight for each feature."""
    normed = xs * jax.lax.rsqrt(jnp.mean(xs**2, axis=-1, keepdims=True) + epsilon)
    return normed if weight is None else normed * weight


def unit_norm(xs: Float[Array, "*batch size"], epsilon: float = 1e-6) -> Float[Array, "*batch size"]:
    r"""$x / \sqrt{\lVert x \rVert^2 + \epsilon}$: keys of unit length, with a gradient at 0."""
    return xs * jax.lax.rsqrt(jnp.sum(xs**2, axis=-1, keepdims=True) + epsilon)


def rotate(
    xs: Float[Array, "step head size"], positions: Int[Array, " step"], base: float = 10_000.0
) -> Float[Array, "step head size"]:
    r"""Rotary positions: the pair of features $(i, i + d/2)$ turned by the angle $t\, b^{-2 i / d}$."""
    half = xs.shape[-1] // 2
    angles = positions[:, None].astype(xs.dtype) * base ** (-jnp.arange(half, dtype=xs.dtype) / half)
    # Both halves side by side, and the other way round: a reversal is made with the sum, pieces would be copied.
    pairs = xs[..., : 2 * half].reshape(*xs.shape[:-1], 2, half)
    cosine, sine = jnp.cos(angles)[:, None, None], jnp.sin(angles)[:, None, None]
    # One array of both: XLA would make the cosines of a step anew for each head and sequence.
    turn = jnp.concatenate([cosine, cosine, -sine, sine], axis=-2)
    turned = pairs * turn[..., :2, :] + pairs[..., ::-1, :] * turn[..., 2:, :]
    turned = turned.reshape(*xs.shape[:-1], 2 * half)
    return turned if 2 * half == xs.shape[-1] else jnp.concatenate([turned, xs[..., 2 * half :]], axis=-1)


def positions_of(
    start: Int[Array, ""], num: int, resets: Bool[Array, " step"] | None
) -> tuple[Int[Array, " step"], Int[Array, ""]]:
    """The position of each step within its sequence, and the position of the step after the last."""
    steps = jnp.arange(num, dtype=start.dtype)
    if resets is None:
        positions = start + steps
    else:
        begun = jax.lax.cummax(jnp.where(resets, steps, -1))
        positions = jnp.where(begun < 0, start + steps, steps - begun)
    return positions, positions[-1] + 1


def log_uniform(key: PRNGKey, shape: tuple[int, ...], low: float, high: float, dtype: Any) -> Float[Array, "..."]:
    """Numbers whose logarithms are uniform between those of two numbers."""
    return jnp.exp(jr.uniform(key, shape, dtype, math.log(low), math.log(high)))


def inverse_softplus(xs: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The numbers whose softplus is $x$: $x + \log(1 - e^{-x})$, written for small $x$."""
    return xs + jnp.log(-jnp.expm1(-xs))
