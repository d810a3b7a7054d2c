"""Learning to integrate, reduced to one or two modes: gradients in closed form, and how long the plateau is."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite


class Modes(NamedTuple):
    """A network within the span of its read-in and read-out (or the slopes of its loss): two units are all of it."""

    read_in: Float[Array, "2"]
    recurrent: Float[Array, "2 2"]
    read_out: Float[Array, "2"]


class Outlier(NamedTuple):
    """A network of one mode (or the slopes of its loss): read-in, eigenvalue of the recurrent weights, read-out."""

    read_in: Float[Array, ""]
    eigenvalue: Float[Array, ""]
    read_out: Float[Array, ""]


@cite("bordelon2025dynamically")
def single_outlier_slopes(modes: Outlier, task: tasks.ContinuousIntegration) -> Outlier:
    r"""The gradient of the loss of one mode, $g(s) = \beta \alpha\, e^{-(1 - \lambda) s}$.

    With $k = 1 - \lambda$, $m = \beta\alpha$ and $\rho = \mathrm{Re}\, 1/(c + k - i\omega)$

    $$\dot\alpha = -\beta \Bigl(\frac{m}{2k} - a \rho\Bigr), \quad
    \dot\beta = -\alpha \Bigl(\frac{m}{2k} - a \rho\Bigr), \quad
    \dot\lambda = -\frac{m^2}{4k^2} + a m\, \mathrm{Re} \frac{1}{(c + k - i\omega)^2} .$$

    Args:
        modes: $\beta$, $\lambda$, $\alpha$.
        task: the filter, of decay $c$, frequency $\omega$ and amplitude $a$.
    """
    leak = 1 - modes.eigenvalue
    size = modes.read_in * modes.read_out
    shared = 1 / (task.decay + leak - 1j * task.frequency)
    slope = size / (2 * leak) - task.amplitude * shared.real
    along = size**2 / (4 * leak**2) - task.amplitude * size * (shared**2).real
    return Outlier(modes.read_out * slope, along, modes.read_in * slope)


@cite("bordelon2025dynamically")
def outlier_pair_slopes(modes: Modes, task: tasks.ContinuousIntegration) -> Modes:
    r"""The gradient of the loss of two modes, real ones or a conjugate pair.

    With $A = W - I$, its adjugate $\hat A$, $P = -(\det A\, u u^\top + \hat A u u^\top \hat A^\top) / (2
    \operatorname{tr} A \det A)$, the same $Q$ of $A^\top$ and $v$, and the complex $R = ((c - i\omega) I - A)^{-1}$

    $$\nabla_W = Q P - a\, \mathrm{Re}\, (R^\top v)(R u)^\top, \quad \nabla_u = Q u - a\, \mathrm{Re}\, R^\top v, \quad
    \nabla_v = P v - a\, \mathrm{Re}\, R u .$$

    Args:
        modes: $u$, $W$ and $v$ in an orthonormal basis of two units.
        task: the filter.
    """
    read_in, recurrent, read_out = modes
    dynamics = recurrent - jnp.eye(2, dtype=recurrent.dtype)
    shared = (task.decay - 1j * task.frequency) * jnp.eye(2) - dynamics
    response = adjugate(shared) / determinant(shared)
    forward, backward = response @ read_in, response.T @ read_out
    gram, sink = covariance(dynamics, read_in), covariance(dynamics.T, read_out)
    return Modes(
        sink @ read_in - task.amplitude * backward.real,
        sink @ gram - task.amplitude * jnp.outer(backward, forward).real,
        gram @ read_out - task.amplitude * forward.real,
    )


def single_outlier_loss(modes: Outlier, task: tasks.ContinuousIntegration) -> Float[Array, ""]:
    """The loss of one mode."""
    leak, size = 1 - modes.eigenvalue, modes.read_in * modes.read_out
    shared = (1 / (task.decay + leak - 1j * task.frequency)).real
    return 0.5 * (size**2 / (2 * leak) - 2 * task.amplitude * size * shared + task.power())


def outlier_pair_loss(modes: Modes, task: tasks.ContinuousIntegration) -> Float[Array, ""]:
    """The loss of two modes."""
    dynamics = modes.recurrent - jnp.eye(2, dtype=modes.recurrent.dtype)
    shared = (task.decay - 1j * task.frequency) * jnp.eye(2) - dynamics
    overlap = (modes.read_out @ adjugate(shared) @ modes.read_in / determinant(shared)).real
    power = modes.read_out @ covariance(dynamics, modes.read_in) @ modes.read_out
    return 0.5 * (power - 2 * task.amplitude * overlap + task.power())


def adjugate(matrix: Array) -> Array:
    """The adjugate of a matrix of two rows."""
    return jnp.trace(matrix) * jnp.eye(2) - matrix


def determinant(matrix: Array) -> Array:
    """The determinant of a matrix of two rows."""
    return matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]


def covariance(dynamics: Float[Array, "2 2"], drive: Float[Array, "2"]) -> Float[Array, "2 2"]:
    """The solution of the Lyapunov equation of two units, in closed form."""
    volume, turned = determinant(dynamics), adjugate(dynamics) @ drive
    return -(volume * jnp.outer(drive, drive) + jnp.outer(turned, turned)) / (2 * jnp.trace(dynamics) * volume)


def pair_eigenvalues(matrix: Float[Array, "2 2"]) -> Float[Array, "outlier=2 part=2"]:
    """The eigenvalues of two modes as real and imaginary parts, in the order of `analyse.recurrent_eigenvalues`."""
    half, volume = jnp.trace(matrix) / 2, determinant(matrix)
    # (tr / 2)^2 - det, without the cancellation of equal diagonals.
    square = ((matrix[0, 0] - matrix[1, 1]) / 2) ** 2 + matrix[0, 1] * matrix[1, 0]
    root = jnp.sqrt(jnp.abs(square))
    # The larger one of two real ones has no cancellation, and gives the smaller one by the determinant.
    large = half + jnp.where(half >= 0, root, -root)
    small = jnp.where(large != 0, volume / jnp.where(large != 0, large, 1), 0)
    real, zero = jnp.stack([large, small]), jnp.zeros(())
    pair = jnp.stack([jnp.stack([half, root]), jnp.stack([half, -root])])
    return jnp.where(square >= 0, jnp.stack([real, jnp.stack([zero, zero])], axis=1), pair)


@cite("bordelon2025dynamically")
def plateau_length(
    decay: Any, *, amplitude: Any = 1.0, remaining: Any = 0.5, eigenvalue: Any = 0.0
) -> Float[Array, "..."]:
    r"""The learning time until a share of the loss is left, for a leaky integrator of small amplitude.

    With a read-in of norm 1 and a read-out that follows at once (which is so for $a^2 \ll c$), $k = 1 - \lambda$ obeys

    $$\dot k = -a^2\, \frac{k - c}{(k + c)^3}, \qquad \frac{L}{L_0} = 1 - \frac{4 k c}{(k + c)^2},$$

    which is solved by $a^2 t = c^3\, [F(k_0 / c) - F(k / c)]$ with $F(x) = x^3/3 + 2 x^2 + 7 x + 8 \ln(x - 1)$. For
    long timescales $t \to 1 / (3 a^2)$: for a target $e^{-c s}$ the length does not depend on the timescale $1/c$ at
    all, for one of unit power ($a^2 = 2 c$) it is a sixth of it.

    Args:
        decay: $c < 1 - \lambda_0$.
        amplitude: $a$.
        remaining: $L / L_0$.
        eigenvalue: $\lambda_0$, the outlier before learning.

    Returns:
        The time; zero where no more than this is left to begin with (the read-out alone has learned it).
    """
    decay, start = jnp.asarray(decay, float), 1 - jnp.asarray(eigenvalue, float)
    # 1 - L / L_0 = 4 x / (1 + x)^2 at x = k / c > 1.
    learned = 1 - jnp.asarray(remaining, float)
    end = (2 - learned + 2 * jnp.sqrt(1 - learned)) / learned

    def integral(x: Array) -> Array:
        return x**3 / 3 + 2 * x**2 + 7 * x + 8 * jnp.log(x - 1)

    late = integral(jnp.maximum(start / decay, end)) - integral(end)
    return decay**3 / jnp.asarray(amplitude, float) ** 2 * late
