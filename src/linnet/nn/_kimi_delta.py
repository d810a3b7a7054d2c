"""Kimi Delta Attention: the delta rule on a memory in which each key feature fades at a rate of its own."""

from typing import Any, ClassVar

import equinox as eqx
import jax
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
from ._layer_parts import merge_heads, projections, rms_norm, split_heads
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads


@cite("kimi2025linear", "grazzi2025unlocking")
class KimiDelta(AbstractSequenceLayer):
    r"""The delta rule after a decay, one number for each head, key feature and step,

    $$S_t = (I - \beta_t k_t k_t^\top)\, \mathrm{diag}(e^{g_t})\, S_{t-1} + \beta_t k_t v_t^\top, \qquad
    g_t = -e^{A}\, \mathrm{softplus}(F_2 F_1 x_t + b),$$

    the rest as in `GatedDeltaNet`, which it is where all features of a head have one decay. With a `lower_bound`
    $l < 0$ the decays are bounded below too: $g_t = l\, \sigma\bigl(e^{A} (F_2 F_1 x_t + b)\bigr)$. The output is
    $W_o \bigl(\mathrm{RMSNorm}(o) \odot \sigma(G_2 G_1 x + c)\bigr)$.

    $e^A$ begins uniform between 1 and 16, as published, and $b$ such that decays begin slow,
    $\mathrm{softplus}(b)$ log-uniform between 0.001 and 0.1 as in `GatedDeltaNet`; in the published code $b$ begins at
    0, which forgets nearly everything within two steps.

    Args:
        hidden_size: features in and out.
        num_heads: heads.
        head_dim: $K$; by default `hidden_size / num_heads` (the published code: 128, and 16 heads).
        expand_v: features of a head's values over `head_dim`.
        allow_neg_eigval: whether $\beta$ reaches 2, and eigenvalues $-1$.
        gate_low_rank_dim: rows of $F_1$ and of $G_1$; by default those of a head's values.
        lower_bound: $l$; `None` for the unbounded decay. The published value is -5.
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
        ValueError: if sizes do not fit, or the lower bound is not below 0.
    """

    modes: ClassVar[tuple[str, ...]] = LowRank.attend_modes

    inputs: DeltaInputs
    f_down: Float[Array, "low in"]
    f_up: Float[Array, "keys low"]
    b_proj: Float[Array, "head in"]
    decay: Decay
    g_down: Float[Array, "low in"]
    g_up: Float[Array, "features low"]
    g_bias: Float[Array, " features"]
    o_norm: Float[Array, " value"]
    o_proj: Float[Array, "out features"]
    hidden_size: int = eqx.field(static=True)
    allow_neg_eigval: bool = eqx.field(static=True)
    lower_bound: float | None = eqx.field(static=True)
    qk_norm: str | None = eqx.field(static=True)
    norm_eps: float = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        head_dim: int | None = None,
        expand_v: float = 1.0,
        *,
        allow_neg_eigval: bool = False,
        gate_low_rank_dim: int | None = None,
        lower_bound: float | None = None,
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
            check_heads("KimiDelta", hidden_size, num_heads)
            head_dim = hidden_size // num_heads
        check_delta("KimiDelta", qk_norm, hidden_size=hidden_size, num_heads=num_heads, head_dim=head_dim)
        size, dtype = value_size("KimiDelta", head_dim, expand_v), float_dtype(dtype)
        low = size if gate_low_rank_dim is None else gate_low_rank_dim
        check_delta("KimiDelta", qk_norm, gate_low_rank_dim=low)
        if lower_bound is not None and not lower_bound < 0:
            raise ValueError(f"KimiDelta needs a lower_bound below 0, such as -5, got {lower_bound}.")
        inputs_key, gate_key, decay_key = jr.split(key, 3)
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
        width = num_heads * size
        shapes = [
            (low, hidden_size), (num_heads * head_dim, low), (num_heads, hidden_size),
            (low, hidden_size), (width, low), (hidden_size, width),
        ]  # fmt: skip
        self.f_down, self.f_up, self.b_proj, self.g_down, self.g_up, self.o_proj = projections(gate_key, shapes, dtype)
        self.decay = Decay((num_heads, head_dim), 1.0, 16.0, dtype, decay_key)
        self.g_bias, self.o_norm = jnp.zeros(width, dtype), jnp.ones(size, dtype)
        self.hidden_size, self.lower_bound, self.norm_eps = hidden_size, lower_bound, norm_eps
        self.allow_neg_eigval, self.qk_norm = allow_neg_eigval, qk_norm
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> DeltaState:
        return self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: DeltaState, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], DeltaState]:
        queries, keys, values, tail = self.inputs(xs, state.tail, resets)
        betas = write_strengths(linear_map(xs, self.b_proj), self.allow_neg_eigval)[..., None]
        queries, keys = normalised("KimiDelta", self.qk_norm, queries, keys, betas)
        drive = split_heads(linear_map(linear_map(xs, self.f_down), self.f_up), self.inputs.num_heads)
        if self.lower_bound is None:
            log = self.decay(drive)
        else:
            rates = jnp.exp(self.decay.A_log)[:, None]
            log = self.lower_bound * jax.nn.sigmoid(rates * (drive + self.decay.dt_bias))
        outputs, memory = delta_rule(
            queries, keys, values, betas, log, state.memory, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        gate = jax.nn.sigmoid(linear_map(linear_map(xs, self.g_down), self.g_up) + self.g_bias)
        merged = merge_heads(rms_norm(outputs, self.o_norm, self.norm_eps)) * gate
        return linear_map(merged, self.o_proj), DeltaState(tail, memory)
