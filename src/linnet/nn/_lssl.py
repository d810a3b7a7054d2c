"""The linear state space layer."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ..scan import convolve
from ._dense_states import convolution_parts, loop, run_dense
from ._diagonal_states import check_no_resets
from ._discretise import discretise_dense, find_method
from ._hippo import AbstractHippo, find_hippo
from ._network import float_dtype
from ._random import gaussian
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._ssm_output import SSMOutput
from ._timescale import check_timescales, log_timescales

#: From so many steps on a convolution is faster than a loop: measured on two cores (`benchmarks/README.md`).
_CONVOLVED = 16


@cite("gu2021combining")
class LSSL(AbstractSequenceLayer):
    r"""Each feature drives $N$ states of its own, $\dot x = A x + B u$, and $M$ numbers $y = C x + D u$ are read off.

    One layer, three views. Continuous: this equation. Recurrent: $x_t = \bar A x_{t-1} + \bar B u_t$ with
    $(I - \tfrac\Delta2 A) (\bar A, \bar B) = (I + \tfrac\Delta2 A, \Delta B)$, for the feature's own $\Delta$.
    Convolutional (mode "fft"): the kernel $K_l = C \bar A^l \bar B$, a Krylov space made by doubling.

    $A$ and $B$ are one memory for all features. The paper's fast algorithm for an $A$ learned among quasi-separable
    matrices is not stable in floating point; here a learned $A$ is any matrix.

    Args:
        hidden_size: features, $H$.
        state_size: $N$, states of each feature.
        output_channels: $M$.
        hippo: the memory, "LegS", "LegT", "FouT" or an object.
        fixed: $A$, $B$ and $\Delta$ stay as they are: no gradient passes to them (the paper's LSSL-f).
        discretisation: "bilinear", "zoh", or the weight of a generalised bilinear rule.
        dt_min, dt_max: $\Delta$ is drawn between them, its logarithm uniform (`timescale_range`).
        step_rescale: a factor of all $\Delta$, for inputs sampled at another rate.
        output: "linear", "glu", or with one channel "half_glu" or "none".
        mode: "auto", "step", "scan", "associative", "chunk" or "fft". "auto" convolves where there are no resets.
        chunk_size: steps in a chunk, in the modes "scan" and "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of $C$ and $D$ (standard normal), $\Delta$ and the output.

    Raises:
        ValueError: if sizes or names do not fit.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk", "fft")

    transition: Float[Array, "state state"]
    read_in: Float[Array, " state"]
    log_dt: Float[Array, " feature"]
    read_out: Float[Array, "feature channel state"]
    skip: Float[Array, "feature channel"]
    output: SSMOutput
    hidden_size: int = eqx.field(static=True)
    fixed: bool = eqx.field(static=True)
    discretisation: str | float = eqx.field(static=True)
    step_rescale: float = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        state_size: int = 64,
        *,
        output_channels: int = 1,
        hippo: str | AbstractHippo = "LegS",
        fixed: bool = True,
        discretisation: str | float = "bilinear",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        step_rescale: float = 1.0,
        output: str = "linear",
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_heads("LSSL", hidden_size, 1, state_size=state_size, output_channels=output_channels)
        check_timescales("LSSL", dt_min, dt_max)
        find_method(discretisation)
        dtype = float_dtype(dtype)
        dt_key, c_key, d_key, out_key = jr.split(key, 4)
        matrix, inputs = find_hippo(hippo).matrices(state_size)
        rows = hidden_size * output_channels
        self.transition, self.read_in = jnp.asarray(matrix, dtype), jnp.asarray(inputs, dtype)
        self.log_dt = log_timescales(dt_key, (hidden_size,), dt_min, dt_max, dtype)
        drawn = gaussian(c_key, (rows, state_size), dtype, 1.0)
        self.read_out = drawn.reshape(hidden_size, output_channels, state_size)
        self.skip = jr.normal(d_key, (hidden_size, output_channels), dtype)
        self.output = SSMOutput(output, rows, hidden_size, dtype=dtype, key=out_key)
        self.hidden_size, self.fixed, self.discretisation = hidden_size, fixed, discretisation
        self.step_rescale, self.mode, self.chunk_size = step_rescale, mode, chunk_size

    def discrete(self) -> tuple[Float[Array, "feature state state"], Float[Array, "feature state"]]:
        r"""$\bar A$ and $\bar B$ of each feature."""
        parts = self.transition, self.read_in, self.log_dt
        matrix, inputs, log_dt = jax.lax.stop_gradient(parts) if self.fixed else parts
        dt = self.step_rescale * jnp.exp(log_dt)
        return jax.vmap(lambda step: discretise_dense(matrix, inputs, step, self.discretisation))(dt)

    def kernel(self, num_steps: int) -> Float[Array, "lag feature channel"]:
        """$K_l$ for so many lags, without $D$."""
        matrices, inputs = self.discrete()
        nothing = jnp.zeros((num_steps, self.hidden_size), inputs.dtype)
        return self._parts(matrices, inputs, self.init_state(), nothing)[0][..., 0]

    def _parts(self, matrices: Array, inputs: Array, state: Array, xs: Array) -> tuple[Array, Array]:
        return jax.vmap(convolution_parts, (0, 0, 0, 0, 1), (1, 0))(matrices, inputs, self.read_out, state, xs)

    def init_state(self) -> Float[Array, "feature state"]:
        """Nothing: zeros."""
        return jnp.zeros((self.hidden_size, *self.read_in.shape), self.read_in.dtype)

    def forward(
        self,
        xs: Float[Array, "step in"],
        state: Float[Array, "feature state"],
        *,
        resets: Bool[Array, " step"] | None,
        mode: str,
    ) -> tuple[Float[Array, "step out"], Float[Array, "feature state"]]:
        num = xs.shape[0]
        matrices, inputs = self.discrete()
        if mode == "auto":
            mode = "fft" if resets is None and num >= _CONVOLVED else "scan"
        if mode == "fft":
            check_no_resets("LSSL", resets, self.modes)
            kernels, state = self._parts(matrices, inputs, state, xs)
            ys = convolve(kernels[..., 0], xs[..., None]) + kernels[..., 1]
        else:
            drives = inputs * xs[..., None]
            if mode in ("step", "scan"):
                states, state = loop(
                    lambda state: jnp.einsum("hij,hj->hi", matrices, state),
                    drives,
                    state,
                    chunk_size=num if mode == "step" else self.chunk_size,
                    resets=resets,
                )
            else:
                states, state = run_dense(matrices, drives, state, mode=mode, chunk_size=self.chunk_size, resets=resets)
            ys = jnp.einsum("thn,hmn->thm", states, self.read_out)
        ys = ys + self.skip * xs[..., None]
        return self.output(ys.reshape(num, -1)), state
