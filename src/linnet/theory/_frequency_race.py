"""The frequencies of one mode of a linear convolutional network: all weights by one clock, in closed form."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._ode import solve_ode
from ._fourier_race import fourier, needs_full_size


class FrequencyRace(eqx.Module):
    r"""The race of the frequencies of one mode; made by `frequency_race`.

    Args:
        rates: $g_f = \sqrt n\,|\hat v_f|$, how fast each frequency runs by the common clock.
        growing: $P_f$, the part of its first weights that grows.
        shrinking: $N_f$, the part that shrinks.
        singular_value: $s$ of the mode.
        input_variance: $\lambda$ of the mode.
    """

    rates: Float[Array, " frequency"]
    growing: Float[Array, " frequency"]
    shrinking: Float[Array, " frequency"]
    singular_value: Float[Array, ""]
    input_variance: Float[Array, ""]

    def strengths(self, clock: Float[Array, "*time"] | float) -> Float[Array, "*time frequency"]:
        r"""What each frequency contributes to the mode's strength at $\theta$: $g_f (P_f e^{2 g_f \theta} - N_f
        e^{-2 g_f \theta})$."""
        turned = 2 * self.rates * jnp.asarray(clock, self.rates.dtype)[..., None]
        return self.rates * (self.growing * jnp.exp(turned) - self.shrinking * jnp.exp(-turned))

    def residual(self, clock: Float[Array, "*time"] | float) -> Float[Array, "*time"]:
        r"""The one residual that all frequencies see, $s - \lambda \sum_f a_f(\theta) = \dot\theta$."""
        return self.singular_value - self.input_variance * jnp.sum(self.strengths(clock), axis=-1)

    def clock(self, ts: Float[Array, " time"]) -> Float[Array, " time"]:
        r"""$\theta$ at learning times, from $\dot\theta = s - \lambda \sum_f a_f(\theta)$."""
        ts = jnp.asarray(ts, self.rates.dtype)
        return solve_ode(lambda t, theta, race: race.residual(theta), jnp.zeros((), ts.dtype), ts, self)[0]

    def final_clock(self) -> Float[Array, ""]:
        r"""$\theta_*$, where the mode is learned; infinite where no frequency of it has weights that grow."""
        return self.clock_at(1.0)

    def clock_at(self, part: Float[Array, ""] | float) -> Float[Array, ""]:
        r"""$\theta$ at which the strength is a `part` of what is learned, by bisection as it only rises; below 0 if it
        is more than that at first."""
        level = jnp.asarray(part, self.rates.dtype) * self.singular_value / self.input_variance
        # Each frequency alone says: not later than this, not earlier than that.
        late = self._bound(self.growing, level + jnp.sum(self.rates * self.shrinking))
        early = -self._bound(self.shrinking, jnp.sum(self.rates * self.growing) - level)
        reached = jnp.isfinite(late) & (jnp.isfinite(early) | (jnp.sum(self.strengths(0.0)) <= level))

        def halve(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            middle = 0.5 * (bounds[0] + bounds[1])
            below = jnp.sum(self.strengths(middle)) < level
            return jnp.where(below, middle, bounds[0]), jnp.where(below, bounds[1], middle)

        bounds = jnp.where(jnp.isfinite(early), early, 0), jnp.where(jnp.isfinite(late), late, 0)
        found = jax.lax.fori_loop(0, 2 * jnp.finfo(late.dtype).nmant, halve, bounds)
        return jnp.where(reached, 0.5 * (found[0] + found[1]), jnp.inf)

    def _bound(self, part: Float[Array, " frequency"], wanted: Float[Array, ""]) -> Float[Array, ""]:
        r"""A clock from which on $g_f P_f e^{2 g_f \theta}$ of some frequency is more than is wanted."""
        alive = (self.rates > 0) & (part > 0)
        rate, part = (jnp.where(alive, x, 1) for x in (self.rates, part))
        return jnp.min(jnp.where(alive, jnp.log1p(jnp.maximum(wanted, 0) / (rate * part)) / (2 * rate), jnp.inf))

    def time_at(self, part: Float[Array, ""] | float) -> Float[Array, ""]:
        r"""The learning time at which the strength is a `part` of what is learned, $t = \int_0^\theta d\theta' / (s -
        \lambda \sum_f a_f(\theta'))$; `part=0.5` is the half time of the mode."""
        end = self.clock_at(part)
        nodes, weights = np.polynomial.legendre.leggauss(128)
        # Where the residual falls, at the end, nodes are dense too.
        slopes = 1 / self.residual(0.5 * end * (1 + jnp.asarray(nodes, self.rates.dtype)))
        return 0.5 * end * jnp.sum(jnp.asarray(weights, slopes.dtype) * slopes)


@cite("pinson2023linear")
def frequency_race(network: nn.LinearCNN, task: Any, mode: int = 0) -> FrequencyRace:
    r"""The frequencies of one mode: they share one residual and so one clock $\theta$, $\dot\theta = s - \lambda a$.

    In the clock all weights of a linear convolutional network are linear: with $p = u^\top \hat W_{c,f}$,
    $q = \overline{\hat k_{c,f}}\, \hat v_f / |\hat v_f|$ and $g_f = \sqrt n\, |\hat v_f|$

    $$\frac{dp}{d\theta} = g_f q, \quad \frac{dq}{d\theta} = g_f p, \qquad
    a(\theta) = \sum_f g_f \bigl(P_f e^{2 g_f \theta} - N_f e^{-2 g_f \theta}\bigr), \quad
    P_f, N_f = \tfrac14 \sum_c |p_0 \pm q_0|^2$$

    so that the frequency with the largest $g_f$ wins the more clearly, the smaller the weights: the clock stops at
    $a(\theta_*) = s / \lambda$, where the share of another has fallen to the order of $P^{1 - g_f / g_{max}}$. Exact
    where inputs vary along $v$ alone, and for several modes that share no frequency (with no weights at each other's)
    and no input; else every mode has also what others leave it, which `FourierRace` follows.

    Args:
        network: the network before training; circular filters as large as the image.
        task: whatever has moments.
        mode: which of its modes.

    Returns:
        The race: strengths of frequencies by the clock, the clock at times, when and where it ends.
    """
    reason = needs_full_size(network)
    moments: Any = tasks.as_moments(task)
    space, num = network.space, math.prod(network.space)
    if reason is not None:
        raise ValueError(f"frequency_race is not about this network: {reason}")
    if moments.yx.shape != (network.output_weights.shape[0], num):
        raise ValueError(
            f"The network's map has the shape (out, in) = {(network.output_weights.shape[0], num)}, the task needs "
            f"{moments.yx.shape}."
        )
    modes = moments.singular_modes()
    image = fourier(modes.right[:, mode], space)
    size = jnp.abs(image)
    turn = jnp.where(size > 0, image / jnp.where(size > 0, size, 1), 1)
    flat = network.output_weights.reshape(*network.output_weights.shape[:2], num)
    readout = fourier(jnp.einsum("o,ocp->cp", modes.left[:, mode], flat), space)
    # M x is a sum of M_f conj(x_f): the phase that filters and readout have to agree on is that of the image.
    filters = jnp.conj(fourier(network.filters.reshape(-1, num), space)) * turn
    growing, shrinking = (0.25 * jnp.sum(jnp.abs(readout + sign * filters) ** 2, axis=0) for sign in (1, -1))
    return FrequencyRace(
        math.sqrt(num) * size, growing, shrinking, modes.singular_values[mode], modes.input_variances[mode]
    )
