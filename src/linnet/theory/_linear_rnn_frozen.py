"""The dynamics of one mode of a linear recurrent network with half of it frozen."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._ode import solve_ode
from ._mode_energy import lag_form

Importances = Float[Array, "step"] | Float[Array, "step step"]
Scalar = Float[Array, ""] | float


def _phi(z: Array) -> Array:
    """$(1 - e^{-z}) / z$ for $z \\ge 0$, one at zero."""
    small = z < 1e-12
    safe = jnp.where(small, 1, z)
    return jnp.where(small, 1 - z / 2, -jnp.expm1(-safe) / safe)


def _riccati(start: Array, rate: Array, decay: Array, source: Array, ts: Array) -> Array:
    r"""The solution of $\dot P = 2 A P - \tfrac12 B (P^2 - g^2)$ for $P_0, B \ge 0$ as a ratio of sums of non-negative
    terms."""
    speed = jnp.sqrt(rate**2 + 0.25 * decay**2 * source**2)
    # 1 + A/k and 1 - A/k, without the cancellation where one of them is tiny
    ratio = jnp.where(speed > 0, rate / jnp.where(speed > 0, speed, 1), 0)
    part = jnp.where(speed > 0, 0.5 * decay * jnp.abs(source) / jnp.where(speed > 0, speed, 1), 1)
    larger = 1 + jnp.abs(ratio)
    smaller = jnp.where(speed > 0, part**2 / larger, 1)
    plus, minus = jnp.where(ratio >= 0, larger, smaller), jnp.where(ratio >= 0, smaller, larger)
    shrink = jnp.exp(-2 * speed * ts)
    grown = ts * _phi(2 * speed * ts)
    numerator = start * (plus + shrink * minus) + decay * source**2 * grown
    denominator = minus + shrink * plus + decay * start * grown
    # Where nothing was there to grow, the denominator may underflow.
    return jnp.where(denominator > 0, numerator / jnp.where(denominator > 0, denominator, 1), 0)


@cite("proca2025learning", "saxe2014exact")
def frozen_recurrence(
    a: Scalar, c: Scalar, b: Scalar, importances: Importances, ts: Float[Array, " time"]
) -> tuple[Float[Array, " time"], Float[Array, " time"]]:
    r"""The input and output modes over learning time with the recurrent mode frozen, in closed form.

    With $A = \sum_i b^{T-i} s_i$ and $B = \sum_i b^{2(T-i)}$ the flow is $\dot a = c (A - B ac)$, $\dot c = a (A - B
    ac)$. From $a = c$ the strength $u = ac$ is a sigmoid with the time scale $1 / A$ (not $1 / s$) that ends at $A /
    B$,

    $$u(t) = \frac{A\, e^{2At}}{A / u_0 - B + B\, e^{2At}},$$

    and dies out where $A < 0$. The paper has this balanced case; here $a^2 - c^2$, which is conserved, may be anything:
    $(a \pm c)^2$ each follow a Riccati equation, solved without overflow or cancellation, $A = 0$ and $u_0 \to 0$
    included.

    Args:
        a: the input mode at time 0.
        c: the output mode at time 0.
        b: the recurrent mode, frozen.
        importances: $s_i$, or $s_{t,i}$ for a target at every step (then $A$ and $B$ sum over all $i \le t$).
        ts: learning times.

    Returns:
        $a(t)$ and $c(t)$; their product is the strength $u(t)$.
    """
    form = lag_form(importances)
    a, c, b = (jnp.asarray(value, form.drive.dtype) for value in (a, c, b))
    drive, gram = form.drive_at(b), form.gram_at(b)
    sum_, difference = a + c, a - c
    imbalance = sum_ * difference
    plus = jnp.sqrt(_riccati(sum_**2, drive, gram, imbalance, ts))
    minus = jnp.sqrt(_riccati(difference**2, -drive, gram, imbalance, ts))
    plus, minus = jnp.where(sum_ < 0, -plus, plus), jnp.where(difference < 0, -minus, minus)
    return (plus + minus) / 2, (plus - minus) / 2


@cite("proca2025learning")
def frozen_input_output(
    b: Scalar, u: Scalar, importances: Importances, ts: Float[Array, " time"]
) -> Float[Array, " time"]:
    r"""The recurrent mode over learning time with the input-output strength $u = ac$ frozen.

    $\dot b = F(b) = \sum_{i<T} (T - i)\, u\, b^{T-i-1} (s_i - u\, b^{T-i})$ has no closed form; it is solved as an ODE.

    Args:
        b: the recurrent mode at time 0.
        u: the input-output strength, frozen.
        importances: $s_i$, or $s_{t,i}$ for a target at every step.
        ts: learning times.

    Returns:
        $b(t)$.
    """
    form = lag_form(importances)
    one, u = jnp.ones((), form.drive.dtype), jnp.asarray(u, form.drive.dtype)
    return solve_ode(lambda t, b, args: args[0].flow(args[1], b, one)[1], jnp.asarray(b, u.dtype), ts, (form, u))[0]


@cite("proca2025learning")
def frozen_input_output_taylor(
    b: Scalar, u: Scalar, importances: Importances, order: int = 5
) -> Float[Array, " order"]:
    r"""The Taylor coefficients of $b(t)$ around its value, with the input-output strength frozen: $b(t) \approx \sum_n
    \beta_n t^n$.

    $b' = F$, $b'' = F' F$, $b''' = (F'^2 + F'' F) F$ and so on, by automatic differentiation. Local: restart every
    short window.

    Args:
        b: the recurrent mode to expand around.
        u: the input-output strength, frozen.
        importances: $s_i$, or $s_{t,i}$ for a target at every step.
        order: the highest power.

    Returns:
        The coefficients $\beta_0, \dots, \beta_{order}$, in ascending order.
    """
    form = lag_form(importances)
    b, u = jnp.asarray(b, form.drive.dtype), jnp.asarray(u, form.drive.dtype)

    def field(value: Array) -> Array:
        return form.flow(u, value, jnp.ones_like(u))[1]

    derivative, coefficients, factorial = field, [b], 1.0
    for n in range(1, order + 1):
        factorial *= n
        coefficients.append(derivative(b) / factorial)
        derivative = _along(derivative, field)
    return jnp.stack(coefficients)


def _along(function, field):
    """The time derivative of a function of the state along the flow."""
    return lambda value: jax.jvp(function, (value,), (field(value),))[1]
