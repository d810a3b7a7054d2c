"""Gated DeltaNet: the delta rule on a memory that also fades."""

from typing import Any, ClassVar

import equinox as eqx
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ..scan import LowRank
from ._delta_parts import (
    Decay,
    DeltaInputs,
    DeltaState,
    check_delta,
    delta_rule,
    normalised,
    value_size,
    write_strengths,
)
from ._head_outputs import HeadOutputs
from ._layer_parts import projections
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads


@cite("yang2025gated", "grazzi2025unlocking")
class GatedDeltaNet(AbstractSequenceLayer):
    r"""The delta rule after a decay, one number for each head and step,

    $$S_t = (I - \beta_t k_t k_t^\top)\, e^{g_t} S_{t-1} + \beta_t k_t v_t^\top, \qquad
    g_t = -e^{A}\, \mathrm{softplus}(W_a x_t + b),$$

    $o_t = S_t^\top q_t / \sqrt K$, the rest as in `DeltaNet`. The output is
    $W_o \bigl(\mathrm{RMSNorm}(o) \odot \mathrm{SiLU}(W_g x)\bigr)$. $e^A$ begins uniform between 0 and 16 and
    $\mathrm{softplus}(b)$ log-uniform between 0.001 and 0.1.

    Args:
        hidden_size: features in and out.
        num_heads: heads.
        head_dim: $K$; by default `hidden_size / num_heads` (the published code: 256, and 6 heads).
        expand_v: features of a head's values over `head_dim`.
        allow_neg_eigval: whether $\beta$ reaches 2, and eigenvalues $-1$.
        use_output_gate: whether there is $W_g$.
        use_short_conv: whether there is a short convolution over time.
        conv_size: its width.
        conv_bias: whether it has a bias.
        qk_norm: "l2" or `None`, as in `DeltaNet`.
        norm_eps: $\epsilon$ of the norm of the output.
        mode: "step", "scan", "associative", "chunk" or "auto".
        chunk_size: steps in a chunk.
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if sizes do not fit.
    """

    modes: ClassVar[tuple[str, ...]] = LowRank.attend_modes

    inputs: DeltaInputs
    a_proj: Float[Array, "head in"]
    b_proj: Float[Array, "head in"]
    decay: Decay
    outputs: HeadOutputs
    hidden_size: int = eqx.field(static=True)
    allow_neg_eigval: bool = eqx.field(static=True)
    qk_norm: str | None = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        head_dim: int | None = None,
        expand_v: float = 2.0,
        *,
        allow_neg_eigval: bool = False,
        use_output_gate: bool = True,
        use_short_conv: bool = True,
        conv_size: int = 4,
        conv_bias: bool = False,
        qk_norm: str | None = "l2",
        norm_eps: float = 1e-5,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        if head_dim is None:
            check_heads("GatedDeltaNet", hidden_size, num_heads)
            head_dim = hidden_size // num_heads
        check_delta("GatedDeltaNet", qk_norm, hidden_size=hidden_size, num_heads=num_heads, head_dim=head_dim)
        size, dtype = value_size("GatedDeltaNet", head_dim, expand_v), float_dtype(dtype)
        inputs_key, gate_key, decay_key, out_key = jr.split(key, 4)
        self.inputs = DeltaInputs(
            hidden_size,
            num_heads,
            head_dim,
            size,
            use_short_conv=use_short_conv,
            conv_size=conv_size,
            conv_bias=conv_bias,
            dtype=dtype,
            key=inputs_key,
        )
        self.a_proj, self.b_proj = projections(gate_key, [(num_heads, hidden_size)] * 2, dtype)
        self.decay = Decay((num_heads,), 0.0, 16.0, dtype, decay_key)
        gate = "silu" if use_output_gate else None
        self.outputs = HeadOutputs(hidden_size, num_heads, size, gate=gate, epsilon=norm_eps, dtype=dtype, key=out_key)
        self.hidden_size = hidden_size
        self.allow_neg_eigval, self.qk_norm = allow_neg_eigval, qk_norm
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> DeltaState:
        return self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: DeltaState, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], DeltaState]:
        queries, keys, values, tail = self.inputs(xs, state.tail, resets)
        betas = write_strengths(linear_map(xs, self.b_proj), self.allow_neg_eigval)[..., None]
        log = self.decay(linear_map(xs, self.a_proj))
        queries, keys = normalised("GatedDeltaNet", self.qk_norm, queries, keys, betas)
        read, memory = delta_rule(
            queries, keys, values, betas, log, state.memory, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        return self.outputs(read, xs), DeltaState(tail, memory)
