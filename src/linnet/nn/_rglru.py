"""The real gated linear recurrent unit of Griffin."""

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
from ._layer_parts import merge_heads, positions_of, projections, split_heads
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._short_convolution import ShortConvolution

#: How much faster than its slowest a unit forgets with its gate open: $c$.
_SHARPNESS = 8.0


@cite("de2024griffin")
class RGLRU(AbstractSequenceLayer):
    r"""Griffin's recurrent block: a diagonal recurrence whose input keeps the size of the state.

    With $u$, the projected input after a short convolution without activation, and gates of block-diagonal weights,

    $$r_t = \sigma(W_r u_t + b_r), \quad i_t = \sigma(W_i u_t + b_i), \quad
    \log a_t = -8\, \mathrm{softplus}(\Lambda) \odot r_t, \quad
    h_t = a_t \odot h_{t-1} + \sqrt{1 - a_t^2} \odot i_t \odot u_t,$$

    and $y_t = W_o (h_t \odot \mathrm{GELU}(W_g x_t + b_g)) + b_o$. As in the authors' code, the first step of a
    sequence is written without the square root, and GELU is its tanh form. They clip the gradient of the root, for
    bfloat16; here $1 - a^2$ is $-\mathrm{expm1}(2 \log a)$ and bounded away from 0.

    Args:
        hidden_size: features of inputs and outputs.
        num_heads: blocks of the gates' weights.
        lru_width: numbers in the state; by default as many as features.
        min_radius: $e^{-\mathrm{softplus}(\Lambda)}$ begins uniformly in area on a ring with this inner radius.
        max_radius: its outer radius. These are those of the authors' code; in the paper they hold for the eighth power.
        use_short_conv: whether there is the convolution.
        conv_size: its width.
        use_output_gate: whether there is $W_g$.
        mode: of the recurrence; "auto" takes what is fastest.
        chunk_size: steps in a chunk, for the mode "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if a size is not positive, heads do not share the state, or the radii are not in order within
            (0, 1).
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    input_weights: Float[Array, "inner hidden"]
    input_bias: Float[Array, " inner"]
    conv: ShortConvolution | None
    decay_weights: Float[Array, "head out in"]
    decay_bias: Float[Array, " inner"]
    write_weights: Float[Array, "head out in"]
    write_bias: Float[Array, " inner"]
    decay: Float[Array, " inner"]
    gate_weights: Float[Array, "inner hidden"] | None
    gate_bias: Float[Array, " inner"] | None
    output_weights: Float[Array, "hidden inner"]
    output_bias: Float[Array, " hidden"]
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 1,
        *,
        lru_width: int | None = None,
        min_radius: float = 0.9,
        max_radius: float = 0.999,
        use_short_conv: bool = True,
        conv_size: int = 4,
        use_output_gate: bool = True,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        inner = hidden_size if lru_width is None else lru_width
        check_heads("RGLRU", hidden_size, 1, lru_width=inner)
        if num_heads < 1 or inner % num_heads:
            raise ValueError(f"RGLRU needs a num_heads that divides its lru_width, got {num_heads} and {inner}.")
        if not 0 < min_radius <= max_radius < 1:
            raise ValueError(f"RGLRU needs 0 < min_radius <= max_radius < 1, got {min_radius} and {max_radius}.")
        dtype = float_dtype(dtype)
        weights_key, gates_key, conv_key, ring_key = jr.split(key, 4)
        into, block = (inner, hidden_size), inner // num_heads
        self.input_weights, gate, self.output_weights = projections(
            weights_key, [into, into, (hidden_size, inner)], dtype
        )
        blocks = jnp.stack(projections(gates_key, [(block, block)] * (2 * num_heads), dtype))
        self.decay_weights, self.write_weights = blocks[:num_heads], blocks[num_heads:]
        self.input_bias = self.decay_bias = self.write_bias = jnp.zeros(inner, dtype)
        self.gate_weights = gate if use_output_gate else None
        self.gate_bias = jnp.zeros(inner, dtype) if use_output_gate else None
        self.output_bias = jnp.zeros(hidden_size, dtype)
        self.conv = None
        if use_short_conv:
            self.conv = ShortConvolution(inner, conv_size, activation=False, use_bias=True, dtype=dtype, key=conv_key)
        # softplus(decay) is -log of the radius.
        area = jr.uniform(ring_key, (inner,), dtype, min_radius**2, max_radius**2)
        self.decay = jnp.log(jnp.expm1(-0.5 * jnp.log(area)))
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def init_state(self) -> Any:
        """The last inputs of the convolution, the state of the recurrence, and whether it has begun: zeros."""
        tail = None if self.conv is None else self.conv.init_state()
        return tail, jnp.zeros_like(self.decay), jnp.zeros((), jnp.int32)

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        tail, start, begun = state
        inputs = linear_map(xs, self.input_weights) + self.input_bias
        if self.conv is not None:
            inputs, tail = self.conv(inputs, tail, resets)
        logs = -_SHARPNESS * jax.nn.softplus(self.decay) * self._gate(inputs, self.decay_weights, self.decay_bias)
        # The root has no derivative at 0.
        rest = jnp.maximum(-jnp.expm1(2 * logs), jnp.finfo(logs.dtype).tiny)
        positions, _ = positions_of(begun, xs.shape[0], resets)
        scale = jnp.where((positions == 0)[:, None], 1, jnp.sqrt(rest))
        drives = scale * self._gate(inputs, self.write_weights, self.write_bias) * inputs
        states, last = scan.recur(
            scan.Diagonal(log=logs), drives, start, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        out = states.astype(xs.dtype)
        if self.gate_weights is not None:
            out = out * jax.nn.gelu(linear_map(xs, self.gate_weights) + self.gate_bias)
        # Only whether it has begun is of use, and a count could run over.
        state = tail, last.astype(start.dtype), jnp.ones_like(begun)
        return linear_map(out, self.output_weights) + self.output_bias, state

    def _gate(self, xs: Array, weights: Array, bias: Array) -> Array:
        parts = jnp.einsum("thi,hoi->tho", split_heads(xs, weights.shape[0]), weights)
        return jax.nn.sigmoid(merge_heads(parts) + bias)
