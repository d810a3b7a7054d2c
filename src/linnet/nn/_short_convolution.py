"""The short convolution over time in front of a recurrence."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._types import PRNGKey
from ._network import float_dtype


class ShortConvolution(eqx.Module):
    r"""$y_{tc} = \phi\bigl(\sum_{j=0}^{w-1} K_{cj}\, x_{t-j,c} + b_c\bigr)$: causal, each feature for itself.

    It is a part of layers and no network: its state, the last $w - 1$ inputs, is passed in and out.

    Args:
        size: features.
        width: $w$.
        activation: $\phi$ = SiLU; `False` for none.
        use_bias: whether there is $b$; it begins at 0.
        dtype: of the parameters; by default JAX's.
        key: randomness of $K$, uniform within $\pm 1 / \sqrt w$.
    """

    kernel: Float[Array, "size width"]
    bias: Float[Array, " size"] | None
    activation: bool = eqx.field(static=True)

    def __init__(
        self,
        size: int,
        width: int = 4,
        *,
        activation: bool = True,
        use_bias: bool = False,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        if size < 1 or width < 1:
            raise ValueError(f"ShortConvolution needs a size and a width of at least 1, got {size} and {width}.")
        dtype = float_dtype(dtype)
        bound = width**-0.5
        self.kernel = jr.uniform(key, (size, width), dtype, -bound, bound)
        self.bias = jnp.zeros(size, dtype) if use_bias else None
        self.activation = activation

    def init_state(self) -> Float[Array, "tail size"]:
        """The inputs before the first: zeros."""
        size, width = self.kernel.shape
        return jnp.zeros((width - 1, size), self.kernel.dtype)

    def __call__(
        self,
        xs: Float[Array, "step size"],
        tail: Float[Array, "tail size"],
        resets: Bool[Array, " step"] | None = None,
    ) -> tuple[Float[Array, "step size"], Float[Array, "tail size"]]:
        """The outputs at all steps and the last inputs; nothing passes a reset."""
        num, width = xs.shape[0], self.kernel.shape[1]
        padded = jnp.concatenate([tail, xs])
        total = jnp.zeros_like(xs)
        # How many sequences have begun by each step; the tail belongs to the one before the first reset.
        begun = None if resets is None else jnp.cumsum(resets)
        if begun is not None:
            begun = jnp.concatenate([jnp.zeros(width - 1, begun.dtype), begun])
        for lag in range(width):
            first = width - 1 - lag
            part = padded[first : first + num]
            if begun is not None:
                part = jnp.where((begun[first : first + num] == begun[width - 1 :])[:, None], part, 0)
            total = total + self.kernel[:, lag] * part
        total = total if self.bias is None else total + self.bias
        rest = padded[num:]
        if begun is not None:
            rest = jnp.where((begun[num:] == begun[-1])[:, None], rest, 0)
        return jax.nn.silu(total) if self.activation else total, rest
