"""Softmax attention with a learned query, as a recurrence."""

from typing import Any, ClassVar

import equinox as eqx
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


@cite("feng2024attention")
class Aaren(AbstractSequenceLayer):
    r"""Causal softmax attention of a learned query $q$ that does not depend on the input, in constant memory.

    With $s_t = q^\top k_t / \sqrt d$ in each head, three running numbers and vectors,

    $$m_t = \max(m_{t-1}, s_t), \quad u_t = e^{m_{t-1} - m_t} u_{t-1} + e^{s_t - m_t}, \quad
    w_t = e^{m_{t-1} - m_t} w_{t-1} + e^{s_t - m_t} v_t,$$

    give $o_t = w_t / u_t = \sum_{i \le t} \mathrm{softmax}(s)_i\, v_i$, the attention over the steps so far. The
    maximum is a recurrence of its own, and the other two are one with decay $e^{m_{t-1} - m_t}$. The paper projects its
    query like a token; the product of both is $q$ here.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: heads, each with a query of its own.
        head_dim: $d$; by default the heads share the features.
        mode: of the recurrences; "auto" takes what is fastest.
        chunk_size: steps in a chunk, for the modes "scan" and "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if a size is not positive, or the heads do not share the features.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    query: Float[Array, "head key"]
    key_weights: Float[Array, "inner hidden"]
    value_weights: Float[Array, "inner hidden"]
    output_weights: Float[Array, "hidden inner"]
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 1,
        head_dim: int | None = None,
        *,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_heads("Aaren", hidden_size, num_heads if head_dim is None else 1)
        if head_dim is not None and min(num_heads, head_dim) < 1:
            raise ValueError(f"Aaren needs num_heads and head_dim of at least 1, got {num_heads} and {head_dim}.")
        size = hidden_size // num_heads if head_dim is None else head_dim
        dtype = float_dtype(dtype)
        weights_key, query_key = jr.split(key)
        into = (num_heads * size, hidden_size)
        self.key_weights, self.value_weights, self.output_weights = projections(
            weights_key, [into, into, into[::-1]], dtype
        )
        self.query = gaussian(query_key, (num_heads, size), dtype, 1.0)
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def init_state(self) -> tuple[Float[Array, " head"], Float[Array, "head sum"]]:
        r"""The maximum of no scores, $-\infty$, and the sums $u$ and $w$ side by side: zeros."""
        num_heads, size = self.query.shape
        dtype = self.query.dtype
        return jnp.full(num_heads, -jnp.inf, dtype), jnp.zeros((num_heads, 1 + size), dtype)

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        largest, sums = state
        num_heads, size = self.query.shape
        keys = split_heads(linear_map(xs, self.key_weights), num_heads)
        values = split_heads(linear_map(xs, self.value_weights), num_heads)
        scores = jnp.einsum("thk,hk->th", keys, self.query) / size**0.5
        options: Any = {"mode": mode, "chunk_size": self.chunk_size, "resets": resets}
        stay = scan.MaxPlus(jnp.zeros(num_heads, scores.dtype), invariant=True)
        maxima, last = scan.recur(stay, scores, largest, **options)
        before = jnp.concatenate([largest[None].astype(maxima.dtype), maxima[:-1]])
        # Before the first step there is nothing to decay, and the difference would be infinite.
        empty = jnp.isneginf(before)
        empty = empty if resets is None else empty | resets[:, None]
        logs = jnp.where(empty, 0, jnp.where(empty, 0, before) - jnp.where(empty, 0, maxima))
        terms = jnp.concatenate([jnp.ones_like(values[..., :1]), values], axis=-1)
        drives = jnp.exp(scores - maxima)[..., None] * terms
        states, total = scan.recur(scan.Diagonal(log=logs), drives, sums, **options)
        out = merge_heads(states[..., 1:] / states[..., :1]).astype(xs.dtype)
        return linear_map(out, self.output_weights), (last.astype(largest.dtype), total.astype(sums.dtype))
