"""Structured state spaces: a memory whose matrix is normal plus low rank."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from .._cite import cite
from .._types import PRNGKey
from ..scan import convolve
from ._complex_pairs import constant_pair, gaussian_pair, to_complex, to_pair
from ._dense_states import convolution_parts, loop, run_dense
from ._diagonal_states import check_no_resets
from ._dplr import DPLR
from ._hippo import AbstractHippo, nplr
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._ssm_output import SSMOutput
from ._timescale import check_timescales, log_timescales

#: From so many steps on a convolution is faster than a loop: measured on two cores (`benchmarks/README.md`).
_CONVOLVED = 16
#: The least decay of poles before learning, which are learned by their logarithms. In the normal parts of LegT and FouT
#: it is 0.
_LEAST_DECAY = 1e-2


@cite("gu2022efficiently", "goel2022raw")
class S4(AbstractSequenceLayer):
    r"""Each feature drives $N$ states of its own, $\dot x = (\Lambda - P P^*) x + B u$, $y = C x + D u$.

    Poles $\Lambda = -e^{\rho} + i \omega$ have negative real parts, and with $-P P^*$ the system is stable whatever is
    learned. Steps are those of the bilinear rule: one token costs $O(N)$ by Woodbury's identity. The mode "fft"
    convolves with $K_l = C \bar A^l \bar B$; it, "associative" and "chunk" multiply matrices of $N \times N$.

    The paper makes the kernel from its transform, by Cauchy products of $C$, $P$ and $B$ with $1 / (g(z) - \Lambda)$,
    and learns $C (I - \bar A^T)$ for one fixed length $T$. Here $C$ itself is learned, so that a layer is one and the
    same at any length, and the kernel is made of products of $C \bar A^{mi}$ and $\bar A^j \bar B$ with $m$ about
    $\sqrt T$: $O(N^3 \log T + N^2 \sqrt T + N T)$ a feature, in real numbers, without an array of one number for each
    state and frequency, whose way to memory and back is what Cauchy products wait for on CPUs.

    Args:
        hidden_size: features, $H$.
        state_size: $N$, real numbers of each feature's state; even.
        hippo: the memory, "LegS" (rank 1), "LegT" (2), "FouT" (1) or an object.
        dt_min, dt_max: $\Delta$ is drawn between them, its logarithm uniform (`timescale_range`).
        step_rescale: a factor of all $\Delta$, for inputs sampled at another rate.
        output: "glu", "linear", "half_glu" or "none".
        mode: "auto", "step", "scan", "associative", "chunk" or "fft". "auto" convolves where there are no resets.
        chunk_size: steps in a chunk, in the modes "scan" and "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of $C$ (standard normal in both parts), $D$, $\Delta$ and the output.

    Raises:
        ValueError: if sizes or names do not fit.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk", "fft")

    log_decay: Float[Array, "feature state"]
    frequency: Float[Array, "feature state"]
    low_rank: Float[Array, "2 feature state rank"]
    read_in: Float[Array, "2 feature state"]
    log_dt: Float[Array, " feature"]
    read_out: Float[Array, "2 feature state"]
    skip: Float[Array, " feature"]
    output: SSMOutput
    hidden_size: int = eqx.field(static=True)
    step_rescale: float = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        state_size: int = 64,
        *,
        hippo: str | AbstractHippo = "LegS",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        step_rescale: float = 1.0,
        output: str = "glu",
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_heads("S4", hidden_size, 1, state_size=state_size)
        check_timescales("S4", dt_min, dt_max)
        if state_size % 2:
            raise ValueError(f"Conjugate pairs of poles need an even state_size of at least 2, got {state_size}.")
        dtype = float_dtype(dtype)
        dt_key, c_key, d_key, out_key = jr.split(key, 4)
        memory, half = nplr(hippo, state_size), state_size // 2
        shape = (hidden_size, half)
        poles = memory.eigenvalues[:half]
        decay = np.log(np.maximum(-poles.real, _LEAST_DECAY))
        self.log_decay = jnp.broadcast_to(jnp.asarray(decay, dtype), shape)
        self.frequency = jnp.broadcast_to(jnp.asarray(poles.imag, dtype), shape)
        low_rank = constant_pair(memory.low_rank[:half], dtype)
        self.low_rank = jnp.broadcast_to(low_rank[:, None], (2, *shape, low_rank.shape[-1]))
        self.read_in = jnp.broadcast_to(constant_pair(memory.inputs[:half], dtype)[:, None], (2, *shape))
        self.log_dt = log_timescales(dt_key, (hidden_size,), dt_min, dt_max, dtype)
        self.read_out = gaussian_pair(c_key, shape, dtype, 1.0)
        self.skip = jr.normal(d_key, (hidden_size,), dtype)
        self.output = SSMOutput(output, hidden_size, hidden_size, dtype=dtype, key=out_key)
        self.hidden_size, self.step_rescale = hidden_size, step_rescale
        self.mode, self.chunk_size = mode, chunk_size

    def systems(self) -> DPLR:
        """One system for each feature, the first axis of all arrays."""
        poles = jax.lax.complex(-jnp.exp(self.log_decay), self.frequency)
        dt = self.step_rescale * jnp.exp(self.log_dt)
        return DPLR(poles, to_complex(self.low_rank), to_complex(self.read_in), dt)

    def kernel(self, num_steps: int) -> Float[Array, "lag feature"]:
        """$K_l$ for so many lags, without $D$."""
        nothing = jnp.zeros((num_steps, self.hidden_size), self.skip.dtype)
        return self._convolved(nothing, self.init_state())[0][..., 0]

    def init_state(self) -> Float[Array, "2 feature state"]:
        """Nothing: zeros."""
        return jnp.zeros_like(self.read_out)

    def forward(
        self,
        xs: Float[Array, "step in"],
        state: Float[Array, "2 feature state"],
        *,
        resets: Bool[Array, " step"] | None,
        mode: str,
    ) -> tuple[Float[Array, "step out"], Float[Array, "2 feature state"]]:
        if mode == "auto":
            mode = "fft" if resets is None and xs.shape[0] >= _CONVOLVED else "scan"
        if mode == "fft":
            check_no_resets("S4", resets, self.modes)
            kernels, state = self._convolved(xs, state)
            ys = convolve(kernels[..., 0], xs) + kernels[..., 1]
        else:
            states, state = self._states(xs, state, mode, resets)
            ys = 2 * jnp.einsum("thn,hn->th", states, to_complex(self.read_out)).real
        return self.output(ys + self.skip * xs), state

    def _states(
        self, xs: Array, state: Array, mode: str, resets: Array | None
    ) -> tuple[Complex[Array, "step feature state"], Float[Array, "2 feature state"]]:
        systems = self.systems()
        drives = eqx.filter_vmap(DPLR.drive)(systems)[None] * xs[..., None]
        if mode in ("step", "scan"):
            size = xs.shape[0] if mode == "step" else self.chunk_size
            advance = eqx.filter_vmap(DPLR.advance)
            begin = to_complex(state)
            states, last = loop(lambda now: advance(systems, now), drives, begin, chunk_size=size, resets=resets)
            return states, to_pair(last)
        # Real vectors (Re x, Im x) and full matrices.
        matrices = eqx.filter_vmap(DPLR.matrix)(systems)
        real, begin = (jnp.concatenate([part.real, part.imag], axis=-1) for part in (drives, to_complex(state)))
        states, last = run_dense(
            matrices.astype(real.dtype), real, begin, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        half = drives.shape[-1]
        return (
            jax.lax.complex(states[..., :half], states[..., half:]),
            jnp.stack([last[..., :half], last[..., half:]]),
        )

    def _convolved(
        self, xs: Float[Array, "step feature"], state: Float[Array, "2 feature state"]
    ) -> tuple[Float[Array, "lag feature 2"], Float[Array, "2 feature state"]]:
        """The kernels of the inputs and of the start, and the final state."""

        def one(system: DPLR, read_out: Array, start: Array, inputs: Array) -> tuple[Array, Array]:
            drive = to_pair(system.drive()).reshape(-1)
            # 2 Re(c x) of real vectors (Re x, Im x).
            row = 2 * jnp.concatenate([read_out[0], -read_out[1]])
            kernels, last = convolution_parts(system.matrix(), drive, row[None], start.reshape(-1), inputs)
            return kernels[:, 0], last.reshape(2, -1)

        kernels, last = eqx.filter_vmap(one, in_axes=(0, 1, 1, 1), out_axes=1)(self.systems(), self.read_out, state, xs)
        return kernels, last
