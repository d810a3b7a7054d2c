"""The multilayer perceptron."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import check_sizes, float_dtype
from ._random import glorot_weights


@cite("rumelhart1986learning")
class MLP(eqx.Module):
    r"""$x_{l+1} = \phi(W_l x_l + b_l)$, without activation at the output.

    The layers are held as `weights` and `biases` (in the order in which they act), so that the network without
    biases and with $\phi(x) = x$ is a `DeepLinear` of the same weights.

    Args:
        sizes: `(in, hidden, ..., out)`.
        activation: $\phi$, a leaf of the network's tree.
        use_bias: whether there are biases; they begin at 0.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, drawn from Glorot's Gaussian. Other initialisers take this network and replace
            them.

    !!! example
        ```python
        net = ln.nn.MLP((64, 32, 10), jax.nn.relu, key=key, dtype=jnp.float32)
        net = ln.nn.small(1e-3)(net, key=key)  # the same with small weights
        ```
    """

    weights: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...] | None
    activation: Callable

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable = jnp.tanh,
        *,
        use_bias: bool = True,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        sizes, dtype = check_sizes("MLP", sizes), float_dtype(dtype)
        self.weights = glorot_weights(key, list(zip(sizes[1:], sizes[:-1], strict=True)), dtype)
        self.biases = tuple(jnp.zeros(size, dtype) for size in sizes[1:]) if use_bias else None
        self.activation = activation

    @property
    def depth(self) -> int:
        """The number of weight matrices."""
        return len(self.weights)

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        for layer, weight in enumerate(self.weights):
            x = self.activation(x) if layer > 0 else x
            x = weight @ x if self.biases is None else weight @ x + self.biases[layer]
        return x
