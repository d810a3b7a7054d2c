"""State spaces of one input and one output each, diagonal."""

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
from ._complex_pairs import gaussian_pair, to_complex, to_pair
from ._diagonal_states import check_no_resets, convolution_parts, run_diagonal
from ._discretise import discretise_diagonal, find_method
from ._hippo import nplr
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._ssm_output import SSMOutput
from ._timescale import check_timescales, log_timescales

#: From so many steps on a convolution is faster than a loop: measured on two cores (`benchmarks/README.md`).
_CONVOLVED = 16


@cite("gu2022parameterization", "gupta2022diagonal")
class S4D(AbstractSequenceLayer):
    r"""Each feature drives $N / 2$ complex states of its own, $x_t = \bar a \odot x_{t-1} + \bar b\, u_t$.

    $y_t = 2\,\mathrm{Re} \sum_n C_n x_{tn} + D u_t$ with $a = -e^{\rho} + i \omega$ in continuous time, $b = 1$, and
    $\bar a, \bar b$ from the zero-order hold or the bilinear rule with the feature's own $\Delta$; then the output of
    the layer mixes features. The mode "fft" convolves with the kernel
    $K_l = 2\,\mathrm{Re} \sum_n C_n \bar b_n \bar a_n^l$, a product with a Vandermonde matrix of $T H N / 2$ numbers.

    Args:
        hidden_size: features.
        state_size: $N$, real numbers of each feature's state; even.
        init: $a_n$ before learning: "legs" (the eigenvalues of the normal part of LegS), "lin"
            ($-1/2 + i \pi n$) or "inv" ($-1/2 + i \frac{N}{\pi} (\frac{N}{2n+1} - 1)$).
        discretisation: "zoh", "bilinear", or the weight of a generalised bilinear rule.
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
    log_dt: Float[Array, " feature"]
    read_out: Float[Array, "2 feature state"]
    skip: Float[Array, " feature"]
    output: SSMOutput
    hidden_size: int = eqx.field(static=True)
    discretisation: str | float = eqx.field(static=True)
    step_rescale: float = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        state_size: int = 64,
        *,
        init: str = "legs",
        discretisation: str | float = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        step_rescale: float = 1.0,
        output: str = "glu",
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_heads("S4D", hidden_size, 1, state_size=state_size)
        check_timescales("S4D", dt_min, dt_max)
        find_method(discretisation)
        dtype = float_dtype(dtype)
        poles = diagonal_poles(init, state_size)
        dt_key, c_key, d_key, out_key = jr.split(key, 4)
        shape = (hidden_size, len(poles))
        self.log_decay = jnp.broadcast_to(jnp.asarray(np.log(-poles.real), dtype), shape)
        self.frequency = jnp.broadcast_to(jnp.asarray(poles.imag, dtype), shape)
        self.log_dt = log_timescales(dt_key, (hidden_size,), dt_min, dt_max, dtype)
        self.read_out = gaussian_pair(c_key, shape, dtype, 1.0)
        self.skip = jr.normal(d_key, (hidden_size,), dtype)
        self.output = SSMOutput(output, hidden_size, hidden_size, dtype=dtype, key=out_key)
        self.hidden_size, self.discretisation, self.step_rescale = hidden_size, discretisation, step_rescale
        self.mode, self.chunk_size = mode, chunk_size

    def poles(self) -> Complex[Array, "feature state"]:
        r"""$a$, in continuous time."""
        return jax.lax.complex(-jnp.exp(self.log_decay), self.frequency)

    def discrete(self) -> tuple[Complex[Array, "feature state"], Complex[Array, "feature state"]]:
        r"""$\bar a$ and $\bar b$."""
        dt = self.step_rescale * jnp.exp(self.log_dt)[:, None]
        return discretise_diagonal(self.poles(), dt, self.discretisation)

    def kernel(self, num_steps: int) -> Float[Array, "lag feature"]:
        """$K_l$ for so many lags, without $D$."""
        poles, drive = self.discrete()
        nothing = jnp.zeros((num_steps, self.hidden_size), self.read_out.dtype)
        parts = convolution_parts(poles, drive, to_complex(self.read_out), to_complex(self.init_state()), nothing)
        return 2 * parts[0][0]

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
        num = xs.shape[0]
        poles, drive = self.discrete()
        read_out = to_complex(self.read_out)
        if mode == "auto" and resets is None and num >= _CONVOLVED:
            mode = "fft"
        if mode == "fft":
            check_no_resets("S4D", resets, self.modes)
            kernels, last = convolution_parts(poles, drive, read_out, to_complex(state), xs)
            ys, state = 2 * (convolve(kernels[0], xs) + kernels[1]), to_pair(last)
        else:
            states, state = run_diagonal(
                poles, drive * xs[..., None], state, mode=mode, chunk_size=self.chunk_size, resets=resets
            )
            ys = 2 * jnp.einsum("thn,hn->th", states, read_out).real
        return self.output(ys + self.skip * xs), state


def diagonal_poles(init: str, state_size: int) -> Complex[np.ndarray, " state"]:
    """One of each pair of conjugate poles, in continuous time, in NumPy.

    Raises:
        ValueError: for an unknown name, or an odd number of states.
    """
    if state_size % 2 or state_size < 2:
        raise ValueError(f"Conjugate pairs of poles need an even state_size of at least 2, got {state_size}.")
    index = np.arange(state_size // 2)
    if init == "legs":
        return nplr("LegS", state_size).eigenvalues[: state_size // 2]
    if init == "lin":
        return -0.5 + 1j * np.pi * index
    if init == "inv":
        return -0.5 + 1j * state_size / np.pi * (state_size / (2 * index + 1) - 1)
    raise ValueError(f"There is no init {init!r} of diagonal poles: choose from legs, lin, inv.")
