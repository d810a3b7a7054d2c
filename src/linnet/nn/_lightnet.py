"""LightNet: keys are a softmax over the past, kept normalised while it grows."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ..scan import Diagonal, LogSumExp, recur
from ._head_inputs import HeadInputs
from ._head_outputs import HeadOutputs
from ._matrix_state import attend_heads, head_sizes, log_ratio, state_dtype
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("qin2024lightnet")
class LightNet(AbstractSequenceLayer):
    r"""Each key is the share of a step in the sum of exponentials so far,

    $$z_t = \log\bigl(e^{z_{t-1}} + e^{W_k x_t}\bigr), \qquad
    S_t = \mathrm{diag}(e^{z_{t-1} - z_t})\, S_{t-1} + e^{W_k x_t - z_t}\, v_t^\top, \qquad
    o_t = S_t^\top \mathrm{swish}(W_q x_t) / \sqrt{d},$$

    an additive recurrence, $S_t = \sum_s \mathrm{softmax}_{s \le t}(W_k x)\, v_s^\top$, written as gated linear
    attention; and $y_t = W_o (\mathrm{RMSNorm}(o_t) \odot \mathrm{swish}(W_2 W_1 x_t))$, the norm over all heads
    together.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: heads.
        expand_ratio: keys of one head; by default as many as it has values, `hidden_size / num_heads`.
        gate_low_rank_dim: the rank of $W_2 W_1$.
        use_short_conv: whether a short convolution (without activation) precedes queries, keys and values.
        conv_size: its width.
        mode: of both recurrences.
        chunk_size: steps in a chunk.
        dtype: of the parameters.
        key: randomness of the weights.

    Raises:
        ValueError: if sizes do not fit.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        ys, (memory, log_sum, tail) = ln.nn.LightNet(16, num_heads=2, key=jr.key(0))(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = LogSumExp.modes
    inputs: HeadInputs
    outputs: HeadOutputs
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        *,
        expand_ratio: int | None = None,
        gate_low_rank_dim: int = 16,
        use_short_conv: bool = False,
        conv_size: int = 4,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        if gate_low_rank_dim < 1:
            raise ValueError(f"LightNet needs a gate_low_rank_dim of at least 1, got {gate_low_rank_dim}.")
        expand = 1.0 if expand_ratio is None else num_heads * expand_ratio / hidden_size
        sizes = head_sizes("LightNet", hidden_size, num_heads, expand, 1.0)
        first, second = jr.split(key)
        conv = conv_size if use_short_conv else 0
        self.inputs = HeadInputs(
            hidden_size, num_heads, *sizes, conv_size=conv, conv_activation=False, dtype=dtype, key=first
        )
        self.outputs = HeadOutputs(
            hidden_size, num_heads, sizes[1], norm="all", gate_rank=gate_low_rank_dim, dtype=dtype, key=second
        )
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def init_state(self) -> tuple[Array, Array, Array | None]:
        """The memory, `"head key value"`, the logarithm of the sum of exponentials, `"head key"` (of nothing: minus
        infinity), and the convolution's tail."""
        memory = self.inputs.init_memory()
        return memory, jnp.full(memory.shape[:2], -jnp.inf, memory.dtype), self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, start, tail = state
        (query, key, value), tail = self.inputs(xs, tail, resets)
        sums, last = recur(
            LogSumExp(jnp.zeros((), state_dtype(key.dtype)), invariant=True),
            key,
            start,
            mode=mode,
            chunk_size=self.chunk_size,
            resets=resets,
        )
        read, memory = attend_heads(
            lambda log: Diagonal(log=log),
            jnp.moveaxis(log_ratio(start, sums, 0.0, resets), 1, 0),
            jax.nn.silu(query) * query.shape[-1] ** -0.5,
            jnp.exp(key - sums),
            value,
            memory,
            resets=resets,
            mode=mode,
            chunk_size=self.chunk_size,
        )
        return self.outputs(read.astype(xs.dtype), xs), (memory, last, tail)
