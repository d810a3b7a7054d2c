"""A gated linear recurrence whose forget gates have a lower bound."""

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
from ._inner_size import inner_size
from ._layer_parts import projections, rms_norm
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer
from ._short_convolution import ShortConvolution


@cite("qin2023hierarchically")
class HGRN(AbstractSequenceLayer):
    r"""Forget gate and input gate are tied, and nothing is forgotten faster than a lower bound allows.

    $$f_t = \gamma + (1 - \gamma)\, \sigma(W_f x_t), \qquad
    h_t = f_t \odot h_{t-1} + (1 - f_t) \odot \mathrm{SiLU}(W_i x_t), \qquad
    y_t = W_o \bigl(\mathrm{RMSNorm}(h_t) \odot \mathrm{SiLU}(W_g x_t)\bigr).$$

    The state is real, as in the implementations that followed the paper, where its phase is data-independent and
    complex. The paper learns $\gamma$ for all layers of a stack together, rising from 0 at the first; here it is a
    number for each layer.

    Args:
        hidden_size: features of inputs and outputs.
        expand_ratio: numbers in the state for each of them.
        lower_bound: $\gamma$, from 0 up to but without 1.
        use_short_conv: whether a convolution over a few steps comes before both gates.
        conv_size: its width.
        use_output_gate: whether there is $W_g$.
        mode: of the recurrence; "auto" takes what is fastest.
        chunk_size: steps in a chunk, for the mode "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if a size is not positive, or the lower bound is no number from 0 to 1.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    input_weights: Float[Array, "inner hidden"]
    forget_weights: Float[Array, "inner hidden"]
    gate_weights: Float[Array, "inner hidden"] | None
    norm_weight: Float[Array, " inner"]
    output_weights: Float[Array, "hidden inner"]
    input_conv: ShortConvolution | None
    forget_conv: ShortConvolution | None
    lower_bound: float = eqx.field(static=True)
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        expand_ratio: float = 1,
        *,
        lower_bound: float = 0.0,
        use_short_conv: bool = False,
        conv_size: int = 4,
        use_output_gate: bool = True,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        inner = inner_size("HGRN", "expand_ratio", hidden_size, expand_ratio)
        if not 0 <= lower_bound < 1:
            raise ValueError(f"HGRN needs a lower_bound of at least 0 and below 1, got {lower_bound}.")
        dtype = float_dtype(dtype)
        weights_key, input_key, forget_key = jr.split(key, 3)
        into = (inner, hidden_size)
        self.input_weights, self.forget_weights, gate, self.output_weights = projections(
            weights_key, [into, into, into, (hidden_size, inner)], dtype
        )
        self.gate_weights = gate if use_output_gate else None
        self.norm_weight = jnp.ones(inner, dtype)
        convs = [
            ShortConvolution(inner, conv_size, activation=False, dtype=dtype, key=k) if use_short_conv else None
            for k in (input_key, forget_key)
        ]
        self.input_conv, self.forget_conv = convs
        self.lower_bound, self.hidden_size, self.mode, self.chunk_size = lower_bound, hidden_size, mode, chunk_size

    def init_state(self) -> Any:
        """The last inputs of both convolutions, where there are any, and the state of the recurrence: zeros."""
        convs = tuple(None if conv is None else conv.init_state() for conv in (self.input_conv, self.forget_conv))
        return (*convs, jnp.zeros_like(self.norm_weight))

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        input_tail, forget_tail, start = state
        inputs, logits = linear_map(xs, self.input_weights), linear_map(xs, self.forget_weights)
        if self.input_conv is not None and self.forget_conv is not None:
            inputs, input_tail = self.input_conv(inputs, input_tail, resets)
            logits, forget_tail = self.forget_conv(logits, forget_tail, resets)
        rest = 1 - self.lower_bound
        keep = self.lower_bound + rest * jax.nn.sigmoid(logits)
        # 1 - f is written by itself: the difference has lost its digits where f is close to 1.
        drives = rest * jax.nn.sigmoid(-logits) * jax.nn.silu(inputs)
        states, last = scan.recur(
            scan.Diagonal(keep), drives, start, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        out = rms_norm(states.astype(xs.dtype), self.norm_weight)
        if self.gate_weights is not None:
            out = out * jax.nn.silu(linear_map(xs, self.gate_weights))
        return linear_map(out, self.output_weights), (input_tail, forget_tail, last.astype(start.dtype))
