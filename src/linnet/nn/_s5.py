"""One diagonal state space of many inputs and outputs."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ._complex_pairs import gaussian_pair, to_complex, to_pair
from ._diagonal_states import run_diagonal
from ._discretise import discretise_diagonal, find_method
from ._hippo import nplr
from ._network import float_dtype
from ._random import gaussian
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._ssm_output import SSMOutput
from ._timescale import check_timescales, log_timescales

#: The largest real part of eigenvalues where they are clipped.
_CLIPPED = -1e-4


@cite("smith2023simplified")
class S5(AbstractSequenceLayer):
    r"""$x_t = \bar\lambda \odot x_{t-1} + \bar B u_t$, $y_t = 2\,\mathrm{Re}(C x_t) + D \odot u_t$, features together.

    In continuous time $\dot x = \lambda \odot x + B u$, with a step $\Delta$ for each state. Before learning, $\lambda$
    are the eigenvalues of the normal part of LegS in each of `num_blocks` blocks, and $B = V^{-1} B'$, $C = C' V$ with
    Gaussian $B'$ (variance $1 / H$) and $C'$ ($1 / P$ in both parts) in the basis of LegS.

    The mode "fft" convolves each state (there are many inputs and outputs, and no kernel for each feature).

    Args:
        hidden_size: features, $H$.
        state_size: $P$, states; with `conj_sym` half of them are kept.
        num_blocks: blocks of LegS, $J$, in a state of $P$.
        conj_sym: states come in conjugate pairs, one of which is kept; otherwise $y_t = \mathrm{Re}(C x_t) + D u_t$.
        clip_eigs: real parts of $\lambda$ are at most $-10^{-4}$: stable at any length.
        discretisation: "zoh", "bilinear", or the weight of a generalised bilinear rule.
        dt_min, dt_max: $\Delta$ is drawn between them, its logarithm uniform (`timescale_range`).
        step_rescale: a factor of all $\Delta$, for inputs sampled at another rate.
        output: "half_glu", "glu", "linear" or "none".
        mode: "auto", "step", "scan", "associative", "chunk" or "fft".
        chunk_size: steps in a chunk, in the modes "scan" and "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness.

    Raises:
        ValueError: if sizes or names do not fit.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk", "fft")

    eigenvalues: Float[Array, "2 state"]
    log_dt: Float[Array, " state"]
    read_in: Float[Array, "2 state feature"]
    read_out: Float[Array, "2 feature state"]
    skip: Float[Array, " feature"]
    output: SSMOutput
    hidden_size: int = eqx.field(static=True)
    conj_sym: bool = eqx.field(static=True)
    clip_eigs: bool = eqx.field(static=True)
    discretisation: str | float = eqx.field(static=True)
    step_rescale: float = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        state_size: int = 64,
        *,
        num_blocks: int = 1,
        conj_sym: bool = True,
        clip_eigs: bool = False,
        discretisation: str | float = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        step_rescale: float = 1.0,
        output: str = "half_glu",
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_heads("S5", hidden_size, 1, state_size=state_size, num_blocks=num_blocks)
        check_timescales("S5", dt_min, dt_max)
        find_method(discretisation)
        if state_size % num_blocks or (conj_sym and state_size // num_blocks % 2):
            raise ValueError(
                f"S5 needs a state_size of num_blocks equal blocks{', each of even size' if conj_sym else ''}, got "
                f"{state_size} and {num_blocks}."
            )
        dtype = float_dtype(dtype)
        dt_key, b_key, c_key, d_key, out_key = jr.split(key, 5)
        size = state_size // num_blocks
        kept = size // 2 if conj_sym else size
        block = nplr("LegS", size)
        vectors = np.kron(np.eye(num_blocks), block.vectors[:, :kept])
        basis: Any = jnp.asarray(vectors, jnp.result_type(dtype, jnp.complex64))
        self.eigenvalues = jnp.asarray(
            np.stack([np.tile(part[:kept], num_blocks) for part in (block.eigenvalues.real, block.eigenvalues.imag)]),
            dtype,
        )
        self.log_dt = log_timescales(dt_key, (num_blocks * kept,), dt_min, dt_max, dtype)
        first = gaussian(b_key, (state_size, hidden_size), dtype, hidden_size**-0.5)
        self.read_in = to_pair(basis.conj().T @ first)
        last = to_complex(gaussian_pair(c_key, (hidden_size, state_size), dtype, state_size**-0.5))
        self.read_out = to_pair(last @ basis)
        self.skip = jr.normal(d_key, (hidden_size,), dtype)
        self.output = SSMOutput(output, hidden_size, hidden_size, dtype=dtype, key=out_key)
        self.hidden_size, self.conj_sym, self.clip_eigs = hidden_size, conj_sym, clip_eigs
        self.discretisation, self.step_rescale = discretisation, step_rescale
        self.mode, self.chunk_size = mode, chunk_size

    def poles(self) -> Complex[Array, " state"]:
        r"""$\lambda$, in continuous time."""
        real, imaginary = self.eigenvalues
        return jax.lax.complex(jnp.minimum(real, _CLIPPED) if self.clip_eigs else real, imaginary)

    def discrete(self) -> tuple[Complex[Array, " state"], Complex[Array, "state feature"]]:
        r"""$\bar\lambda$ and $\bar B$."""
        dt = self.step_rescale * jnp.exp(self.log_dt)
        poles, factor = discretise_diagonal(self.poles(), dt, self.discretisation)
        return poles, factor[:, None] * to_complex(self.read_in)

    def init_state(self) -> Float[Array, "2 state"]:
        """Nothing: zeros."""
        return jnp.zeros_like(self.eigenvalues)

    def forward(
        self,
        xs: Float[Array, "step in"],
        state: Float[Array, "2 state"],
        *,
        resets: Bool[Array, " step"] | None,
        mode: str,
    ) -> tuple[Float[Array, "step out"], Float[Array, "2 state"]]:
        poles, read_in = self.discrete()
        drives = jax.lax.complex(linear_map(xs, read_in.real), linear_map(xs, read_in.imag))
        states, state = run_diagonal(poles, drives, state, mode=mode, chunk_size=self.chunk_size, resets=resets)
        ys = linear_map(states.real, self.read_out[0]) - linear_map(states.imag, self.read_out[1])
        return self.output((2 if self.conj_sym else 1) * ys + self.skip * xs), state
