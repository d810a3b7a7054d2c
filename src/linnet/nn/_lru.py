"""The linear recurrent unit."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Complex, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ._complex_pairs import gaussian_pair
from ._diagonal_states import run_diagonal
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads
from ._ssm_output import SSMOutput


@cite("orvieto2023resurrecting")
class LRU(AbstractSequenceLayer):
    r"""$h_t = \lambda \odot h_{t-1} + e^{\gamma} \odot B u_t$, $y_t = \mathrm{Re}(C h_t) + D \odot u_t$, in steps.

    $\lambda = \exp(-e^{\nu} + i e^{\theta})$ is always inside the unit circle. It begins uniform, by area, on the ring
    $r_{\min} \le |\lambda| \le r_{\max}$ with angles up to `max_phase`, and $\gamma = \log \sqrt{1 - |\lambda|^2}$:
    white inputs of variance 1 then leave states of variance 1. $\gamma$ is learned too.

    The paper's block follows it by a gated linear unit, here the output "glu"; "none" is the recurrence alone. The mode
    "fft" convolves each state (the layer has many inputs and outputs).

    Args:
        hidden_size: features, $H$.
        state_size: complex states, $N$; by default as many as features.
        r_min, r_max: the ring; for long sequences near 1.
        max_phase: the largest angle; for long sequences a small part of $2 \pi$.
        output: "glu", "linear", "half_glu" or "none".
        mode: "auto", "step", "scan", "associative", "chunk" or "fft".
        chunk_size: steps in a chunk, in the modes "scan" and "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness: $B$ of variance $1 / 2H$ in both parts, $C$ of $1 / N$, $D$ standard normal.

    Raises:
        ValueError: if sizes, the ring or names do not fit.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk", "fft")

    nu_log: Float[Array, " state"]
    theta_log: Float[Array, " state"]
    gamma_log: Float[Array, " state"]
    read_in: Float[Array, "2 state feature"]
    read_out: Float[Array, "2 feature state"]
    skip: Float[Array, " feature"]
    output: SSMOutput
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        state_size: int | None = None,
        *,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * math.pi,
        output: str = "glu",
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        num = hidden_size if state_size is None else state_size
        check_heads("LRU", hidden_size, 1, state_size=num)
        if not 0 <= r_min < r_max <= 1:
            raise ValueError(f"LRU needs a ring with 0 <= r_min < r_max <= 1, got {r_min} and {r_max}.")
        if not 0 < max_phase <= 2 * math.pi:
            raise ValueError(f"LRU needs a max_phase above 0 and at most 2 pi, got {max_phase}.")
        dtype = float_dtype(dtype)
        radius_key, angle_key, b_key, c_key, d_key, out_key = jr.split(key, 6)
        least = float(jnp.finfo(dtype).tiny)
        area = jr.uniform(radius_key, (num,), dtype, least, 1.0)
        self.nu_log = jnp.log(-0.5 * jnp.log(area * (r_max**2 - r_min**2) + r_min**2))
        self.theta_log = jnp.log(max_phase * jr.uniform(angle_key, (num,), dtype, least, 1.0))
        # 1 - |lambda|^2, also where it is below the rounding of 1.
        self.gamma_log = 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(self.nu_log)))
        self.read_in = gaussian_pair(b_key, (num, hidden_size), dtype, (2 * hidden_size) ** -0.5)
        self.read_out = gaussian_pair(c_key, (hidden_size, num), dtype, num**-0.5)
        self.skip = jr.normal(d_key, (hidden_size,), dtype)
        self.output = SSMOutput(output, hidden_size, hidden_size, dtype=dtype, key=out_key)
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def poles(self) -> Complex[Array, " state"]:
        r"""$\lambda$."""
        return jnp.exp(jax.lax.complex(-jnp.exp(self.nu_log), jnp.exp(self.theta_log)))

    def init_state(self) -> Float[Array, "2 state"]:
        """Nothing: zeros."""
        return jnp.zeros((2, *self.nu_log.shape), self.nu_log.dtype)

    def forward(
        self,
        xs: Float[Array, "step in"],
        state: Float[Array, "2 state"],
        *,
        resets: Bool[Array, " step"] | None,
        mode: str,
    ) -> tuple[Float[Array, "step out"], Float[Array, "2 state"]]:
        read_in = jnp.exp(self.gamma_log)[:, None] * self.read_in
        drives = jax.lax.complex(linear_map(xs, read_in[0]), linear_map(xs, read_in[1]))
        states, state = run_diagonal(self.poles(), drives, state, mode=mode, chunk_size=self.chunk_size, resets=resets)
        ys = linear_map(states.real, self.read_out[0]) - linear_map(states.imag, self.read_out[1])
        return self.output(ys + self.skip * xs), state
