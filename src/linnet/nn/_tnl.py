"""Lightning attention, the layer of TransNormerLLM."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ..scan import Scalar
from ._head_inputs import HeadInputs
from ._head_outputs import HeadOutputs
from ._matrix_state import attend_heads, head_sizes, state_dtype
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("qin2024various", "qin2022devil")
class TNL(AbstractSequenceLayer):
    r"""Linear attention with a fixed decay in each head, a norm in place of the normaliser, and a linear gate,

    $$S_t = e^{-s_h} S_{t-1} + k_t v_t^\top, \qquad o_t = S_t^\top q_t, \qquad
    y_t = W_o \bigl(\mathrm{SRMSNorm}(o_t) \odot W_u x_t\bigr),$$

    with $q = \mathrm{swish}(W_q x)$, $k = \mathrm{swish}(W_k x)$ and the slopes
    $s_h = 2^{-8 h / H} \bigl(1 - l / (L - 1) + 10^{-5}\bigr)$ of the published code, for heads $h = 1 \dots H$ and the
    layer $l = 0 \dots L - 1$ of a stack of $L$; alone a layer has $s_h = 2^{-8h/H}$. The norm is over all heads
    together and has no weights. Where $H$ is no power of two, the published code takes slopes of two neighbouring
    powers; here the formula is the same for all. Rotary positions, which the first layer of the published model has,
    are left out.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: $H$.
        expand_k: features of all queries, as a multiple of `hidden_size`.
        expand_v: features of all values, as a multiple of `hidden_size`.
        layer_idx: $l$.
        num_layers: $L$.
        use_short_conv: whether a short convolution precedes queries, keys and values.
        conv_size: its width.
        use_output_gate: whether there is $W_u$.
        mode: of the recurrence.
        chunk_size: steps in a chunk.
        dtype: of the parameters.
        key: randomness of the weights.

    Raises:
        ValueError: if sizes do not fit, or there is no such layer in the stack.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        ys, state = ln.nn.TNL(16, num_heads=2, layer_idx=1, num_layers=4, key=jr.key(0))(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = Scalar.attend_modes
    inputs: HeadInputs
    outputs: HeadOutputs
    hidden_size: int = eqx.field(static=True)
    slope: float = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        *,
        expand_k: float = 1.0,
        expand_v: float = 1.0,
        layer_idx: int = 0,
        num_layers: int = 1,
        use_short_conv: bool = False,
        conv_size: int = 4,
        use_output_gate: bool = True,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        if not 0 <= layer_idx < num_layers:
            raise ValueError(f"TNL needs a layer_idx from 0 to num_layers - 1, got {layer_idx} of {num_layers}.")
        sizes = head_sizes("TNL", hidden_size, num_heads, expand_k, expand_v)
        first, second = jr.split(key)
        conv, gate = conv_size if use_short_conv else 0, "identity" if use_output_gate else None
        self.inputs = HeadInputs(hidden_size, num_heads, *sizes, conv_size=conv, dtype=dtype, key=first)
        self.outputs = HeadOutputs(
            hidden_size, num_heads, sizes[1], norm="all", affine=False, gate=gate, dtype=dtype, key=second
        )
        self.slope = 1.0 if num_layers == 1 else 1 - layer_idx / (num_layers - 1) + 1e-5
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def init_state(self) -> tuple[Array, Array | None]:
        """The memory, `"head key value"`, and the convolution's tail."""
        return self.inputs.init_memory(), self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, tail = state
        (query, key, value), tail = self.inputs(xs, tail, resets)
        heads = query.shape[1]
        slopes = 2.0 ** (-8 * jnp.arange(1, heads + 1, dtype=state_dtype(query.dtype)) / heads)
        read, memory = attend_heads(
            lambda log: Scalar(log=log),
            -self.slope * slopes,
            jax.nn.silu(query),
            jax.nn.silu(key),
            value,
            memory,
            resets=resets,
            mode=mode,
            chunk_size=self.chunk_size,
        )
        return self.outputs(read, xs), (memory, tail)
