"""Attention as a linear system: with features for the similarity of a query and a key, or with its whole cache."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn
from .._cite import cite
from ..nn._layer_parts import rotate, split_heads
from ._dynamical_form import DynamicalForm, normalised_form


@cite("sieber2024understanding", "katharopoulos2020transformers")
def attention_form(
    queries: Float[Array, "step head key"],
    keys: Float[Array, "step head key"],
    values: Float[Array, "step head value"],
    features: Callable[[Float[Array, "step head key"]], Float[Array, "step head feature"]],
    *,
    normalised: bool = True,
) -> DynamicalForm:
    r"""Attention whose similarity is a product of features, $\phi(q)^\top \phi(k)$, as a linear system:

    $$\Lambda_i = \frac{\eta_{i-1}}{\eta_i} I, \qquad B_i = \frac{\phi(k_i)}{\eta_i}, \qquad C_i = \phi(q_i)^\top,
    \qquad \eta_i = \sum_{j \le i} \phi(q_i)^\top \phi(k_j).$$

    Args:
        queries: $q$.
        keys: $k$.
        values: $u$.
        features: $\phi$, of the last axis.
        normalised: whether weights add up to 1; else $\eta = 1$.
    """
    read, write = features(queries), features(keys)
    ones = jnp.ones_like(values[..., :1])
    inputs = jnp.concatenate([values, ones], axis=-1) if normalised else values
    start = jnp.zeros((*read.shape[1:], inputs.shape[-1]), inputs.dtype)
    form = DynamicalForm(jnp.ones_like(write), write[..., None], inputs[:, :, None], read[:, :, None], start)
    return normalised_form(form) if normalised else form


def softmax_features(order: int) -> Callable[[Float[Array, "*batch key"]], Float[Array, "*batch feature"]]:
    r"""Features whose product is the Taylor series of a softmax's similarity up to an order,

    $$\phi(q)^\top \phi(k) = \sum_{p=0}^{P} \frac{(q^\top k / \sqrt d)^p}{p!} \to e^{q^\top k / \sqrt d},$$

    all products of $p$ entries over $\sqrt{p!\, \sqrt d^{\,p}}$: $\sum_p d^p$ features. No finite number of features is
    a softmax, so its system has infinitely many states.

    Args:
        order: $P$, at least 0. Even ones keep every weight positive.

    Raises:
        ValueError: if it is negative.
    """
    if order < 0:
        raise ValueError(f"softmax_features needs an order of at least 0, got {order}.")

    def features(xs: Array) -> Array:
        scaled = xs * xs.shape[-1] ** -0.25
        power, parts = jnp.ones_like(xs[..., :1]), []
        for number in range(order + 1):
            parts.append(power / math.sqrt(math.factorial(number)))
            power = (power[..., :, None] * scaled[..., None, :]).reshape(*xs.shape[:-1], -1)
        return jnp.concatenate(parts, axis=-1)

    return features


def cached_form(layer: nn.SoftmaxAttention, xs: Float[Array, "step in"]) -> DynamicalForm:
    r"""Softmax attention on $T$ tokens as a system with a row of its state for each of them, all kept for ever:
    $\Lambda = I$, $B_i = e_i$, and $C_i$ are the weights that token $i$ gives to the tokens until itself."""
    num, heads = xs.shape[0], layer.num_heads
    queries, keys, values = (split_heads(xs @ w.T, heads) for w in (layer.query, layer.key, layer.value))
    if layer.rotary:
        places = jnp.arange(num)
        queries, keys = rotate(queries, places), rotate(keys, places)
    scores = jnp.einsum("ihd,jhd->ihj", queries, keys) / math.sqrt(queries.shape[-1])
    seen = jnp.tril(jnp.ones((num, num), bool))[:, None]
    read = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
    shape = (num, heads, num)
    return DynamicalForm(
        jnp.ones(shape, values.dtype),
        jnp.broadcast_to(jnp.eye(num, dtype=values.dtype)[:, None, :, None], (*shape, 1)),
        values[:, :, None],
        read[:, :, None],
        jnp.zeros((heads, num, values.shape[-1]), values.dtype),
    )
