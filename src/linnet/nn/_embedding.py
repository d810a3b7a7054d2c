"""How a sequence model reads its inputs: a row for each token, or a linear map of numbers."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._products import linear_map
from .._types import PRNGKey
from ._network import float_dtype
from ._random import gaussian


class Embedding(eqx.Module):
    r"""$e(x) = E_x$: a row of features for each token; tokens are $0, \dots, V - 1$.

    A token outside of that range is read as the nearest one within it, as JAX indexes; `prefill` and `generate` refuse
    it.

    Args:
        vocab_size: $V$, how many tokens there are.
        hidden_size: features.
        dtype: of the parameters; by default JAX's.
        key: randomness of $E$, Gaussian of variance `1 / hidden_size`, so that rows have a length of about 1.
    """

    weight: Float[Array, "vocab hidden"]

    def __init__(self, vocab_size: int, hidden_size: int, *, dtype: Any = None, key: PRNGKey) -> None:
        _check("Embedding", vocab_size=vocab_size, hidden_size=hidden_size)
        self.weight = gaussian(key, (vocab_size, hidden_size), float_dtype(dtype), hidden_size**-0.5)

    @property
    def hidden_size(self) -> int:
        """Features."""
        return self.weight.shape[1]

    def __call__(self, xs: Array) -> Float[Array, "step hidden"]:
        """The rows of tokens, integers of shape (step,)."""
        if xs.ndim != 1 or not jnp.issubdtype(xs.dtype, jnp.integer):
            raise ValueError(
                f"A model of tokens needs integers of shape (step,), got {xs.dtype} of shape {xs.shape}; a batch is "
                "mapped by `jax.vmap`."
            )
        return jnp.take(self.weight, xs, axis=0, mode="clip")


class LinearEmbedding(eqx.Module):
    r"""$e(x) = W x + b$: numbers mapped to features.

    Args:
        in_size: numbers at each step.
        hidden_size: features.
        dtype: of the parameters; by default JAX's.
        key: randomness of $W$, Gaussian of variance `1 / in_size`; $b$ begins at 0.
    """

    weight: Float[Array, "hidden in"]
    bias: Float[Array, " hidden"]

    def __init__(self, in_size: int, hidden_size: int, *, dtype: Any = None, key: PRNGKey) -> None:
        _check("LinearEmbedding", in_size=in_size, hidden_size=hidden_size)
        dtype = float_dtype(dtype)
        self.weight = gaussian(key, (hidden_size, in_size), dtype, in_size**-0.5)
        self.bias = jnp.zeros(hidden_size, dtype)

    @property
    def hidden_size(self) -> int:
        """Features."""
        return self.weight.shape[0]

    def __call__(self, xs: Array) -> Float[Array, "step hidden"]:
        """The features of numbers of shape (step, in)."""
        in_size = self.weight.shape[1]
        if xs.ndim != 2 or xs.shape[1] != in_size or not jnp.issubdtype(xs.dtype, jnp.floating):
            raise ValueError(
                f"A model of numbers needs xs of shape (step, {in_size}), got {xs.dtype} of shape {xs.shape}; a batch "
                "is mapped by `jax.vmap`."
            )
        return linear_map(xs, self.weight) + self.bias


def _check(name: str, **sizes: int) -> None:
    for argument, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} needs a {argument} of at least 1, got {size}.")
