"""The energy of one mode of a linear recurrent network, and what it says about stability."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from .._cite import cite

#: A mode's strength: a scalar, or any broadcastable shape of them.
Strength = Any


class LagForm(eqx.Module):
    r"""The energy of a mode as polynomials of its recurrent strength, $E = \tfrac12 P - u\,S(b) + \tfrac12 u^2 Q(b)$
    with $u = ac$.

    $S(b) = \sum_k S_k b^k$ collects the importances by lag, $Q(b) = \sum_m N_m b^m$ the power of the inputs that the
    mode reads; for white inputs $N_{2k}$ is the number of pairs of steps with lag $k$. Every task with constant
    singular vectors has this form, with its target at the last step or at every step, with white inputs or with inputs
    that are correlated over time.

    Args:
        drive: $S_k$ for the lags $k = 0, \dots, T - 1$.
        gram: $N_m$ for the powers $m = 0, \dots, 2T - 2$.
        power: $P$, the sum of the squared importances.
    """

    drive: Inexact[Array, "*mode lag"]
    gram: Float[Array, "*mode power"]
    power: Float[Array, "*mode"]

    def drive_at(self, b: Strength) -> Array:
        """$S(b)$."""
        return jnp.tensordot(self.drive, powers(b, self.drive.shape[0]), 1)

    def gram_at(self, b: Strength) -> Array:
        """$Q(b)$."""
        return jnp.tensordot(self.gram, powers(b, self.gram.shape[0]), 1)

    def energy(self, a: Strength, b: Strength, c: Strength) -> Array:
        """$E(a, b, c)$."""
        u = jnp.asarray(a * c)
        return 0.5 * self.power - u * self.drive_at(b) + 0.5 * u**2 * self.gram_at(b)

    def flow(self, a: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
        r"""The gradient flow $-\partial E / \partial (a, b, c)$, written out so that $b = 0$ is harmless."""
        u = a * c
        error = self.drive_at(b) - u * self.gram_at(b)
        slope_drive = jnp.tensordot(_slope(self.drive), powers(b, self.drive.shape[0]), 1)
        slope_gram = jnp.tensordot(_slope(self.gram), powers(b, self.gram.shape[0]), 1)
        return c * error, u * slope_drive - 0.5 * u**2 * slope_gram, a * error


def _slope(coefficients: Array) -> Array:
    """The coefficients of a polynomial's derivative, with a trailing zero to keep their number."""
    order = jnp.arange(1, coefficients.shape[0])
    return jnp.concatenate([order * coefficients[1:], jnp.zeros(1, coefficients.dtype)])


def powers(b: Strength, num: int) -> Array:
    """$b^0, \\dots, b^{num - 1}$ along a new first axis; $0^0 = 1$, and derivatives at 0 are finite."""
    b = jnp.asarray(b)
    repeated = jnp.broadcast_to(b, (num - 1, *b.shape))
    return jnp.cumprod(jnp.concatenate([jnp.ones((1, *b.shape), b.dtype), repeated]), axis=0)


def lag_form(importances: Float[Array, "step"] | Float[Array, "step step"]) -> LagForm:
    r"""The energy of a mode with given importances, for white inputs.

    Args:
        importances: $s_i$ of each input for the target at the last step; or $s_{t,i}$, first the target's step and then
            the input's, for a target at every step (entries with $i > t$, which no causal network can use, count
            towards the power only).
    """
    s = jnp.asarray(importances)
    steps = s.shape[0]
    if s.ndim == 1:
        drive, pairs = s[::-1], np.ones(steps)
    elif s.ndim == 2 and s.shape[1] == steps:
        lag = np.arange(steps)[:, None] - np.arange(steps)[None, :]
        which = (lag[None] == np.arange(steps)[:, None, None]).astype(float)
        drive, pairs = jnp.einsum("kts,ts->k", jnp.asarray(which, s.dtype), s), steps - np.arange(steps)
    else:
        raise ValueError(f"The importances of a mode have shape (step,) or (step, step), got {s.shape}.")
    gram = np.zeros(2 * steps - 1)
    gram[::2] = pairs
    return LagForm(drive, jnp.asarray(gram, s.dtype), jnp.sum(s**2))


@cite("proca2025learning")
def mode_energy(
    a: Strength, b: Strength, c: Strength, importances: Float[Array, "step"] | Float[Array, "step step"]
) -> Array:
    r"""The energy of an aligned mode, $E = \tfrac12 \sum_{i=1}^{T} (s_i - c\,b^{T-i} a)^2$.

    Args:
        a: the input mode.
        b: the recurrent mode.
        c: the output mode (the three broadcast against each other).
        importances: $s_i$, or $s_{t,i}$ for a target at every step (then the sum runs over $i \le t$ too; entries above
            count as they are).

    Returns:
        The energy; the loss is the sum of it over modes and what no mode explains.
    """
    s = jnp.asarray(importances)
    steps = s.shape[0]
    form = lag_form(s)
    if s.ndim == 1:
        shape = (steps,) + (1,) * jnp.ndim(a * b * c)
        return 0.5 * jnp.sum((s.reshape(shape) - a * c * powers(b, steps)[::-1]) ** 2, axis=0)
    return form.energy(a, b, c)


