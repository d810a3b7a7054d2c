"""Filter white noise in continuous time: the exact loss of a linear system, without samples and without steps."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from ._lyapunov import solve_lyapunov
from ._setting import AbstractSetting
from ._white_noise import WhiteNoiseIntegration


@runtime_checkable
class StateSpace(Protocol):
    """A linear network in continuous time, $\\dot h = A h + B x$ and $y = C h$."""

    def state_space(
        self,
    ) -> tuple[Float[Array, "hidden hidden"], Float[Array, "hidden in"], Float[Array, "out hidden"]]:
        """$A$, $B$ and $C$."""
        ...


@cite("bordelon2025dynamically")
class ContinuousIntegration(AbstractSetting):
    r"""Learn the filter $f(s) = a\, e^{-c s} \cos(\omega s)$ of white noise, in continuous time and exactly.

    A linear network with the kernel $g(s) = v^\top e^{A s} u$ has the population loss

    $$L = \tfrac12 \int_0^\infty (g - f)^2 ds = \tfrac12 \Bigl(v^\top P v - 2 a\, v^\top R u + a^2 \int f^2\Bigr),
    \quad A P + P A^\top + u u^\top = 0, \quad R = \mathrm{Re}\,((c - i \omega) I - A)^{-1},$$

    infinite for unstable networks, so that gradient flow stays among the stable ones. Its gradient by $A$ is
    $Q P - a\,\mathrm{Re}\,(R^\top v)(R u)^\top$ with $A^\top Q + Q A + v v^\top = 0$. The same task in time steps is
    `WhiteNoiseIntegration`.

    Args:
        decay: $c$, one over the timescale of the target.
        frequency: $\omega$, in radians per unit of time.
        amplitude: $a$; see `unit_power`.

    !!! example
        ```python
        task = ln.tasks.ContinuousIntegration(decay=0.1)
        net = ln.nn.LeakyLinearRNN(jnp.ones((2, 1)), jnp.zeros((2, 2)), 0.1 * jnp.ones((1, 2)))
        ln.learn.simulate(net, task, jnp.linspace(0.0, 5.0, 50), observe=[ln.learn.OutlierEigenvalues()])
        ```
    """

    decay: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    frequency: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.0)
    amplitude: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def filter(self) -> WhiteNoiseIntegration:
        """The filter of amplitude 1, and the same task in time steps."""
        return WhiteNoiseIntegration(self.decay, self.frequency)

    def power(self) -> Float[Array, ""]:
        r"""The variance of the target, $a^2 \int f^2$: twice the loss of a silent network."""
        return self.amplitude**2 * self.filter().power()

    def unit_power(self) -> "ContinuousIntegration":
        r"""The same filter with the amplitude at which the target has variance 1; $\sqrt{2 c}$ for $\omega = 0$."""
        return ContinuousIntegration(self.decay, self.frequency, 1 / jnp.sqrt(self.filter().power()))

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        if not isinstance(network, StateSpace):
            return (
                "it needs a linear network in continuous time, such as `LeakyLinearRNN`. In time steps a `LinearRNN` "
                "learns `WhiteNoiseIntegration`."
            )
        if not isinstance(loss, SquaredError):
            return f"its loss is squared error, got {type(loss).__name__}."
        _, read_in, read_out = network.state_space()
        if read_in.shape[1] != 1 or read_out.shape[0] != 1:
            return (
                "it has one input and one output, and the network's weights are (hidden, in) = "
                f"{read_in.shape} and (out, hidden) = {read_out.shape}."
            )
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        dynamics, read_in, read_out = network.state_space()
        source, sink = read_in[:, 0], read_out[0]
        gram = solve_lyapunov(dynamics, jnp.outer(source, source))
        identity = jnp.eye(dynamics.shape[0], dtype=dynamics.dtype)
        shifted = self.decay * identity - dynamics
        # The real part of (B - i w)^{-1} u is (B^2 + w^2)^{-1} B u.
        shared = sink @ jnp.linalg.solve(shifted @ shifted + self.frequency**2 * identity, shifted @ source)
        found = 0.5 * (sink @ gram @ sink - 2 * self.amplitude * shared + self.power())
        # Unstable systems leave infinities, or a "variance" below zero.
        stable = jnp.all(jnp.isfinite(gram)) & (jnp.min(jnp.diagonal(gram)) >= 0)
        return jnp.where(stable, found, jnp.inf)
