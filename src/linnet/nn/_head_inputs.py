"""Queries, keys and values of a layer with heads."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._products import linear_map
from .._types import PRNGKey
from ._layer_parts import projections, split_heads
from ._matrix_state import state_dtype
from ._short_convolution import ShortConvolution


class HeadInputs(eqx.Module):
    r"""$q = W_q x$, $k = W_k x$, $v = W_v x$, each after a short convolution if there is one, cut into heads.

    A part of layers. Its state is the tail of the convolution, or `None`.

    Args:
        hidden_size: features of the layer's inputs.
        num_heads: heads.
        key_size: features of one head's queries and keys.
        value_size: features of one head's values.
        conv_size: width of the short convolution; 0 for none.
        conv_activation: whether SiLU follows the convolution.
        dtype: of the parameters.
        key: randomness of the weights, Gaussian of variance one over `hidden_size`.
    """

    query: Float[Array, "keys hidden"]
    key: Float[Array, "keys hidden"]
    value: Float[Array, "values hidden"]
    convolution: ShortConvolution | None
    num_heads: int = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        key_size: int,
        value_size: int,
        *,
        conv_size: int = 0,
        conv_activation: bool = True,
        dtype: Any,
        key: PRNGKey,
    ) -> None:
        first, second = jr.split(key)
        keys, values = num_heads * key_size, num_heads * value_size
        shapes = [(keys, hidden_size), (keys, hidden_size), (values, hidden_size)]
        self.query, self.key, self.value = projections(first, shapes, dtype)
        self.convolution = (
            ShortConvolution(2 * keys + values, conv_size, activation=conv_activation, dtype=dtype, key=second)
            if conv_size
            else None
        )
        self.num_heads = num_heads

    def init_state(self) -> Float[Array, "tail features"] | None:
        return None if self.convolution is None else self.convolution.init_state()

    def init_memory(self) -> Float[Array, "head key value"]:
        """A memory in which nothing is written, one matrix for each head."""
        keys, values = (weights.shape[0] // self.num_heads for weights in (self.key, self.value))
        return jnp.zeros((self.num_heads, keys, values), state_dtype(self.key.dtype))

    def __call__(
        self,
        xs: Float[Array, "step hidden"],
        tail: Float[Array, "tail features"] | None,
        resets: Bool[Array, " step"] | None,
    ) -> tuple[tuple[Array, Array, Array], Array | None]:
        """Queries, keys and values, `"step head size"`, and the new tail."""
        parts = [linear_map(xs, weights) for weights in (self.query, self.key, self.value)]
        if self.convolution is not None and tail is not None:
            joined, tail = self.convolution(jnp.concatenate(parts, axis=1), tail, resets)
            keys = self.query.shape[0]
            parts = jnp.split(joined, [keys, 2 * keys], axis=1)
        query, key, value = (split_heads(part, self.num_heads) for part in parts)
        return (query, key, value), tail
