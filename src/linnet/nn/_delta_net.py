"""DeltaNet: what is stored under a key is replaced, not added to."""

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
    DeltaInputs,
    DeltaState,
    check_delta,
    delta_rule,
    normalised,
    write_strengths,
)
from ._head_outputs import HeadOutputs
from ._layer_parts import projections
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("schlag2021linear", "yang2024parallelizing", "grazzi2025unlocking")
class DeltaNet(AbstractSequenceLayer):
    r"""The delta rule on a memory of keys and values, for each head

    $$S_t = (I - \beta_t k_t k_t^\top) S_{t-1} + \beta_t k_t v_t^\top, \qquad o_t = S_t^\top q_t / \sqrt K,$$

    with $q, k, v = \mathrm{SiLU}(\mathrm{conv}(W x))$, queries and keys of unit length, and
    $\beta = \sigma(W_\beta x)$. Along its key a transition has the eigenvalue $1 - \beta$, within $[0, 1]$: with such
    transitions no layer can count modulo 2. With `allow_neg_eigval` $\beta = 2 \sigma(W_\beta x)$, and the eigenvalue
    lies within $[-1, 1]$. The output is $W_o\, \mathrm{RMSNorm}(o)$.

    Args:
        hidden_size: features in and out.
        num_heads: heads.
        expand_k: $K$ of all heads over `hidden_size`.
        expand_v: the same of the values.
        allow_neg_eigval: whether $\beta$ reaches 2.
        use_beta: whether there is $W_\beta$; without it $\beta$ is 1, or 2 with `allow_neg_eigval`.
        use_output_gate: whether the normed output is multiplied by $\mathrm{SiLU}(W_g x)$.
        use_short_conv: whether there is a short convolution over time.
        conv_size: its width.
        conv_bias: whether it has a bias.
        qk_norm: "l2", or `None` for queries and keys as they come; then it is an error at run time if
            $\beta \lVert k \rVert^2$ passes 2, from where on the memory would grow.
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
    b_proj: Float[Array, "head in"] | None
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
        expand_k: float = 1.0,
        expand_v: float = 1.0,
        *,
        allow_neg_eigval: bool = False,
        use_beta: bool = True,
        use_output_gate: bool = False,
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
        keys, values = int(hidden_size * expand_k), int(hidden_size * expand_v)
        check_delta("DeltaNet", qk_norm, hidden_size=hidden_size, num_heads=num_heads, expand_k=keys, expand_v=values)
        if keys % num_heads or values % num_heads:
            raise ValueError(
                f"DeltaNet needs num_heads to divide hidden_size * expand_k and hidden_size * expand_v, got "
                f"{num_heads} for {keys} and {values}."
            )
        dtype = float_dtype(dtype)
        inputs_key, beta_key, out_key = jr.split(key, 3)
        self.inputs = DeltaInputs(
            hidden_size,
            num_heads,
            keys // num_heads,
            values // num_heads,
            use_short_conv=use_short_conv,
            conv_size=conv_size,
            conv_bias=conv_bias,
            dtype=dtype,
            key=inputs_key,
        )
        self.b_proj = projections(beta_key, [(num_heads, hidden_size)], dtype)[0] if use_beta else None
        gate = "silu" if use_output_gate else None
        self.outputs = HeadOutputs(
            hidden_size, num_heads, values // num_heads, gate=gate, epsilon=norm_eps, dtype=dtype, key=out_key
        )
        self.hidden_size = hidden_size
        self.allow_neg_eigval, self.qk_norm = allow_neg_eigval, qk_norm
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> DeltaState:
        return self.inputs.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: DeltaState, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], DeltaState]:
        queries, keys, values, tail = self.inputs(xs, state.tail, resets)
        if self.b_proj is None:
            betas = jnp.full(keys.shape[:-1], 2.0 if self.allow_neg_eigval else 1.0, keys.dtype)
        else:
            betas = write_strengths(linear_map(xs, self.b_proj), self.allow_neg_eigval)[..., None]
        queries, keys = normalised("DeltaNet", self.qk_norm, queries, keys, betas)
        read, memory = delta_rule(
            queries, keys, values, betas, None, state.memory, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        return self.outputs(read, xs), DeltaState(tail, memory)
