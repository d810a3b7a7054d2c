"""HGRN2: the forget gate of each key is also what the key does not keep."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ..scan import Diagonal
from ._head_inputs import HeadInputs
from ._head_outputs import HeadOutputs
from ._matrix_state import attend_heads, head_sizes
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("qin2024hgrn2")
class HGRN2(AbstractSequenceLayer):
    r"""A gated recurrence with an expanded state,

    $$S_t = \mathrm{diag}(f_t)\, S_{t-1} + (1 - f_t)\, i_t^\top, \qquad o_t = S_t^\top \mathrm{swish}(W_q x_t), \qquad
    f_t = \ell + (1 - \ell)\, \sigma(W_f x_t), \qquad i_t = W_i x_t,$$

    and $y_t = W_o\, \mathrm{RMSNorm}(o_t)$, the norm over all heads together. $1 - f$ is computed as
    $-\mathrm{expm1}(\log f)$, so that gates that are nearly open write what they should. The paper learns the
    lower bounds $\ell$ of a stack of layers together; here $\ell$ is a number of each layer.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: heads.
        expand_ratio: keys of one head; by default as many as it has values, `hidden_size / num_heads`.
        lower_bound: $\ell$, at least 0 and less than 1.
        use_short_conv: whether a short convolution (without activation) precedes queries, gates and values.
        conv_size: its width.
        mode: of the recurrence.
        chunk_size: steps in a chunk.
        dtype: of the parameters.
        key: randomness of the weights.

    Raises:
        ValueError: if sizes do not fit, or the bound is outside its range.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        ys, state = ln.nn.HGRN2(16, num_heads=2, lower_bound=0.5, key=jr.key(0))(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = tuple(mode for mode in Diagonal.attend_modes if mode != "fft")
    inputs: HeadInputs
    outputs: HeadOutputs
    hidden_size: int = eqx.field(static=True)
    lower_bound: float = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        *,
        expand_ratio: int | None = None,
        lower_bound: float = 0.0,
        use_short_conv: bool = False,
        conv_size: int = 4,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        if not 0 <= lower_bound < 1:
            raise ValueError(f"HGRN2 needs a lower_bound of at least 0 and less than 1, got {lower_bound}.")
        expand = 1.0 if expand_ratio is None else num_heads * expand_ratio / hidden_size
        sizes = head_sizes("HGRN2", hidden_size, num_heads, expand, 1.0)
        first, second = jr.split(key)
        conv = conv_size if use_short_conv else 0
        self.inputs = HeadInputs(
            hidden_size, num_heads, *sizes, conv_size=conv, conv_activation=False, dtype=dtype, key=first
        )
        self.outputs = HeadOutputs(hidden_size, num_heads, sizes[1], norm="all", gate=None, dtype=dtype, key=second)
        self.hidden_size, self.lower_bound = hidden_size, lower_bound
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> tuple[Array, Array | None]:
        """The memory, `"head key value"`, and the convolution's tail."""
        return self.inputs.init_memory(), self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, tail = state
        (query, logits, value), tail = self.inputs(xs, tail, resets)
        log = jax.nn.log_sigmoid(logits)
        if self.lower_bound > 0:
            log = jnp.logaddexp(math.log(self.lower_bound), math.log1p(-self.lower_bound) + log)
        read, memory = attend_heads(
            lambda log: Diagonal(log=log),
            jnp.moveaxis(log, 1, 0),
            jax.nn.silu(query),
            -jnp.expm1(log),
            value,
            memory,
            resets=resets,
            mode=mode,
            chunk_size=self.chunk_size,
        )
        return self.outputs(read, xs), (memory, tail)
