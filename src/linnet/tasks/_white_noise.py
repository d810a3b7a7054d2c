"""Filter white noise: leaky and oscillatory integration in continuous time."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch
from ._lyapunov import solve_lyapunov
from ._moments import TemporalMoments
from ._task import AbstractTask


@cite("bordelon2025dynamically")
class WhiteNoiseIntegration(AbstractTask):
    r"""The output of a filter of white noise, $y(t) = \int_0^\infty f(s)\, x(t - s)\, ds$.

    The filter is $f(s) = e^{-c s} \cos(\omega s)$. $\omega = 0$ is the leaky integrator, and the perfect one for $c \to
    0$; otherwise the target is a damped oscillation.

    The task of continuous time is approximated in steps of $\Delta$: inputs $\xi_k = x_k \sqrt\Delta$ have variance 1,
    and the target at the last of $T$ steps is $y_T = \sqrt\Delta \sum_{k=0}^{T-1} f(k \Delta)\, \xi_{T-k}$. A linear
    network with impulse response $\sqrt\Delta\, g(k \Delta)$ then has the loss $\tfrac12 \sum_k \Delta\, (g -
    f)^2(k\Delta)$: the left Riemann sum of the continuous loss, cut at $T \Delta$. `power`, `response` and `loss` are
    exact in continuous time and for infinite sequences.

    Args:
        decay: $c$, the rate of the decay.
        frequency: $\omega$, in radians per unit of time.
        num_steps: $T$.
        dt: $\Delta$.

    !!! example
        ```python
        task = ln.tasks.WhiteNoiseIntegration(decay=0.2, num_steps=200, dt=0.1)
        task.moments()  # TemporalMoments of white inputs
        task.power()  # 1 / (2 c) = 2.5
        ```
    """

    decay: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    frequency: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.0)
    num_steps: int = eqx.field(static=True, default=100)
    dt: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.1)

    def __check_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"WhiteNoiseIntegration needs num_steps >= 1, got {self.num_steps}.")

    def filter(self, lag: Float[Array, "..."]) -> Float[Array, "..."]:
        r"""$f(s) = e^{-c s} \cos(\omega s)$ for lags $s \ge 0$."""
        return jnp.exp(-self.decay * lag) * jnp.cos(self.frequency * lag)

    def power(self, start: float | Float[Array, ""] = 0.0) -> Float[Array, ""]:
        r"""The variance of the target that lies beyond a lag, $\int_{s_0}^\infty f(s)^2 ds$; all of it by default.

        Args:
            start: $s_0$; $T \Delta$ for what the sequences cut off.
        """
        c, w = self.decay, self.frequency
        # cos^2 = (1 + cos(2 w s)) / 2, and the integral of e^{-2cs} cos(2ws) from s0.
        wave = c * jnp.cos(2 * w * start) - w * jnp.sin(2 * w * start)
        return jnp.exp(-2 * c * start) / 4 * (1 / c + wave / (c**2 + w**2))

    def response(self, dynamics: Float[Array, "state state"]) -> Float[Array, "state state"]:
        r"""What a linear system shares with the target.

        $R = \int_0^\infty e^{A s} f(s)\, ds = \mathrm{Re}\, ((c - i\omega) I - A)^{-1}$.

        Args:
            dynamics: $A$ of $\dot h = A h + u x$; $W - I$ for a network with unit leak.
        """
        identity = jnp.eye(dynamics.shape[0], dtype=dynamics.dtype)
        shifted = self.decay * identity - dynamics
        # The real part of (B - i w)^{-1} is B (B^2 + w^2)^{-1}, in real arithmetic.
        return jnp.linalg.solve(shifted @ shifted + self.frequency**2 * identity, shifted)

    def loss(
        self, dynamics: Float[Array, "state state"], read_in: Float[Array, " state"], read_out: Float[Array, " state"]
    ) -> Float[Array, ""]:
        r"""The continuous loss of a stable linear system with the kernel $g(s) = v^\top e^{A s} u$.

        $L = \tfrac12 \int_0^\infty (g - f)^2 ds = \tfrac12 (v^\top P v - 2 v^\top R u + \int f^2)$ with $A P + P A^\top
        + u u^\top = 0$.

        Args:
            dynamics: $A$, with all eigenvalues in the left half plane.
            read_in: $u$.
            read_out: $v$.
        """
        gram = solve_lyapunov(dynamics, jnp.outer(read_in, read_in))
        overlap = read_out @ self.response(dynamics) @ read_in
        return 0.5 * (read_out @ gram @ read_out - 2 * overlap + self.power())

    def at_length(self, num_steps: int) -> "WhiteNoiseIntegration":
        """The same filter over another number of steps of the same duration."""
        return WhiteNoiseIntegration(self.decay, self.frequency, num_steps, self.dt)

    def weights(self) -> Float[Array, " step"]:
        r"""The weight of each step's input in the target, $\sqrt\Delta f((T - i) \Delta)$, the oldest first."""
        return jnp.sqrt(self.dt) * self.filter(jnp.arange(self.num_steps - 1, -1, -1) * self.dt)

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        if length is not None and length != self.num_steps:
            return self.at_length(length).sample(num, key=key)
        weights = self.weights()
        x = jr.normal(key, (num, self.num_steps), weights.dtype)
        return Batch(x[:, :, None], (x @ weights)[:, None])

    def moments(self) -> TemporalMoments:
        weights = self.weights()
        return TemporalMoments(None, weights[:, None, None], jnp.sum(weights**2)[None, None])
