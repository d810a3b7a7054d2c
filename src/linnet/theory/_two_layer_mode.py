"""One mode of one layer, two layers or infinitely many: closed forms that neither overflow nor cancel."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite


def decay(rate: Float[Array, "..."], ts: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""$(1 - e^{-r t}) / r$, which is $t$ at $r = 0$."""
    zero = rate == 0
    return jnp.where(zero, ts, -jnp.expm1(-rate * ts) / jnp.where(zero, 1, rate))


def one_layer_mode(
    ts: Float[Array, "..."],
    singular_value: Float[Array, "..."],
    initial: Float[Array, "..."],
    variance: Float[Array, "..."],
) -> Float[Array, "..."]:
    r"""$\dot u = s - \lambda u$: $u = u_0 e^{-\lambda t} + s\,(1 - e^{-\lambda t}) / \lambda$."""
    return initial * jnp.exp(-variance * ts) + singular_value * decay(variance, ts)


@cite("saxe2014exact", "braun2022exact")
def two_layer_mode(
    ts: Float[Array, "time *#mode"],
    singular_value: Float[Array, "*mode"],
    growing: Float[Array, "*mode"],
    decaying: Float[Array, "*mode"],
    variance: Float[Array, "*mode"],
) -> Float[Array, "time *mode"]:
    r"""The strength of a decoupled mode of two layers, balanced or not, in closed form.

    With hidden vectors $a = W_1 v$ and $b = W_2^\top u$ the mode is $u = a \cdot b = P_t - Q_t$, where
    $P = |a + b|^2 / 4$ grows and $Q = |a - b|^2 / 4$ decays: $P_t = P w$, $Q_t = Q / w$ with

    $$\dot w = 2 (s w - \lambda P w^2 + \lambda Q), \quad w = n / d, \quad \kappa = \sqrt{s^2 + 4 \lambda^2 P Q},$$

    $n = 1 + e^{-2\kappa t} + (s + 2\lambda Q) \frac{1 - e^{-2\kappa t}}{\kappa}$ and
    $d = 1 + e^{-2\kappa t} + (2\lambda P - s) \frac{1 - e^{-2\kappa t}}{\kappa}$, sums of non-negative terms when
    sorted. $Q = 0$ is Saxe's balanced sigmoid, $16 P Q = (a^2 - b^2)^2$ his conserved $c_0^2$ for aligned $a$ and $b$.

    Args:
        ts: learning times, broadcastable against the modes.
        singular_value: $s$, of either sign.
        growing: $P$, at least 0.
        decaying: $Q$, at least 0.
        variance: $\lambda$, the variance of the inputs along the mode.

    Returns:
        $u(t)$; it begins at $P - Q$ and ends at $s / \lambda$ unless $P = 0$, a saddle.
    """
    # A mode of negative singular value is one of positive singular value with its output turned round.
    turned = singular_value < 0
    s = jnp.abs(singular_value)
    p, q = jnp.where(turned, decaying, growing), jnp.where(turned, growing, decaying)
    split = 2 * variance * jnp.sqrt(p) * jnp.sqrt(q)
    kappa = jnp.hypot(s, split)
    positive = kappa > 0
    safe = jnp.where(positive, kappa, 1)
    ratio = jnp.where(positive, s / safe, 0)
    # 1 - s / kappa without the cancellation where the mode is nearly balanced.
    rest = jnp.where(positive, split**2 / (safe * (safe + s)), 1)
    fading = jnp.exp(-2 * kappa * ts)
    risen = decay(2 * kappa, ts)
    numerator = 1 + ratio + fading * rest + 4 * variance * q * risen
    denominator = rest + fading * (1 + ratio) + 4 * variance * p * risen
    # Where nothing grows, the denominator may underflow: 0 / 0 there means 0.
    factor = jnp.where(p > 0, numerator / jnp.where(denominator > 0, denominator, 1), 0)
    strength = p * factor - q * denominator / numerator
    return jnp.where(turned, -strength, strength)


