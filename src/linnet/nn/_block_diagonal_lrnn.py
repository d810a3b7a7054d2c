"""A linear recurrence with full matrices in blocks, made of the input: it can hold the states of automata."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .. import scan
from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ._layer_parts import merge_heads, projections, split_heads
from ._network import float_dtype
from ._random import gaussian
from ._sequence_layer import AbstractSequenceLayer, check_heads

#: A matrix of zeros is not divided by its norm.
_LEAST = 1e-14


@cite("fan2024advancing")
class BlockDiagonalLRNN(AbstractSequenceLayer):
    r"""$s_t = \mathrm{blockdiag}(A_1, \dots, A_h)(x_t)\, s_{t-1} + v(x_t)$ from a learned $s_0$, and $y_t = s_t$.

    The blocks come from an MLP with one hidden layer of ReLU units. Of each block $M$ the mean of every column is taken
    off, and the whole is divided by the largest $p$-norm of a column,
    $A = \tilde M / \max_j \lVert \tilde M_{\cdot j} \rVert_p$, so that products of many stay bounded. $v$ is another
    MLP.

    Args:
        hidden_size: features of inputs and outputs, and of the state.
        block_size: $b$, which divides it.
        norm: $p$.
        mode: of the recurrence; "auto" takes what is fastest.
        chunk_size: steps in a chunk, for the modes "scan" and "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters; the variance of the weights is one third of the inverse of their inputs, that
            of the uniform ones of the authors' code, and biases begin from 0.

    Raises:
        ValueError: if a size is not positive, blocks do not share the state, or the norm is below 1.
    """

    modes: ClassVar[tuple[str, ...]] = scan.Block.modes
    block_weights: tuple[Float[Array, "inner hidden"], Float[Array, "inner inner"]]
    block_biases: tuple[Float[Array, " inner"], Float[Array, " inner"]]
    value_weights: tuple[Float[Array, "hidden hidden"], Float[Array, "hidden hidden"]]
    value_biases: tuple[Float[Array, " hidden"], Float[Array, " hidden"]]
    start: Float[Array, "head block"]
    norm: float = eqx.field(static=True)
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        block_size: int = 8,
        *,
        norm: float = 1.2,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_heads("BlockDiagonalLRNN", hidden_size, 1, block_size=block_size)
        if hidden_size % block_size:
            raise ValueError(
                f"BlockDiagonalLRNN needs a hidden_size that block_size divides, got {hidden_size} and {block_size}."
            )
        if norm < 1:
            raise ValueError(f"BlockDiagonalLRNN needs a norm of at least 1, got {norm}.")
        dtype = float_dtype(dtype)
        inner = hidden_size * block_size
        weights_key, start_key = jr.split(key)
        shapes = [(inner, hidden_size), (inner, inner), (hidden_size, hidden_size), (hidden_size, hidden_size)]
        first, second, third, fourth = projections(weights_key, shapes, dtype, 3**-0.5)
        self.block_weights, self.value_weights = (first, second), (third, fourth)
        self.block_biases = jnp.zeros(inner, dtype), jnp.zeros(inner, dtype)
        self.value_biases = jnp.zeros(hidden_size, dtype), jnp.zeros(hidden_size, dtype)
        self.start = gaussian(start_key, (hidden_size // block_size, block_size), dtype, 1.0)
        self.norm, self.hidden_size, self.mode, self.chunk_size = norm, hidden_size, mode, chunk_size

    def init_state(self) -> Float[Array, "head block"]:
        """What was learned."""
        return self.start

    def blocks(self, xs: Float[Array, "step in"]) -> Float[Array, "step head block block"]:
        """The matrices $A$ at all steps."""
        return self._transition(xs).matrices()

    def _transition(self, xs: Array) -> scan.Block:
        """The same, with what divides the blocks by their norms beside them."""
        num_heads, size = self.start.shape
        # Centring is linear: of the weights it costs nothing, of what they give a pass over all steps, there and back.
        shape = num_heads, size, size
        first, *last = self.block_weights[0], self.block_weights[1], self.block_biases[1]
        centring = jnp.eye(size, dtype=first.dtype) - 1 / size
        weights, biases = (
            jnp.matmul(centring, part.reshape(num_heads, size, -1), precision="highest").reshape(part.shape)
            for part in last
        )
        raw = _mlp(xs, (first, weights), (self.block_biases[0], biases))
        raw = raw.reshape(xs.shape[0], *shape)
        # As a power XLA computes it number by number; and a product with ones is quicker than a sum.
        powers = jnp.exp(self.norm * jnp.log(jnp.maximum(jnp.abs(raw), jnp.finfo(raw.dtype).tiny)))
        powers = _largest(jnp.matmul(jnp.ones((1, size), raw.dtype), powers, precision="highest")[..., 0, :])
        return scan.Block(raw, factors=jnp.exp(jnp.log(jnp.maximum(powers, _LEAST)) / -self.norm))

    def drives(self, xs: Float[Array, "step in"]) -> Float[Array, "step head block"]:
        """What is added, $v$, at all steps."""
        return split_heads(_mlp(xs, self.value_weights, self.value_biases), self.start.shape[0])

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        transition, drives = self._transition(xs), self.drives(xs)
        if resets is not None:
            # A new sequence begins from what was learned, not from 0.
            begin = jax.vmap(lambda step: step.apply(self.start))(transition)
            drives = drives + jnp.where(resets[:, None, None], begin, 0)
        states, last = scan.recur(transition, drives, state, mode=mode, chunk_size=self.chunk_size, resets=resets)
        return merge_heads(states).astype(xs.dtype), last.astype(self.start.dtype)


def _largest(xs: Array) -> Array:
    """The largest of the last axis, two by two: without the count of equal ones that a maximum's derivative takes."""
    while (size := xs.shape[-1]) > 1:
        xs = jnp.maximum(xs[..., : (size + 1) // 2], xs[..., size // 2 :])
    return xs[..., 0]


def _mlp(xs: Array, weights: tuple[Array, Array], biases: tuple[Array, Array]) -> Array:
    hidden = jax.nn.relu(linear_map(xs, weights[0]) + biases[0])
    return linear_map(hidden, weights[1]) + biases[1]
