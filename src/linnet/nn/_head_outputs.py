"""From what the heads have read to a layer's outputs: a norm, a gate, and a matrix."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._products import linear_map
from .._types import PRNGKey
from ._layer_parts import merge_heads, projections, rms_norm

#: What a gate may pass through.
_ACTIVATIONS = {"silu": jax.nn.silu, "sigmoid": jax.nn.sigmoid, "identity": lambda x: x}


class HeadOutputs(eqx.Module):
    r"""$y = W_o \bigl(\mathrm{Norm}(o) \odot \phi(W_g x)\bigr)$.

    Args:
        hidden_size: features of the layer.
        num_heads: heads.
        value_size: features of what one head has read.
        norm: "rms" of each head, "group" (mean and variance of each head), "all" (the mean square of all heads
            together), or "none".
        affine: whether the norm has a weight for each feature; it begins at 1.
        gate: $\phi$: "silu", "sigmoid", "identity", or `None` for no gate.
        gate_rank: the gate's matrix is a product of two of this rank; 0 for one full matrix.
        epsilon: of the norm.
        dtype: of the parameters.
        key: randomness of the weights, Gaussian of variance one over the number of their inputs.
    """

    scale: Float[Array, " _"] | None
    gate: Float[Array, "values _"] | None
    gate_down: Float[Array, "rank hidden"] | None
    output: Float[Array, "hidden values"]
    norm: str = eqx.field(static=True)
    activation: str | None = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        value_size: int,
        *,
        norm: str = "rms",
        affine: bool = True,
        gate: str | None = "silu",
        gate_rank: int = 0,
        epsilon: float = 1e-5,
        dtype: Any,
        key: PRNGKey,
    ) -> None:
        first, second = jr.split(key)
        values = num_heads * value_size
        self.norm, self.activation, self.epsilon = norm, gate, epsilon
        size = values if norm == "all" else value_size
        self.scale = jnp.ones(size, dtype) if affine and norm != "none" else None
        self.output = projections(first, [(hidden_size, values)], dtype)[0]
        self.gate = self.gate_down = None
        if gate is not None and gate_rank:
            self.gate_down, self.gate = projections(second, [(gate_rank, hidden_size), (values, gate_rank)], dtype)
        elif gate is not None:
            self.gate = projections(second, [(values, hidden_size)], dtype)[0]

    def __call__(
        self, read: Float[Array, "step head value"], xs: Float[Array, "step hidden"]
    ) -> Float[Array, "step hidden"]:
        if self.norm == "group":
            read = read - jnp.mean(read, axis=-1, keepdims=True)
        if self.norm in ("rms", "group"):
            read = rms_norm(read, self.scale, self.epsilon)
        merged = merge_heads(read)
        if self.norm == "all":
            merged = rms_norm(merged, self.scale, self.epsilon)
        if self.gate is not None and self.activation is not None:
            low = xs if self.gate_down is None else linear_map(xs, self.gate_down)
            merged = merged * _ACTIVATIONS[self.activation](linear_map(low, self.gate))
        return linear_map(merged, self.output)
