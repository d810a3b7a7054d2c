"""What follows a state space model within its layer: a nonlinearity, and the mixing of features."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._products import linear_map
from .._types import PRNGKey
from ._random import gaussian

#: Names of the outputs.
OUTPUTS = ("none", "linear", "glu", "half_glu")


class SSMOutput(eqx.Module):
    r"""The map from the outputs $y$ of a state space model to those of its layer, $z = \mathrm{GELU}(y)$ first.

    "none": $y$ itself, so that the layer is linear. "linear" (LSSL): $W z + b$. "glu" (S4, LRU):
    $(W_1 z + b_1) \odot \sigma(W_2 z + b_2)$. "half_glu" (S5): $z \odot \sigma(W z + b)$.

    Args:
        kind: one of these.
        num_in: features of $y$.
        num_out: those of the layer.
        dtype: of the weights.
        key: randomness of the weights, of variance one over `num_in`; biases begin at 0.
    """

    weight: Float[Array, "out in"] | None
    bias: Float[Array, " out"] | None
    kind: str = eqx.field(static=True)

    def __init__(self, kind: str, num_in: int, num_out: int, *, dtype: Any, key: PRNGKey) -> None:
        if kind not in OUTPUTS:
            raise ValueError(f"There is no output {kind!r} of a state space model: choose from {', '.join(OUTPUTS)}.")
        if kind in ("none", "half_glu") and num_in != num_out:
            raise ValueError(
                f"The output {kind!r} leaves the features as they are, but there are {num_in} for a layer of "
                f"{num_out}; choose 'linear' or 'glu'."
            )
        self.kind = kind
        rows = {"none": 0, "glu": 2 * num_out}.get(kind, num_out)
        self.weight = gaussian(key, (rows, num_in), dtype, num_in**-0.5) if rows else None
        self.bias = jnp.zeros(rows, dtype) if rows else None

    def __call__(self, ys: Float[Array, "step in"]) -> Float[Array, "step out"]:
        if self.weight is None or self.bias is None:
            return ys
        active = jax.nn.gelu(ys, approximate=False)
        mixed = linear_map(active, self.weight) + self.bias
        if self.kind == "glu":
            first, second = jnp.split(mixed, 2, axis=-1)
            return first * jax.nn.sigmoid(second)
        return active * jax.nn.sigmoid(mixed) if self.kind == "half_glu" else mixed