def two_layer_time(
    singular_value: Float[Array, "*mode"],
    growing: Float[Array, "*mode"],
    decaying: Float[Array, "*mode"],
    final: Float[Array, "*mode"],
    variance: Float[Array, "*mode"],
) -> Float[Array, "*mode"]:
    r"""The time at which a two-layer mode passes `final`, from $w = (u + \sqrt{u^2 + 4 P Q}) / (2 P)$:

    $$t = \frac{1}{2\kappa} \ln \frac{(\kappa - s + 2\lambda P w)(\kappa + s - 2\lambda P)}
    {(\kappa + s - 2\lambda P w)(\kappa - s + 2\lambda P)}.$$

    Not passed, or passed before the beginning: NaN.
    """
    turned = singular_value < 0
    s = jnp.abs(singular_value)
    p, q = jnp.where(turned, decaying, growing), jnp.where(turned, growing, decaying)
    final = jnp.where(turned, -final, final)
    split = 2 * variance * jnp.sqrt(p) * jnp.sqrt(q)
    kappa = jnp.hypot(s, split)
    root = jnp.hypot(final, 2 * jnp.sqrt(p) * jnp.sqrt(q))
    # P w, with the root's cancellation for negative strengths taken out.
    negative = final < 0
    later = jnp.where(negative, 2 * p * q / jnp.where(negative, root - final, 1), (root + final) / 2)
    excess = split**2 / jnp.where(kappa > 0, kappa + s, 1)
    upper = (excess + 2 * variance * later) * (kappa + s - 2 * variance * p)
    lower = (kappa + s - 2 * variance * later) * (excess + 2 * variance * p)
    quotient = upper / jnp.where(lower == 0, 1, lower)
    time = jnp.log(jnp.where(quotient > 0, quotient, 1)) / jnp.where(kappa > 0, 2 * kappa, 1)
    # kappa = 0 is a mode without singular value that is balanced: it falls as u = P / (1 + 2 lambda P t).
    falling = (p / jnp.where(later > 0, later, 1) - 1) / jnp.where(p > 0, 2 * variance * p, 1)
    time = jnp.where(kappa > 0, time, falling)
    possible = (p > 0) & (later > 0) & jnp.where(kappa > 0, quotient > 0, True) & (time >= 0)
    return jnp.where(possible, time, jnp.nan)


@cite("saxe2014exact")
def infinite_depth_mode(
    ts: Float[Array, "time *#mode"],
    singular_value: Float[Array, "*mode"],
    initial: Float[Array, "*mode"],
    variance: Float[Array, "*mode"],
) -> Float[Array, "time *mode"]:
    r"""The limit of an infinitely deep balanced chain, $\dot u = u^2 (s - \lambda u)$ in the time $D t$.

    $u = \frac{s / \lambda}{1 + y}$ with $y + \ln y = y_0 + \ln y_0 - \frac{s^2}{\lambda} D t$, solved for $y$ by
    Newton's method.

    A strength of the wrong sign has no place in this formula and gives NaN.
    """
    # In units of s / lambda the equation is that of s = lambda = 1 in the time s^2 / lambda.
    turned = singular_value < 0
    singular_value, initial = jnp.abs(singular_value), jnp.where(turned, -initial, initial)
    positive = (singular_value > 0) & (variance > 0) & (initial > 0)
    end = jnp.where(positive, singular_value / jnp.where(variance > 0, variance, 1), 1)
    start = jnp.where(positive, initial / end, 0.5)
    y0 = (1 - start) / start
    elapsed = jnp.where(positive, singular_value * end, 0) * ts
    sign = jnp.where(y0 < 0, -1.0, 1.0)
    size = jnp.where(y0 == 0, 1, jnp.abs(y0))
    # z = ln|y| obeys z + sign e^z = known, monotone where y > -1.
    known = jnp.log(size) + y0 - elapsed
    guess = jnp.where(
        known > 1, jnp.log(jnp.maximum(known, 1)), jnp.minimum(known - sign * jnp.exp(jnp.minimum(known, 0)), 0)
    )
    z = jnp.where(sign > 0, guess, jnp.minimum(known, jnp.log(size)))
    for _ in range(12):
        slope = 1 + sign * jnp.exp(z)
        z = z - (z + sign * jnp.exp(z) - known) / jnp.where(slope > 1e-3, slope, 1e-3)
        z = jnp.where(sign > 0, z, jnp.minimum(z, jnp.log(size)))
    y = jnp.where(y0 == 0, 0, sign * jnp.exp(z))
    # Without singular value the mode falls as du/dt = -lambda u^3; from a negative strength there is no such formula.
    falling = initial / jnp.sqrt(1 + 2 * variance * initial**2 * ts)
    other = jnp.where((singular_value == 0) | (initial == 0), falling, jnp.nan)
    strength = jnp.where(positive, end / (1 + y), other)
    return jnp.where(turned, -strength, strength)


@cite("saxe2014exact")
def infinite_depth_time(
    singular_value: Float[Array, "*mode"],
    initial: Float[Array, "*mode"],
    final: Float[Array, "*mode"],
    variance: Float[Array, "*mode"],
) -> Float[Array, "*mode"]:
    r"""The time $D t$ in which an infinitely deep balanced chain goes from one strength to another.

    $$\frac{\lambda}{s^2} \ln \frac{u_f (s - \lambda u_0)}{u_0 (s - \lambda u_f)} + \frac{1}{s u_0} - \frac{1}{s u_f}$$
    """
    quotient = final * (singular_value - variance * initial) / (initial * (singular_value - variance * final))
    possible = (singular_value > 0) & (quotient >= 1) & (initial > 0)
    s = jnp.where(possible, singular_value, 1)
    log = jnp.log(jnp.where(possible, quotient, 1))
    ends = 1 / jnp.where(possible, initial, 1) - 1 / jnp.where(possible, final, 1)
    return jnp.where(possible, variance * log / s**2 + ends / s, jnp.nan)
