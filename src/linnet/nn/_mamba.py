"""The selective state space model."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .. import scan
from .._cite import cite
from .._precision import is_accelerated
from .._products import linear_map, outer
from .._types import PRNGKey
from ._inner_size import inner_size
from ._layer_parts import inverse_softplus, log_uniform, projections
from ._matrix_state import state_dtype
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._short_convolution import ShortConvolution

#: No step size begins below this, also if a smaller range is asked for.
_LEAST_DT = 1e-4
#: Steps whose states the backward pass has at a time: measured on two cores.
_CHUNK = 64


@cite("gu2023mamba", "grazzi2025unlocking")
class Mamba(AbstractSequenceLayer):
    r"""A diagonal system for each feature, whose step size, input map and output map depend on the input.

    With $(u, z) = W_{in} x$, $u$ after a short convolution with SiLU, and $(\delta, B, C) = W_{x} u$,

    $$\Delta_t = \mathrm{softplus}(W_\Delta \delta_t + b), \qquad
    h_t = e^{-\Delta_t e^{w}} \odot h_{t-1} + \Delta_t u_t B_t^\top, \qquad
    y_t = W_{out} \bigl((h_t C_t + D \odot u_t) \odot \mathrm{SiLU}(z_t)\bigr),$$

    where $h$ is `"inner state"` and the logarithms $w$ begin at $\log 1, \dots, \log N$. With `allow_neg_eigval` the
    factor is $2 e^{-\Delta_t e^w} - 1$, between -1 and 1. Unlike the published code, sizes are taken as they are given.

    Args:
        hidden_size: features of inputs and outputs.
        state_size: $N$.
        expand: inner features for each of them.
        conv_size: width of the convolution.
        time_step_rank: size of $\delta$; by default a sixteenth of the features, rounded up.
        time_step_limit: the step sizes begin log-uniformly between these, and above 0.0001.
        use_conv_bias: whether the convolution has a bias.
        use_bias: whether $W_{in}$ and $W_{out}$ have one.
        allow_neg_eigval: eigenvalues in $[-1, 1]$ in place of $[0, 1]$.
        mode: of the recurrence; "auto" takes what is fastest.
        chunk_size: steps in a chunk, for the mode "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if a size is not positive, or the limits are not in order.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    input_weights: Float[Array, "both hidden"]
    input_bias: Float[Array, " both"] | None
    conv: ShortConvolution
    selection_weights: Float[Array, "selection inner"]
    step_weights: Float[Array, "inner rank"]
    step_bias: Float[Array, " inner"]
    log_poles: Float[Array, "inner state"]
    skip: Float[Array, " inner"]
    output_weights: Float[Array, "hidden inner"]
    output_bias: Float[Array, " hidden"] | None
    allow_neg_eigval: bool = eqx.field(static=True)
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        state_size: int = 16,
        *,
        expand: float = 2,
        conv_size: int = 4,
        time_step_rank: int | None = None,
        time_step_limit: tuple[float, float] = (0.001, 0.1),
        use_conv_bias: bool = True,
        use_bias: bool = False,
        allow_neg_eigval: bool = False,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        inner = inner_size("Mamba", "expand", hidden_size, expand)
        rank = math.ceil(hidden_size / 16) if time_step_rank is None else time_step_rank
        check_heads("Mamba", hidden_size, 1, state_size=state_size, time_step_rank=rank)
        low, high = time_step_limit
        if not 0 < low <= high:
            raise ValueError(f"Mamba needs a time_step_limit of two positive numbers in order, got {time_step_limit}.")
        dtype = float_dtype(dtype)
        weights_key, conv_key, step_key, bias_key = jr.split(key, 4)
        self.input_weights, self.selection_weights, self.output_weights = projections(
            weights_key, [(2 * inner, hidden_size), (rank + 2 * state_size, inner), (hidden_size, inner)], dtype
        )
        self.input_bias = jnp.zeros(2 * inner, dtype) if use_bias else None
        self.output_bias = jnp.zeros(hidden_size, dtype) if use_bias else None
        self.conv = ShortConvolution(inner, conv_size, use_bias=use_conv_bias, dtype=dtype, key=conv_key)
        bound = rank**-0.5
        self.step_weights = jr.uniform(step_key, (inner, rank), dtype, -bound, bound)
        steps = log_uniform(bias_key, (inner,), low, high, dtype)
        self.step_bias = inverse_softplus(jnp.maximum(steps, _LEAST_DT))
        poles = jnp.log(jnp.arange(1, state_size + 1, dtype=dtype))
        self.log_poles = jnp.broadcast_to(poles, (inner, state_size))
        self.skip = jnp.ones(inner, dtype)
        self.allow_neg_eigval = allow_neg_eigval
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def init_state(self) -> tuple[Float[Array, "tail inner"], Float[Array, "inner state"]]:
        """The last inputs of the convolution and the state of the recurrence: zeros."""
        return self.conv.init_state(), jnp.zeros_like(self.log_poles)

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        tail, start = state
        both = linear_map(xs, self.input_weights)
        both = both if self.input_bias is None else both + self.input_bias
        inputs, gates = jnp.split(both, 2, axis=-1)
        inputs, tail = self.conv(inputs, tail, resets)
        size, rank = self.log_poles.shape[1], self.step_weights.shape[1]
        small, write, read = jnp.split(linear_map(inputs, self.selection_weights), [rank, rank + size], axis=-1)
        steps = jax.nn.softplus(linear_map(small, self.step_weights) + self.step_bias)
        out, last = self._scanned((steps, inputs, write, read, resets), start, mode)
        out = out + self.skip * inputs
        out = linear_map(out * jax.nn.silu(gates), self.output_weights)
        out = out if self.output_bias is None else out + self.output_bias
        return out, (tail, last.astype(start.dtype))

    def _scanned(self, parts: tuple, start: Array, mode: str) -> tuple[Array, Array]:
        """What is read of all states, and the last of them."""
        if mode == "scan" or (mode == "auto" and not is_accelerated()):
            return self._step_by_step(parts, start)
        steps, inputs, write, read, resets = parts
        logs = steps[:, :, None] * -jnp.exp(self.log_poles)
        decay = scan.Diagonal(2 * jnp.exp(logs) - 1) if self.allow_neg_eigval else scan.Diagonal(log=logs)
        drives = (steps * inputs)[:, :, None] * write[:, None, :]
        states, last = scan.recur(decay, drives, start, mode=mode, chunk_size=self.chunk_size, resets=resets)
        return jnp.einsum("tin,tn->ti", states.astype(inputs.dtype), read), last

    def _step_by_step(self, parts: tuple, start: Array) -> tuple[Array, Array]:
        """The same where decays, drives and states of a step are made, read and gone before the next.

        All of them at once are so many that they would wait for memory. The axis of many features comes last here, over
        which a CPU adds and multiplies several numbers at a time.
        """
        inputs = parts[1]
        dtype = state_dtype(inputs.dtype)
        poles = -jnp.exp(self.log_poles.T.astype(dtype))

        def advance(state: Array, now: tuple) -> tuple[Array, Array]:
            steps, inputs, write, read, reset = now
            decay = jnp.exp(steps * poles)
            decay = 2 * decay - 1 if self.allow_neg_eigval else decay
            state = state if reset is None else jnp.where(reset, 0, state)
            state = decay * state + outer(write, steps * inputs)
            return state, (read @ state).astype(inputs.dtype)

        body = jax.checkpoint(advance)  # a decay is made anew sooner than it is read again
        size = self.chunk_size or _CHUNK
        last, out = scan.checkpointed_scan(body, start.T.astype(dtype), parts, inputs.shape[0], size)
        return out, last.T
