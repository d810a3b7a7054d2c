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
from ._dense_states import loop, run_dense
from ._diagonal_states import check_no_resets
from ._dplr import DPLR, defect_power
from ._hippo import AbstractHippo, nplr
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._ssm_output import SSMOutput
from ._timescale import check_timescales, log_timescales

#: From so many steps on a convolution is faster than a loop: measured on two cores (`benchmarks/README.md`).
_CONVOLVED = 16
#: The least decay of poles before learning. In the normal parts of LegT and FouT it is 0; FouT has poles at 0, and the
#: frequency domain loses as many digits there as this number is small.
_LEAST_DECAY = 1e-2


@cite("gu2022efficiently", "goel2022raw")
class S4(AbstractSequenceLayer):
    r"""Each feature drives $N$ states of its own, $\dot x = (\Lambda - P P^*) x + B u$, $y = C x + D u$.

    Poles $\Lambda = -e^{\rho} + i \omega$ have negative real parts, and with $-P P^*$ the system is stable whatever is
    learned. Steps are those of the bilinear rule: one token costs $O(N)$ by Woodbury's identity. The mode "fft" has
    the kernel of exactly $T$ lags from its transform at the $T$-th roots of unity,
    $\hat K(z) = C (I - \bar A^T) (I - \bar A z)^{-1} \bar B$, from Cauchy products of $C$, $P$ and $B$ with
    $1 / (g(z) - \Lambda)$. The modes "associative" and "chunk" multiply matrices of $N \times N$.

    The paper learns $C (I - \bar A^T)$ for one fixed length; here $C$ itself is learned, and the power is made by
    doubling, $O(N^3 \log T)$ a feature: a layer is one and the same at any length.

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
        return self._spectral(num_steps, jnp.zeros((num_steps, self.hidden_size)), self.init_state())[0]

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
            kernel, left, state = self._spectral(xs.shape[0], xs, state)
            ys = convolve(kernel, xs) + left
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
        matrices = jnp.eye(2 * drives.shape[-1]) - eqx.filter_vmap(DPLR.defect)(systems)
        real, begin = (jnp.concatenate([part.real, part.imag], axis=-1) for part in (drives, to_complex(state)))
        states, last = run_dense(
            matrices.astype(real.dtype), real, begin, mode=mode, chunk_size=self.chunk_size, resets=resets
        )
        half = drives.shape[-1]
        return (
            jax.lax.complex(states[..., :half], states[..., half:]),
            jnp.stack([last[..., :half], last[..., half:]]),
        )

    def _spectral(
        self, num: int, xs: Float[Array, "step feature"], state: Float[Array, "2 feature state"]
    ) -> tuple[Float[Array, "lag feature"], Float[Array, "lag feature"], Float[Array, "2 feature state"]]:
        """The kernel, what the start leaves in the outputs, and the final state."""
        spectrum = jnp.fft.rfft(xs.T, axis=-1)

        def one(system: DPLR, read_out: Array, start: Array, spectrum: Array) -> tuple[Array, Array, Array]:
            half = system.poles.shape[0]
            gone = defect_power(system.defect(), num)  # I - A^T
            rows = jnp.concatenate([2 * read_out.real, -2 * read_out.imag]) @ gone
            truncated = jax.lax.complex(rows[:half], -rows[half:]) / 2
            # A x = 2 (c - A)^-1 X for X = (c + A) x / 2: the start's share has the form of the kernel.
            begun = system.dt**-1 * start + system.multiply(start) / 2
            angles = 2 * jnp.pi * jnp.arange(num // 2 + 1, dtype=system.dt.dtype) / num
            found = system.resolvent(angles, jnp.stack([system.inputs, begun], axis=-1))
            both = jnp.concatenate([truncated, truncated.conj()])
            kernel, left = jnp.fft.irfft(jnp.einsum("n,fnk->kf", both, found), num, axis=-1)
            # The state after the last step from a cyclic convolution of T lags; frequencies above the half are
            # conjugates, with the two of each pair exchanged.
            driven = found[..., 0] * (spectrum * jnp.exp(-1j * angles))[:, None]
            twice = (jnp.arange(num // 2 + 1) > 0) & (2 * jnp.arange(num // 2 + 1) < num)
            cyclic = (jnp.sum(driven[:, :half], axis=0) + twice.astype(driven.dtype) @ driven[:, half:].conj()) / num
            real = jnp.concatenate([(part := cyclic - start).real, part.imag])
            last = gone @ real
            return kernel, left, start + jax.lax.complex(last[:half], last[half:])

        kernel, left, last = eqx.filter_vmap(one)(
            self.systems(), to_complex(self.read_out), to_complex(state), spectrum
        )
        return kernel.T, left.T, to_pair(last)
