"""RWKV-7: a memory that is corrected with one key and written with another, each feature at rates of its own."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ..scan import LowRank, attend
from ._layer_parts import merge_heads, projections, split_heads, unit_norm
from ._matrix_state import state_dtype
from ._network import float_dtype
from ._random import gaussian
from ._sequence_layer import AbstractSequenceLayer, check_heads

#: $e^{-1/2}$: decays lie between $e^{-e^{-1/2}} = 0.545$ and 1.
_SLOWEST = 0.6065306597126334


class RWKV7State(NamedTuple):
    """What a step needs: the input before it, and the memory of each head."""

    before: Float[Array, " in"]
    memory: Float[Array, "head key value"]


class _LowRankMap(eqx.Module):
    """$U\\, \\phi(D x) + b$, which begins as the constant $b$."""

    down: Float[Array, "low in"]
    up: Float[Array, "out low"]
    bias: Float[Array, " out"] | None

    def __init__(self, low: int, bias: Array | None, size: int, dtype: Any, key: PRNGKey) -> None:
        self.down = jnp.zeros((low, size), dtype)
        self.up = gaussian(key, (size, low), dtype, 0.1 * low**-0.5)
        self.bias = bias

    def __call__(self, xs: Float[Array, "step in"], activation: Any = lambda x: x) -> Float[Array, "step out"]:
        ys = linear_map(activation(linear_map(xs, self.down)), self.up)
        return ys if self.bias is None else ys + self.bias


@cite("peng2025rwkv7", "grazzi2025unlocking")
class RWKV7(AbstractSequenceLayer):
    r"""The time mixing of RWKV-7, for each head

    $$S_t = \bigl(\mathrm{diag}(w_t) - (a_t \odot \kappa_t)\, \kappa_t^\top\bigr) S_{t-1} + \tilde k_t v_t^\top, \qquad
    o_t = S_t^\top r_t,$$

    where inputs are mixed with the one before, $x^\square_t = x_t + \mu_\square \odot (x_{t-1} - x_t)$, and

    $$\log w = -e^{-1/2} \sigma\bigl(W_2 \tanh(W_1 x^w) + w_0\bigr), \quad a = \sigma(A_2 A_1 x^a + a_0), \quad
    \kappa = \frac{k \odot \xi}{\lVert k \odot \xi \rVert}, \quad
    \tilde k = k \odot \bigl(1 + (a - 1) \odot \alpha\bigr)$$

    with $r = W_r x^r$, $k = W_k x^k$, $v = W_v x^v$. The output is

    $$W_o \bigl[\bigl(\mathrm{GroupNorm}(o) + (r^\top (\rho \odot \tilde k))\, v\bigr) \odot G_2\,
    \sigma(G_1 x^g)\bigr].$$

    The correction reads the memory before its decay.

    Where the paper's $a$ lies within $(0, 1)$, `allow_neg_eigval` doubles it in the transition: with $w$ near 1 its
    eigenvalue along $\kappa$ then lies within $[-1, 1]$; $\tilde k$ is not changed.

    Departures: matrices begin Gaussian of the scales of the published orthogonal ones, and $W_o$ too, which begins at 0
    there. The values of the first layer, which later layers of a language model mix in, are an argument of `mix`.

    Args:
        hidden_size: features in and out.
        num_heads: heads.
        head_dim: features of a head; by default `hidden_size / num_heads`, and both must multiply to `hidden_size`.
        decay_low_rank_dim: rows of $W_1$.
        a_low_rank_dim: rows of $A_1$.
        v_low_rank_dim: the same of the map that mixes the first layer's values in.
        gate_low_rank_dim: rows of $G_1$.
        value_residual: whether there is such a map.
        allow_neg_eigval: whether $a$ reaches 2 in the transition.
        layer_idx: which layer of the model it is, from 0: initial mixing and decays depend on it.
        num_hidden_layers: how many there are.
        mode: "step", "scan", "associative", "chunk" or "auto".
        chunk_size: steps in a chunk.
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if sizes do not fit.
    """

    modes: ClassVar[tuple[str, ...]] = LowRank.attend_modes

    #: $\mu$ of r, w, k, v, a and g.
    shifts: Float[Array, "six in"]
    r_proj: Float[Array, "features in"]
    k_proj: Float[Array, "features in"]
    v_proj: Float[Array, "features in"]
    o_proj: Float[Array, "out features"]
    w_lora: _LowRankMap
    a_lora: _LowRankMap
    g_lora: _LowRankMap
    v_lora: _LowRankMap | None
    k_k: Float[Array, " features"]
    k_a: Float[Array, " features"]
    r_k: Float[Array, "head key"]
    norm_weight: Float[Array, " features"]
    norm_bias: Float[Array, " features"]
    hidden_size: int = eqx.field(static=True)
    allow_neg_eigval: bool = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 4,
        head_dim: int | None = None,
        *,
        decay_low_rank_dim: int = 32,
        a_low_rank_dim: int = 32,
        v_low_rank_dim: int = 32,
        gate_low_rank_dim: int = 32,
        value_residual: bool = False,
        allow_neg_eigval: bool = False,
        layer_idx: int = 0,
        num_hidden_layers: int = 1,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_heads(
            "RWKV7",
            hidden_size,
            num_heads,
            decay_low_rank_dim=decay_low_rank_dim,
            a_low_rank_dim=a_low_rank_dim,
            v_low_rank_dim=v_low_rank_dim,
            gate_low_rank_dim=gate_low_rank_dim,
            num_hidden_layers=num_hidden_layers,
        )
        if head_dim is not None and head_dim * num_heads != hidden_size:
            raise ValueError(
                f"RWKV7 needs num_heads * head_dim to be hidden_size, got {num_heads} * {head_dim} for {hidden_size}."
            )
        if not 0 <= layer_idx < num_hidden_layers:
            raise ValueError(f"RWKV7 needs a layer_idx from 0 to {num_hidden_layers - 1}, got {layer_idx}.")
        dtype, size = float_dtype(dtype), hidden_size // num_heads
        first, second, *rest = jr.split(key, 6)
        shapes = [(hidden_size, hidden_size)] * 3
        self.r_proj, self.v_proj, self.o_proj = projections(first, shapes, dtype)
        (self.k_proj,) = projections(second, shapes[:1], dtype, 0.1)

        features = jnp.arange(hidden_size, dtype=dtype)
        depth, left = layer_idx / max(num_hidden_layers - 1, 1), 1 - layer_idx / num_hidden_layers
        powers = jnp.asarray([0.2, 0.9, 0.7, 0.7, 0.9, 0.2], dtype)
        self.shifts = 1 - (features / hidden_size) ** (left * powers[:, None])
        line = features / max(hidden_size - 1, 1)
        within = 2 * (features % size) / max(size - 1, 1) - 1 if size > 1 else jnp.zeros_like(features)
        within = within * jnp.abs(within)
        decay_bias = -5.5 + 6 * line ** (1 + depth**0.3) + 2.5 * within
        rate_bias = -0.19 + 0.3 * within + 0.4 * (line - 0.5)
        value_bias = 0.73 - 0.4 * (line - 0.5)
        self.w_lora = _LowRankMap(decay_low_rank_dim, decay_bias, hidden_size, dtype, rest[0])
        self.a_lora = _LowRankMap(a_low_rank_dim, rate_bias, hidden_size, dtype, rest[1])
        self.g_lora = _LowRankMap(gate_low_rank_dim, None, hidden_size, dtype, rest[2])
        self.v_lora = None
        if value_residual:
            self.v_lora = _LowRankMap(v_low_rank_dim, value_bias, hidden_size, dtype, rest[3])
        self.k_k = 0.71 - 0.1 * (line - 0.5)
        self.k_a = jnp.full(hidden_size, 1.02, dtype)
        self.r_k = jnp.full((num_heads, size), -0.04, dtype)
        self.norm_weight = jnp.full(hidden_size, ((layer_idx + 1) / num_hidden_layers) ** 0.7, dtype)
        self.norm_bias = jnp.zeros(hidden_size, dtype)
        self.hidden_size, self.allow_neg_eigval = hidden_size, allow_neg_eigval
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> RWKV7State:
        heads, size = self.r_k.shape
        dtype = self.r_k.dtype
        return RWKV7State(jnp.zeros(self.hidden_size, dtype), jnp.zeros((heads, size, size), state_dtype(dtype)))

    def forward(
        self, xs: Float[Array, "step in"], state: RWKV7State, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], RWKV7State]:
        ys, _, state = self.mix(xs, state, resets=resets, mode=mode)
        return ys, state

    def mix(
        self,
        xs: Float[Array, "step in"],
        state: RWKV7State,
        first_values: Float[Array, "step features"] | None = None,
        *,
        resets: Bool[Array, " step"] | None = None,
        mode: str = "auto",
    ) -> tuple[Float[Array, "step out"], Float[Array, "step features"], RWKV7State]:
        """The outputs, the layer's values, and the final state.

        Args:
            xs: the inputs.
            state: the state before the first step.
            first_values: the values of the model's first layer, mixed in where the layer was made with
                `value_residual`.
            resets: where everything is forgotten before the step.
            mode: the mode of the recurrence.
        """
        before = jnp.concatenate([state.before[None], xs[:-1]])
        before = before if resets is None else jnp.where(resets[:, None], 0, before)
        xr, xw, xk, xv, xa, xg = xs + self.shifts[:, None] * (before - xs)
        heads = self.r_k.shape[0]
        log = -_SLOWEST * jax.nn.sigmoid(self.w_lora(xw, jnp.tanh))
        rates = jax.nn.sigmoid(self.a_lora(xa))
        reads, keys, values = linear_map(xr, self.r_proj), linear_map(xk, self.k_proj), linear_map(xv, self.v_proj)
        if first_values is not None and self.v_lora is not None:
            values = values + jax.nn.sigmoid(self.v_lora(xv)) * (first_values - values)
        # The published norm is max(|k|, 1e-12); this one has a gradient at 0.
        directions = unit_norm(split_heads(keys * self.k_k, heads), 1e-12)
        keys = split_heads(keys * (1 + (rates - 1) * self.k_a), heads)
        reads, log, rates, cut = (split_heads(part, heads) for part in (reads, log, rates, values))
        strengths = 2 * rates if self.allow_neg_eigval else rates

        def one(reads: Array, keys: Array, values: Array, log: Array, kappa: Array, strengths: Array, memory: Array):
            transition = LowRank(
                -kappa[:, None], (strengths * kappa)[:, None], log=log, undecayed=True, least=-_SLOWEST
            )
            return attend(transition, reads, keys, values, memory, mode=mode, chunk_size=self.chunk_size, resets=resets)

        over = (1, 1, 1, 1, 1, 1, 0)
        outputs, memory = jax.vmap(one, over, (1, 0))(reads, keys, cut, log, directions, strengths, state.memory)
        centred = outputs - jnp.mean(outputs, axis=-1, keepdims=True)
        epsilon = 1e-5 * outputs.shape[-1]
        normed = centred * jax.lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + epsilon)
        bonus = jnp.sum(reads * keys * self.r_k, axis=-1, keepdims=True) * cut
        merged = merge_heads(normed) * self.norm_weight + self.norm_bias + merge_heads(bonus)
        gate = self.g_lora(xg, jax.nn.sigmoid)
        return linear_map(merged * gate, self.o_proj), values, RWKV7State(xs[-1], memory)
