"""The transition between feedforward and recurrent solutions of a linear recurrent network, in its three senses."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from .._ode import solve_ode
from ._mode_energy import LagForm, lag_form, powers

Profile = Float[Array, "early"] | None


def _early(num_steps: int, profile: Profile) -> Float[Array, "early"]:
    """The importances of all steps but the last, by default 1 at the first step alone."""
    if num_steps < 2:
        raise ValueError(f"A recurrent solution needs at least 2 steps, got {num_steps}.")
    if profile is None:
        return jnp.zeros(num_steps - 1).at[0].set(1.0)
    profile = jnp.asarray(profile)
    if profile.shape != (num_steps - 1,):
        raise ValueError(
            f"The early profile of {num_steps} steps has one importance for each but the last, "
            f"shape ({num_steps - 1},), got {profile.shape}."
        )
    return profile


@cite("proca2025learning")
def energetic_transition(num_steps: int, *, b_max: float | None = None, profile: Profile = None) -> Float[Array, ""]:
    r"""The early-to-late ratio at which the global minimum of the energy leaves the feedforward solution $b = 0$.

    For $s_i = \rho f_i$ ($i < T$) and $s_T = 1$ the solution $b$ has less energy than $b = 0$ if and only if
    $\rho > (\sqrt{Q(b)} - 1) / F(b)$ with $Q = \sum_{k<T} b^{2k}$, $F = \sum_{i<T} f_i b^{T-i}$, so that the transition
    is the infimum of this over $0 < b \le b_{\max}$. For a single early input at the first step, $\rho = s_1 / s_T$:

    - $T = 2$: 0, there is always some recurrence; $T = 3$: 1/2, a continuous transition.
    - $T = 4$: 1, where $b = 1$ ties with $b = 0$.
    - $T \ge 5$: exactly 1, but the competitor is $b \to \infty$ (the energy has the duality $E^*(b; \rho)
    \leftrightarrow E^*(1/b; 1/\rho)$).
      A bounded search moves it to $(1 - 1 / b_{\max}^2)^{-1/2}$ for large $T$: the paper's critical point of 1.08 in
      $\beta = \sqrt\rho$ is that of its grid.

    Args:
        num_steps: $T$.
        b_max: the largest recurrent mode that competes; `None` for no bound.
        profile: $f$, the importances of all steps but the last; by default 1 at the first step.

    Returns:
        The critical ratio $\rho$ (infinite if the early profile is zero).
    """
    early = _early(num_steps, profile)
    return _energetic(early, jnp.asarray(1.0 if b_max is None else b_max / (1 + b_max), early.dtype))


@eqx.filter_jit
def _energetic(early: Array, end: Array) -> Array:
    # In x = b / (1 + b) the half-line is an interval.
    x = end * jnp.asarray(np.arange(1, 4001) / 4000, early.dtype)
    ratios = _critical_ratio(early, x)
    best = jnp.argmin(ratios)
    low, high = x[jnp.maximum(best - 1, 0)], x[jnp.minimum(best + 1, x.size - 1)]
    low, high = jax.lax.fori_loop(0, 60, lambda _, i: _golden(early, i), (low, high))
    found = jnp.minimum(jnp.min(ratios), _critical_ratio(early, (low + high) / 2))
    return jnp.minimum(found, _small_b_limit(early))


def _critical_ratio(early: Array, x: Array) -> Array:
    """$(\\sqrt{Q} - 1) / F$ at $b = x / (1 - x)$; infinite where the early inputs pull the wrong way."""
    steps = early.shape[0] + 1
    large = x > 0.5
    b = jnp.where(large, 0, x / jnp.where(large, 1, 1 - x))
    inverse = jnp.where(large, (1 - x) / x, 0)  # 1 / b
    gram = jnp.sum(powers(b, steps) ** 2, axis=0)
    small_form = (gram - 1) / (1 + jnp.sqrt(gram)), jnp.tensordot(early[::-1], powers(b, steps)[1:], 1)
    # both divided by b^{T-1}
    backward = powers(inverse, steps)
    large_form = (
        jnp.sqrt(jnp.sum(backward**2, axis=0)) - backward[-1],
        jnp.tensordot(early, backward[: steps - 1], 1),
    )
    top = jnp.where(large, large_form[0], small_form[0])
    pull = jnp.where(large, large_form[1], small_form[1])
    return jnp.where(pull > 0, top / jnp.where(pull > 0, pull, 1), jnp.inf)


def _golden(early: Array, interval: tuple[Array, Array]) -> tuple[Array, Array]:
    low, high = interval
    step = (np.sqrt(5) - 1) / 2 * (high - low)
    left, right = high - step, low + step
    better = _critical_ratio(early, left) < _critical_ratio(early, right)
    return jnp.where(better, low, left), jnp.where(better, right, high)


def _small_b_limit(early: Array) -> Array:
    """The limit of the critical ratio for $b \\to 0$: with importance just before the last step any ratio will do."""
    second = early[-2] if early.shape[0] > 1 else jnp.zeros(())
    safe = jnp.where(second > 0, second, 1)
    return jnp.where(early[-1] > 0, 0, jnp.where((early[-1] == 0) & (second > 0), 0.5 / safe, jnp.inf))


@cite("proca2025learning")
def spinodal_transition(num_steps: int, *, profile: Profile = None) -> Float[Array, ""]:
    r"""The early-to-late ratio at which the feedforward solution $b = 0$ loses its local stability.

    The branch $b = 0$, $u = s_T$ is stationary if $s_{T-1} = 0$, and stable as long as $s_{T-2} < s_T / 2$. For a
    single early input that is $\rho = 1/2$ for $T = 3$, and never for $T > 3$, where the coefficient of $b^2$ in the
    energy is positive whatever $\rho$: the feedforward solution stays metastable, and which one is learned depends on
    the initial weights (`dynamical_transition`).

    Args:
        num_steps: $T$.
        profile: $f$, the importances of all steps but the last; by default 1 at the first step.

    Returns:
        The ratio $\rho$: zero where there is no feedforward branch, infinite where it never loses its stability.
    """
    return _small_b_limit(_early(num_steps, profile))


@cite("proca2025learning")
def recurrent_window(num_steps: int, *, profile: Profile = None) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""The early-to-late ratios between which a recurrent solution of finite strength exists.

    A strength $b > 0$ is stationary at one ratio only, $\rho(b) = Q' / (2 F' Q - F Q')$, and a minimum where $\rho(b)$
    rises. For a single early input: between 1/2 and 2 for $T = 3$, between 0.910 and 1.099 (by duality one over the
    other) for $T = 4$, and never for $T \ge 5$, where all that is not feedforward runs away to $b \to \infty$, ever
    more slowly.

    Args:
        num_steps: $T$.
        profile: $f$, the importances of all steps but the last; by default 1 at the first step.

    Returns:
        The ratios at which the minimum appears and disappears (it may leave to infinity); NaN where there is none.
    """
    return _window(_early(num_steps, profile))


