"""Retention: attention whose scores fade with the distance, at another rate in each head."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ..scan import Scalar
from ._head_inputs import HeadInputs
from ._head_outputs import HeadOutputs
from ._layer_parts import positions_of, rotate
from ._matrix_state import attend_heads, head_sizes, state_dtype
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("sun2023retentive")
class RetNet(AbstractSequenceLayer):
    r"""Multi-scale retention,

    $$S_t = \gamma_h S_{t-1} + R_t k_t\, v_t^\top, \qquad o_t = S_t^\top R_t q_t / \sqrt{d}, \qquad
    y_t = W_o \bigl(\mathrm{GroupNorm}_h(o_t) \odot \mathrm{swish}(W_g x_t)\bigr),$$

    with $\gamma_h = 1 - 2^{-5-h}$ for heads $h = 0, 1, \dots$ and rotations $R_t$ by the position, so that a score
    depends on the distance only, $\gamma^{t-s} (R_t q_t)^\top R_s k_s$. Positions are part of the state, and resets
    begin them anew. The paper's normalisations of the scores are left out: the norm of each head takes them out again.
    That norm has a weight and no bias.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: heads.
        expand_k: features of all queries, as a multiple of `hidden_size`.
        expand_v: features of all values, as a multiple of `hidden_size`.
        use_short_conv: whether a short convolution precedes queries, keys and values.
        conv_size: its width.
        use_output_gate: whether there is $W_g$.
        mode: of the recurrence.
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

        ys, (memory, position, tail) = ln.nn.RetNet(16, num_heads=2, key=jr.key(0))(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = Scalar.attend_modes
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
        expand_k: float = 1.0,
        expand_v: float = 2.0,
        use_short_conv: bool = False,
        conv_size: int = 4,
        use_output_gate: bool = True,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        sizes = head_sizes("RetNet", hidden_size, num_heads, expand_k, expand_v)
        first, second = jr.split(key)
        conv, gate = conv_size if use_short_conv else 0, "silu" if use_output_gate else None
        self.inputs = HeadInputs(hidden_size, num_heads, *sizes, conv_size=conv, dtype=dtype, key=first)
        self.outputs = HeadOutputs(hidden_size, num_heads, sizes[1], norm="group", gate=gate, dtype=dtype, key=second)
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def init_state(self) -> tuple[Array, Array, Array | None]:
        """The memory, `"head key value"`, the position of the next step, and the convolution's tail."""
        return self.inputs.init_memory(), jnp.zeros((), jnp.int32), self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, position, tail = state
        (query, key, value), tail = self.inputs(xs, tail, resets)
        positions, position = positions_of(position, xs.shape[0], resets)
        query = rotate(query, positions) * query.shape[-1] ** -0.5
        read, memory = attend_heads(
            lambda log: Scalar(log=log),
            jnp.log1p(-(2.0 ** (-5 - jnp.arange(query.shape[1], dtype=state_dtype(query.dtype))))),
            query,
            rotate(key, positions),
            value,
            memory,
            resets=resets,
            mode=mode,
            chunk_size=self.chunk_size,
        )
        return self.outputs(read, xs), (memory, position, tail)
