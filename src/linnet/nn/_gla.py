"""Gated linear attention: every key has a decay of its own that depends on the input."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ..scan import Diagonal
from ._head_inputs import HeadInputs
from ._head_outputs import HeadOutputs
from ._layer_parts import projections, split_heads
from ._matrix_state import attend_heads, head_sizes
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("yang2024gated", "grazzi2025unlocking")
class GLA(AbstractSequenceLayer):
    r"""Linear attention with a gate for each key,

    $$S_t = \mathrm{diag}(\alpha_t)\, S_{t-1} + k_t v_t^\top, \qquad o_t = S_t^\top q_t / \sqrt{d}, \qquad
    \alpha_t = \sigma(W_2 W_1 x_t + b)^{1/\tau},$$

    and $y_t = W_o (\mathrm{RMSNorm}_h(o_t) \odot \mathrm{swish}(W_g x_t))$, the norm over each head.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: heads.
        expand_k: features of all queries, as a multiple of `hidden_size`.
        expand_v: features of all values, as a multiple of `hidden_size`.
        gate_low_rank_dim: the rank of $W_2 W_1$.
        gate_logit_normalizer: $\tau$.
        allow_neg_eigval: eigenvalues $2 \alpha_t - 1$ in $[-1, 1]$ in place of $\alpha_t$.
        use_short_conv: whether a short convolution precedes queries, keys and values.
        conv_size: its width.
        use_output_gate: whether there is $W_g$.
        mode: of the recurrence.
        chunk_size: steps in a chunk.
        dtype: of the parameters.
        key: randomness of the weights; $b$ begins at 0.

    Raises:
        ValueError: if sizes do not fit.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        ys, state = ln.nn.GLA(16, num_heads=2, key=jr.key(0))(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = tuple(mode for mode in Diagonal.attend_modes if mode != "fft")
    inputs: HeadInputs
    outputs: HeadOutputs
    decay_down: Float[Array, "rank hidden"]
    decay_up: Float[Array, "keys rank"]
    decay_bias: Float[Array, " keys"]
    hidden_size: int = eqx.field(static=True)
    gate_logit_normalizer: float = eqx.field(static=True)
    allow_neg_eigval: bool = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        *,
        expand_k: float = 0.5,
        expand_v: float = 1.0,
        gate_low_rank_dim: int = 16,
        gate_logit_normalizer: float = 16.0,
        allow_neg_eigval: bool = False,
        use_short_conv: bool = False,
        conv_size: int = 4,
        use_output_gate: bool = True,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        sizes = head_sizes("GLA", hidden_size, num_heads, expand_k, expand_v)
        if gate_low_rank_dim < 1 or gate_logit_normalizer <= 0:
            raise ValueError(
                "GLA needs a gate_low_rank_dim of at least 1 and a positive gate_logit_normalizer, got "
                f"{gate_low_rank_dim} and {gate_logit_normalizer}."
            )
        first, second, third = jr.split(key, 3)
        conv, gate = conv_size if use_short_conv else 0, "silu" if use_output_gate else None
        keys = num_heads * sizes[0]
        self.inputs = HeadInputs(hidden_size, num_heads, *sizes, conv_size=conv, dtype=dtype, key=first)
        self.outputs = HeadOutputs(hidden_size, num_heads, sizes[1], gate=gate, dtype=dtype, key=second)
        shapes = [(gate_low_rank_dim, hidden_size), (keys, gate_low_rank_dim)]
        self.decay_down, self.decay_up = projections(third, shapes, dtype)
        self.decay_bias = jnp.zeros(keys, dtype)
        self.hidden_size, self.gate_logit_normalizer = hidden_size, gate_logit_normalizer
        self.allow_neg_eigval, self.mode, self.chunk_size = allow_neg_eigval, mode, chunk_size

    def init_state(self) -> tuple[Array, Array | None]:
        """The memory, `"head key value"`, and the convolution's tail."""
        return self.inputs.init_memory(), self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, tail = state
        (query, key, value), tail = self.inputs(xs, tail, resets)
        logits = linear_map(linear_map(xs, self.decay_down), self.decay_up) + self.decay_bias
        log = split_heads(jax.nn.log_sigmoid(logits) / self.gate_logit_normalizer, query.shape[1])

        def transition(log: Array) -> Diagonal:
            return Diagonal(2 * jnp.exp(log) - 1) if self.allow_neg_eigval else Diagonal(log=log)

        read, memory = attend_heads(
            transition,
            jnp.moveaxis(log, 1, 0),
            query * query.shape[-1] ** -0.5,
            key,
            value,
            memory,
            resets=resets,
            mode=mode,
            chunk_size=self.chunk_size,
        )
        return self.outputs(read, xs), (memory, tail)