@eqx.filter_jit
def _window(early: Array) -> tuple[Array, Array]:
    log_b = jnp.asarray(np.linspace(np.log(1e-3), np.log(1e3), 4001), early.dtype)
    ratios = _stationary_ratio(early, jnp.exp(log_b))
    index = jnp.arange(ratios.size - 1)
    finite = jnp.isfinite(ratios[:-1]) & jnp.isfinite(ratios[1:])
    change = jnp.where(finite, ratios[1:] - ratios[:-1], 0)
    noise = 1e-9 * jnp.where(finite, jnp.abs(ratios[:-1]), 0)
    begin = jnp.argmax(change > noise)
    falls = (index > begin) & (change < -noise)
    end = jnp.where(jnp.any(falls), jnp.argmax(falls), ratios.size - 1)

    def refined(at: Array, extreme) -> Array:
        step = log_b[1] - log_b[0]
        fine = jnp.exp(log_b[at] + step * jnp.linspace(-1, 1, 2001))
        inside = (at > 0) & (at < ratios.size - 1)
        return jnp.where(inside, extreme(_stationary_ratio(early, fine)), ratios[at])

    appears = jnp.where(begin == 0, jnp.minimum(ratios[0], _small_b_limit(early)), refined(begin, jnp.min))
    exists = jnp.any(change > noise)
    return jnp.where(exists, appears, jnp.nan), jnp.where(exists, refined(end, jnp.max), jnp.nan)


