"""Mamba-2: a selective state-space model with one number of decay for each head."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ..scan import Scalar, attend
from ._layer_parts import inverse_softplus, log_uniform, merge_heads, projections, rms_norm
from ._matrix_state import state_dtype
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer
from ._short_convolution import ShortConvolution

#: Step sizes begin no smaller than this.
_LEAST_STEP = 1e-4


@cite("dao2024transformers", "grazzi2025unlocking")
class Mamba2(AbstractSequenceLayer):
    r"""The state-space dual form: with $(x, B, C) = \mathrm{SiLU}(\mathrm{conv}(W_{xBC} u))$ and
    $\Delta = \mathrm{softplus}(W_\Delta u + b)$, for each head

    $$S_t = a_t S_{t-1} + B_t\, (\Delta_t x_t)^\top, \qquad o_t = S_t^\top C_t + D x_t, \qquad
    a_t = e^{-\Delta_t e^{A_{\log}}},$$

    and $y_t = W_o\, \mathrm{RMSNorm}(o_t \odot \mathrm{SiLU}(W_z u_t))$, the norm over all heads together. The heads
    of a group share $B$ and $C$.

    Args:
        hidden_size: features of inputs and outputs.
        head_dim: values of one head; by default 64, or all of them where there are fewer.
        state_size: keys: features of $B$ and $C$.
        expand: features of $x$, as a multiple of `hidden_size`.
        n_groups: groups of heads.
        conv_size: width of the short convolution.
        allow_neg_eigval: eigenvalues $2 a_t - 1$ in $[-1, 1]$ in place of $a_t$.
        time_step_min: the least $\Delta$ at the beginning.
        time_step_max: the largest.
        decay_range: between which $e^{A_{\log}}$ begins, uniformly.
        mode: of the recurrence.
        chunk_size: steps in a chunk.
        dtype: of the parameters.
        key: randomness of the weights; $b$ begins where $\Delta$ is log-uniform, $D$ at 1.

    Raises:
        ValueError: if sizes do not fit, or a range is none.

    !!! example
        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import linnet as ln

        layer = ln.nn.Mamba2(16, head_dim=8, state_size=16, key=jr.key(0))
        ys, (memory, tail) = layer(jnp.ones((100, 16)))
        ```
    """

    modes: ClassVar[tuple[str, ...]] = tuple(mode for mode in Scalar.attend_modes if mode != "fft")
    inputs: Float[Array, "features hidden"]
    gate: Float[Array, "values hidden"]
    step_size: Float[Array, "head hidden"]
    convolution: ShortConvolution
    A_log: Float[Array, " head"]
    D: Float[Array, " head"]
    dt_bias: Float[Array, " head"]
    scale: Float[Array, " values"]
    output: Float[Array, "hidden values"]
    hidden_size: int = eqx.field(static=True)
    state_size: int = eqx.field(static=True)
    n_groups: int = eqx.field(static=True)
    allow_neg_eigval: bool = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        *,
        head_dim: int | None = None,
        state_size: int = 64,
        expand: float = 2.0,
        n_groups: int = 1,
        conv_size: int = 4,
        allow_neg_eigval: bool = False,
        time_step_min: float = 1e-3,
        time_step_max: float = 0.1,
        decay_range: tuple[float, float] = (1.0, 16.0),
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        dtype = float_dtype(dtype)
        heads, values = _sizes(hidden_size, head_dim, state_size, expand, n_groups)
        if not 0 < time_step_min <= time_step_max or not 0 < decay_range[0] <= decay_range[1]:
            raise ValueError(
                "Mamba2 needs positive ranges for its step sizes and decays, got "
                f"({time_step_min}, {time_step_max}) and {decay_range}."
            )
        keys = jr.split(key, 4)
        features = values + 2 * n_groups * state_size
        shapes = [(features, hidden_size), (values, hidden_size), (heads, hidden_size), (hidden_size, values)]
        self.inputs, self.gate, self.step_size, self.output = projections(keys[0], shapes, dtype)
        self.convolution = ShortConvolution(features, conv_size, use_bias=True, dtype=dtype, key=keys[1])
        self.A_log = jnp.log(jr.uniform(keys[2], (heads,), dtype, *decay_range))
        steps = log_uniform(keys[3], (heads,), time_step_min, time_step_max, dtype)
        self.dt_bias = inverse_softplus(jnp.maximum(steps, _LEAST_STEP))
        self.D, self.scale = jnp.ones(heads, dtype), jnp.ones(values, dtype)
        self.hidden_size, self.state_size, self.n_groups = hidden_size, state_size, n_groups
        self.allow_neg_eigval, self.mode, self.chunk_size = allow_neg_eigval, mode, chunk_size

    def init_state(self) -> tuple[Array, Array]:
        """The memory, `"head key value"`, and the convolution's tail."""
        heads = self.D.shape[0]
        shape = (heads, self.state_size, self.gate.shape[0] // heads)
        return jnp.zeros(shape, state_dtype(self.D.dtype)), self.convolution.init_state()

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        memory, tail = state
        mixed, tail = self.convolution(linear_map(xs, self.inputs), tail, resets)
        num, heads = xs.shape[0], self.D.shape[0]
        groups, shared = self.n_groups, self.n_groups * self.state_size
        values, keys, queries = jnp.split(mixed, [mixed.shape[1] - 2 * shared, mixed.shape[1] - shared], axis=1)
        values = values.reshape(num, heads, -1)
        keys, queries = (part.reshape(num, groups, -1) for part in (keys, queries))
        steps = jax.nn.softplus(linear_map(xs, self.step_size) + self.dt_bias)
        log = -steps * jnp.exp(self.A_log)

        def head(query: Array, key: Array, value: Array, log: Array, start: Array) -> tuple[Array, Array]:
            transition = Scalar(2 * jnp.exp(log) - 1) if self.allow_neg_eigval else Scalar(log=log)
            return attend(transition, query, key, value, start, mode=mode, chunk_size=self.chunk_size, resets=resets)

        # Copies for the heads of a group, not one product for all of them: their gradients are added then, where XLA is
        # twenty times slower to sum what it multiplies along such an axis on CPUs.
        queries, keys = (
            jnp.stack([part] * (heads // groups), axis=2).reshape(num, heads, -1) for part in (queries, keys)
        )
        read, last = jax.vmap(head, in_axes=(1, 1, 1, 1, 0), out_axes=(1, 0))(
            queries, keys, values * steps[..., None], log, memory
        )
        merged = merge_heads(read + self.D[:, None] * values)
        merged = rms_norm(merged * jax.nn.silu(linear_map(xs, self.gate)), self.scale)
        return linear_map(merged, self.output), (last, tail)


def _sizes(hidden_size: int, head_dim: int | None, state_size: int, expand: float, n_groups: int) -> tuple[int, int]:
    """Heads, and values of all of them.

    Raises:
        ValueError: if sizes are not positive, or the heads do not share the values evenly.
    """
    values = round(hidden_size * expand)
    head_dim = min(64, values) if head_dim is None else head_dim
    sizes = {"hidden_size": hidden_size, "head_dim": head_dim, "state_size": state_size, "n_groups": n_groups}
    for argument, size in sizes.items():
        if size < 1:
            raise ValueError(f"Mamba2 needs a {argument} of at least 1, got {size}.")
    if values < 1 or values % head_dim:
        raise ValueError(
            f"Mamba2 needs hidden_size * expand to be a multiple of head_dim, got {hidden_size} * {expand} and "
            f"{head_dim}."
        )
    heads = values // head_dim
    if heads % n_groups:
        raise ValueError(f"Mamba2 needs a number of heads that n_groups divides, got {heads} heads and {n_groups}.")
    return heads, values
