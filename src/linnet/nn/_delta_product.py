"""DeltaProduct: several corrections of the memory for each token."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
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


@cite("siems2025deltaproduct", "grazzi2025unlocking")
class DeltaProduct(AbstractSequenceLayer):
    r"""$n_h$ steps of the delta rule for each token, each with a key, a value and a strength of its own:

    $$S_t = A_t S_{t-1} + B_t, \qquad A_t = \prod_{j=n_h}^{1} (I - \beta_{tj} k_{tj} k_{tj}^\top)\, e^{g_t}, \qquad
    B_t = \sum_{j=1}^{n_h} \prod_{l=n_h}^{j+1} (I - \beta_{tl} k_{tl} k_{tl}^\top)\, \beta_{tj} k_{tj} v_{tj}^\top,$$

    the factors from the last on the left to the first on the right. It is the delta rule on a sequence that is $n_h$
    times longer, with the decay before the first of a token's steps and the query after the last. With
    `allow_neg_eigval` a product of two reflections is a rotation, whose eigenvalues are complex: one layer tracks the
    permutations of three things, which one reflection a token cannot.

    Args:
        hidden_size: features in and out.
        num_heads: heads.
        head_dim: $K$; by default `hidden_size / num_heads` (the published code: 256, and 6 heads).
        expand_v: features of a head's values over `head_dim`.
        num_householder: $n_h$.
        allow_neg_eigval: whether $\beta$ reaches 2; on, as published.
        use_forget_gate: whether there is the decay $g$ of `GatedDeltaNet`, else 0.
        use_output_gate: whether the normed output is multiplied by $\mathrm{SiLU}(W_g x)$.
        use_short_conv: whether there is a short convolution over time.
        conv_size: its width.
        conv_bias: whether it has a bias.
        qk_norm: "l2" or `None`, as in `DeltaNet`.
        norm_eps: $\epsilon$ of the norm of the output.
        mode: "step", "scan", "associative", "chunk" or "auto".
        chunk_size: tokens in a chunk.
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if sizes do not fit.
    """

    modes: ClassVar[tuple[str, ...]] = LowRank.attend_modes

    inputs: DeltaInputs
    a_proj: Float[Array, "head in"] | None
    b_proj: Float[Array, "strength in"]
    decay: Decay | None
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
        num_householder: int = 2,
        allow_neg_eigval: bool = True,
        use_forget_gate: bool = True,
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
            check_heads("DeltaProduct", hidden_size, num_heads)
            head_dim = hidden_size // num_heads
        check_delta(
            "DeltaProduct",
            qk_norm,
            hidden_size=hidden_size,
            num_heads=num_heads,
            head_dim=head_dim,
            num_householder=num_householder,
        )
        size, dtype = value_size("DeltaProduct", head_dim, expand_v), float_dtype(dtype)
        inputs_key, gate_key, decay_key, out_key = jr.split(key, 4)
        self.inputs = DeltaInputs(
            hidden_size,
            num_heads,
            head_dim,
            size,
            rank=num_householder,
            use_short_conv=use_short_conv,
            conv_size=conv_size,
            conv_bias=conv_bias,
            dtype=dtype,
            key=inputs_key,
        )
        shapes = [(num_heads, hidden_size), (num_householder * num_heads, hidden_size)]
        a_proj, self.b_proj = projections(gate_key, shapes, dtype)
        self.a_proj = a_proj if use_forget_gate else None
        self.decay = Decay((num_heads,), 0.0, 16.0, dtype, decay_key) if use_forget_gate else None
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
        logits = linear_map(xs, self.b_proj).reshape(xs.shape[0], self.inputs.rank, -1)
        betas = write_strengths(jnp.swapaxes(logits, 1, 2), self.allow_neg_eigval)
        queries, keys = normalised("DeltaProduct", self.qk_norm, queries, keys, betas)
        log = None if self.decay is None or self.a_proj is None else self.decay(linear_map(xs, self.a_proj))
        read, memory = delta_rule(
            queries, keys, values, betas, log, state.memory, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        return self.outputs(read, xs), DeltaState(tail, memory)
