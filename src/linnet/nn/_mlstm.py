"""mLSTM: exponential gates over a matrix memory, kept in range by a running maximum."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ..scan import MaxPlus, Scalar, recur
from ._head_inputs import HeadInputs
from ._head_outputs import HeadOutputs
from ._matrix_state import attend_heads, head_sizes, log_ratio, state_dtype
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("beck2024xlstm")
class MLSTM(AbstractSequenceLayer):
    r"""The matrix memory of xLSTM. With gates $i_t = w_i^\top x_t + b_i$ and $f_t = w_f^\top x_t + b_f$ of each head
    and the stabiliser $m_t = \max(\log \sigma(f_t) + m_{t-1},\, i_t)$,

    $$C_t = e^{\log \sigma(f_t) + m_{t-1} - m_t} C_{t-1} + e^{i_t - m_t}\, \tfrac{k_t}{\sqrt d} v_t^\top, \qquad
    o_t = \frac{C_t^\top q_t}{\max(|n_t^\top q_t|,\, e^{-m_t})},$$

    where $n$ is written as $C$ is, with a value of 1, and
    $y_t = W_o (\mathrm{GroupNorm}_h(o_t) \odot \sigma(W_g x_t))$. What is read does not depend on $m$. Before the first
    step $m = -\infty$. The exponential $e^{-m_t}$ is bounded by the root of the largest number of the dtype, and from
    below by its inverse: beyond it outputs are 0 to rounding, and their gradients would be none.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: heads.
        expand_k: features of all queries, as a multiple of `hidden_size`.
        expand_v: features of all values, as a multiple of `hidden_size`.
        forget_gate: "sigmoid", or "exp" for $\log f_t = f_t$ in place of $\log \sigma(f_t)$.
        gate_soft_cap: $c$, where both gates are $c \tanh(\cdot / c)$; `None` for no cap.
        use_short_conv: whether a short convolution precedes queries, keys and values.
        conv_size: its width.
        use_output_gate: whether there is $W_g$.
        mode: of both recurrences.
        chunk_size: steps in a chunk.
        dtype: of the parameters.
        key: randomness of the weights; $w_i = w_f = 0$, $b_i$ is Gaussian of standard deviation 0.1, and $b_f$ goes
            from 3 to 6 over the heads.

    Raises:
        ValueError: if sizes do not fit, the gate is unknown, or the cap is not positive.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        ys, (memory, normalizer, largest, tail) = ln.nn.MLSTM(16, num_heads=2, key=jr.key(0))(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = MaxPlus.modes
    inputs: HeadInputs
    outputs: HeadOutputs
    input_gate: Float[Array, "head hidden"]
    input_bias: Float[Array, " head"]
    forget_gate: Float[Array, "head hidden"]
    forget_bias: Float[Array, " head"]
    hidden_size: int = eqx.field(static=True)
    forget_kind: str = eqx.field(static=True)
    gate_soft_cap: float | None = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        *,
        expand_k: float = 0.5,
        expand_v: float = 1.0,
        forget_gate: str = "sigmoid",
        gate_soft_cap: float | None = None,
        use_short_conv: bool = False,
        conv_size: int = 4,
        use_output_gate: bool = True,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        if forget_gate not in ("sigmoid", "exp"):
            raise ValueError(f"MLSTM needs a forget_gate sigmoid or exp, got {forget_gate!r}.")
        if gate_soft_cap is not None and gate_soft_cap <= 0:
            raise ValueError(f"MLSTM needs a positive gate_soft_cap, or None, got {gate_soft_cap}.")
        sizes = head_sizes("MLSTM", hidden_size, num_heads, expand_k, expand_v)
        first, second, third = jr.split(key, 3)
        conv, gate = conv_size if use_short_conv else 0, "sigmoid" if use_output_gate else None
        self.inputs = HeadInputs(hidden_size, num_heads, *sizes, conv_size=conv, dtype=dtype, key=first)
        self.outputs = HeadOutputs(hidden_size, num_heads, sizes[1], norm="group", gate=gate, dtype=dtype, key=second)
        self.input_gate = self.forget_gate = jnp.zeros((num_heads, hidden_size), dtype)
        self.input_bias = 0.1 * jr.normal(third, (num_heads,), dtype)
        self.forget_bias = jnp.linspace(3, 6, num_heads, dtype=dtype)
        self.hidden_size, self.forget_kind, self.gate_soft_cap = hidden_size, forget_gate, gate_soft_cap
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> tuple[Array, Array, Array, Array | None]:
        """$C$, `"head key value"`, $n$, `"head key"`, $m$, `"head"`, and the convolution's tail."""
        memory = self.inputs.init_memory()
        largest = jnp.full(memory.shape[:1], -jnp.inf, memory.dtype)
        return memory, jnp.zeros(memory.shape[:2], memory.dtype), largest, self.inputs.init_state()

    def gates(self, xs: Float[Array, "step in"]) -> tuple[Float[Array, "step head"], Float[Array, "step head"]]:
        """The logarithms of the input and forget gates."""
        dtype = state_dtype(xs.dtype)
        write = (linear_map(xs, self.input_gate) + self.input_bias).astype(dtype)
        keep = (linear_map(xs, self.forget_gate) + self.forget_bias).astype(dtype)
        cap = self.gate_soft_cap
        if cap is not None:
            write, keep = cap * jnp.tanh(write / cap), cap * jnp.tanh(keep / cap)
        return write, keep if self.forget_kind == "exp" else jax.nn.log_sigmoid(keep)

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, normalizer, start, tail = state
        (query, key, value), tail = self.inputs(xs, tail, resets)
        write, keep = self.gates(xs)
        largest, last = recur(MaxPlus(keep), write, start, mode=mode, chunk_size=self.chunk_size, resets=resets)
        key = key * (jnp.exp(write - largest) * key.shape[-1] ** -0.5)[..., None]
        read, memory = attend_heads(
            lambda log: Scalar(log=log),
            log_ratio(start, largest, keep, resets).T,
            query,
            key,
            jnp.concatenate([value, jnp.ones_like(value[..., :1])], axis=-1),
            jnp.concatenate([memory, normalizer[..., None]], axis=-1),
            resets=resets,
            mode=mode,
            chunk_size=self.chunk_size,
        )
        # Half of the largest exponent: the square of the denominator, which is in its gradient, is a number too.
        bound = 0.49 * math.log(float(jnp.finfo(read.dtype).max))
        least = jnp.exp(jnp.clip(-largest, -bound, bound))[..., None]
        read = read[..., :-1] / jnp.maximum(jnp.abs(read[..., -1:]), least)
        return self.outputs(read.astype(xs.dtype), xs), (memory[..., :-1], memory[..., -1], last, tail)