def _stationary_ratio(early: Array, b: Array) -> Array:
    """The ratio for which $b > 0$ is stationary; scaled by powers of $b$ where these are large."""
    steps = early.shape[0] + 1
    lags = jnp.arange(steps)
    large = b > 1
    # x^k for small b, and x^{k - (T - 1)} for large: numerator and denominator carry the same number of such factors.
    base = jnp.where(large, 1 / b, b)
    table = powers(base, steps)
    weights = jnp.where(large, table[::-1], table)
    shift = jnp.where(large, base ** (steps - 1), 1.0)  # b^{-(T-1)}
    pull_coefficients = jnp.concatenate([jnp.zeros(1), early[::-1]])
    pull = jnp.tensordot(pull_coefficients, weights, 1)
    pull_slope = jnp.tensordot(lags * pull_coefficients, weights, 1) / b
    gram = jnp.sum(weights**2, axis=0)
    gram_slope = 2 * jnp.tensordot(lags, weights**2, 1) / b
    bottom = 2 * pull_slope * gram - pull * gram_slope
    return jnp.where(bottom > 0, shift * gram_slope / jnp.where(bottom > 0, bottom, 1), jnp.inf)


@cite("proca2025learning")
def dynamical_transition(
    num_steps: int,
    initial: Float[Array, "*setting"] | float,
    *,
    profile: Profile = None,
    lowest: float = 0.05,
    highest: float = 40.0,
    duration: float = 1000.0,
    threshold: float = 0.1,
    num_bisections: int = 24,
) -> Float[Array, "*setting"]:
    r"""The early-to-late ratio beyond which gradient flow *learns* a recurrent solution, from $a = b = c = x$.

    For $T > 3$ the feedforward solution is metastable, so that what is learned depends on the initial weights: the
    smaller they are, the larger the ratio that is needed. Found by bisection over $\log\rho$, all initial strengths in
    one compiled program.

    Args:
        num_steps: $T$.
        initial: $x$, one or many initial strengths; above 0 (at $b = 0$ the flow never leaves for $T \ge 3$).
        profile: $f$, the importances of all steps but the last; by default 1 at the first step. $s_T$ is 1.
        lowest: the smallest ratio looked at.
        highest: the largest.
        duration: the learning time after which a solution is called recurrent or not.
        threshold: the recurrent mode from which on it is called recurrent.
        num_bisections: how often the interval is halved, on a logarithmic scale.

    Returns:
        The critical ratio for each initial strength: infinite where even the highest ratio ends feedforward.
    """
    early = _early(num_steps, profile)
    initial = jnp.asarray(initial, early.dtype)
    settings = lowest, highest, duration, threshold
    result = _bisect(early, initial.reshape(-1), tuple(jnp.asarray(v, early.dtype) for v in settings), num_bisections)
    return result.reshape(initial.shape)


@eqx.filter_jit
def _bisect(early: Array, initial: Array, settings: tuple, num: int) -> Array:
    lowest, highest, duration, threshold = settings

    def recurrent(log_ratio: Array, start: Array) -> Array:
        form = lag_form(jnp.concatenate([jnp.exp(log_ratio) * early, jnp.ones(1, early.dtype)]))
        return _learned_recurrence(form, start, duration) > threshold

    def halve(_: Any, interval: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = interval
        middle = (low + high) / 2
        above = jax.vmap(recurrent)(middle, initial)
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    ends = jnp.full_like(initial, jnp.log(lowest)), jnp.full_like(initial, jnp.log(highest))
    low, high = jax.lax.fori_loop(0, num, halve, ends)
    return jnp.where(high < ends[1], jnp.exp((low + high) / 2), jnp.inf)  # an end that never moved was never recurrent


def _learned_recurrence(form: LagForm, start: Array, duration: Array) -> Array:
    """The recurrent mode that gradient flow from $a = b = c$ ends at.

    The flow is stopped where nothing moves any more, or where the mode is on its way to infinity: it would only get
    stiff.
    """

    def field(t: Array, state: tuple, form: LagForm) -> tuple:
        velocity = form.flow(*state)
        moving = jnp.sqrt(sum(v**2 for v in velocity)) > 1e-7
        going = moving & (state[1] < jnp.maximum(1.5, 2 * start))
        return tuple(jnp.where(going, v, 0) for v in velocity)

    _, final, _ = solve_ode(field, (start, start, start), duration[None], form, rtol=1e-5, atol=1e-9)
    return final[1]