@cite("proca2025learning")
def effective_regularizer(
    a: Strength, b: Strength, c: Strength, num_steps: int | float, *, every_step: bool = False
) -> Array:
    r"""What the recurrence adds to the energy whatever the task: the mode's power over time.

    $$E = \tfrac12 \sum_i s_i^2 - \sum_i s_i\,c\,b^{T-i} a + R, \qquad R = \tfrac12 a^2 c^2\, \frac{1 - b^{2T}}{1 -
    b^2}$$

    and, for a target at every step, $R = \tfrac12 a^2 c^2\, \frac{T (1 - b^2) - b^2 (1 - b^{2T})}{(1 - b^2)^2}$. It
    diverges for $T \to \infty$ where $|b| \ge 1$: stability comes for free.

    Args:
        a: the input mode.
        b: the recurrent mode.
        c: the output mode.
        num_steps: $T$; `inf` is allowed for a target at the last step.
        every_step: whether there is a target at every step.

    Returns:
        $R$, with the limits at $|b| = 1$ exact.
    """
    b = jnp.asarray(b)
    u2 = 0.5 * jnp.asarray(a * c) ** 2
    gap = 1 - b**2
    infinite = np.isinf(num_steps)
    if infinite:
        if every_step:
            return jnp.where(u2 == 0, 0, jnp.inf)
        return jnp.where(u2 == 0, 0, jnp.where(gap > 0, u2 / jnp.where(gap > 0, gap, 1), jnp.inf))
    near = jnp.abs(gap) * num_steps < 0.3
    # Around |b| = 1 the quotients cancel; there sum_k q^k = sum_j C(T, j+1) (q - 1)^j, and one order more at every
    # step.
    first = num_steps + 1 if every_step else num_steps
    order = 2 if every_step else 1
    binomials = [1.0]
    for j in range(1, order + 10):
        binomials.append(binomials[-1] * max(first - j + 1, 0) / j)
    small = jnp.where(near, -gap, 0)
    series = jnp.tensordot(jnp.asarray(binomials[order:], b.dtype), powers(small, 10), 1)
    safe = jnp.where(near, 1, gap)
    decay = jnp.where(near, 0, b**2) ** num_steps
    ratio = (1 - decay) / safe
    quotient = (num_steps - (1 - safe) * ratio) / safe if every_step else ratio
    return u2 * jnp.where(near, series, quotient)


@cite("proca2025learning")
def minimized_energy(b: Strength, importances: Float[Array, "step"] | Float[Array, "step step"]) -> tuple[Array, Array]:
    r"""The energy of a mode with its input-output strength minimised out, $E^*(b) = \tfrac12 \bigl(\sum_i s_i^2 -
    S(b)^2 / Q(b)\bigr)$.

    Args:
        b: the recurrent mode.
        importances: $s_i$, or $s_{t,i}$ for a target at every step.

    Returns:
        $E^*(b)$ and the strength $u^*(b) = S(b) / Q(b)$ at which it is taken.
    """
    form = lag_form(importances)
    drive, gram = form.drive_at(b), form.gram_at(b)
    return 0.5 * (form.power - drive**2 / gram), drive / gram


@cite("proca2025learning")
def zero_loss_modes(importances: Float[Array, "step"]) -> tuple[Array, Array, Array]:
    r"""The solution of zero loss, where there is one: $b^* = s_{T-1} / s_T$ and $u^* = (ac)^* = s_T$.

    A linear recurrence can fit importances exactly if and only if they are inverse-exponential, $s_i = \delta
    \lambda^{T-i}$:

    | importances | $b^*$ | $(ac)^*$ |
    |---|---|---|
    | constant, $\delta$ | 1 | $\delta$ |
    | inverse-exponential, $\delta \lambda^{T-i}$ | $\lambda$ | $\delta$ |
    | exponential, $\delta \lambda^i$ | $1 / \lambda$ | $\delta \lambda^T$: depends on $T$, does not extrapolate |

    Args:
        importances: $s_i$ (real, or complex for rotations).

    Returns:
        $b^*$, $u^*$, and how far the importances are from zero loss, $\max_i |s_i - u^* b^{*\,T-i}| / \max_i |s_i|$: 0
        to rounding where it can be reached, 1 where only inputs before the last matter.
    """
    s = jnp.asarray(importances)
    size = jnp.max(jnp.abs(s))
    u = s[-1]
    if s.shape[0] == 1:
        return jnp.zeros_like(u), u, jnp.zeros_like(size)
    b = jnp.where(u == 0, 0, s[-2] / jnp.where(u == 0, 1, u))
    rest = jnp.max(jnp.abs(s - u * powers(b, s.shape[0])[::-1]))
    return b, u, jnp.where(size == 0, 0, rest / jnp.where(size == 0, 1, size))
