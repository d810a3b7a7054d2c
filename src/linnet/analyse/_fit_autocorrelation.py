"""Timescales from autocorrelations: fits of one and of two decaying exponentials, and the choice between them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jaxtyping import Array, Float, Int

from .._cite import cite

#: How many timescales are tried as starts.
_STARTS = 24


class AutocorrelationFit(eqx.Module):
    """Fits of one and of two exponentials to autocorrelations.

    Args:
        timescale: the slowest timescale of the better fit.
        num_exponentials: which fit is better by Akaike's criterion, 1 or 2.
        single: the timescale of the fit by one exponential.
        double: the two timescales of the other fit, ascending.
        weight: of the slower one of these, between 0 and 1.
        amplitudes: what each fit has at lag 0.
        criteria: Akaike's criteria of both fits, smaller for the better one.
        residuals: the root mean square residual of each fit: where it is large, what was fitted is not a decay.
    """

    timescale: Float[Array, "*unit"]
    num_exponentials: Int[Array, "*unit"]
    single: Float[Array, "*unit"]
    double: Float[Array, "*unit 2"]
    weight: Float[Array, "*unit"]
    amplitudes: Float[Array, "*unit 2"]
    criteria: Float[Array, "*unit 2"]
    residuals: Float[Array, "*unit 2"]


@cite("khajehabdollahi2024emergent")
def fit_autocorrelation(
    values: Float[Array | np.ndarray, "*unit lag"], *, dt: float = 1.0, longest: float = 100.0
) -> AutocorrelationFit:
    r"""Fits $a e^{-t/\tau}$ and $a (c e^{-t/\tau_1} + (1 - c) e^{-t/\tau_2})$ to autocorrelations by least squares.

    With $0 \le a, c \le 1$ and timescales up to a bound. Which fit is better says Akaike's criterion, $2 k + n \log S$
    with $k = 2, 4$ parameters and the sum $S$ of $n$ squared residuals. Of two exponentials the slower one is the
    timescale; in networks whose units have a timescale of their own, it is the one the network gives them. The paper
    fits lags from 0 to 30 of series of $10^5$ steps.

    Args:
        values: autocorrelations at lags $0, 1, \dots$, for one or for many units.
        dt: the time between two lags.
        longest: the longest timescale, in lags.

    Returns:
        Both fits of each unit, with timescales in units of time.

    Raises:
        ValueError: if there are less than six lags, or values that are not finite.

    !!! example
        ```python
        values = ln.analyse.autocorrelation(series, 30)
        ln.analyse.fit_autocorrelation(values).timescale
        ```
    """
    # In JAX's own precision whatever the values have: the solver's damping is of that.
    values = jnp.asarray(values, jnp.result_type(float))
    if values.ndim < 1 or values.shape[-1] < 6:
        raise ValueError(f"Two exponentials are fitted to six or more lags, got the shape {values.shape}.")
    if not (dt > 0 and longest > 0):
        raise ValueError(f"`dt` and `longest` must be positive, got {dt} and {longest}.")
    if not isinstance(values, jax.core.Tracer) and not np.all(np.isfinite(np.asarray(values))):
        raise ValueError("Autocorrelations must be finite to be fitted.")
    timescale, num, single, double, weight, *rest = _fits(values, jnp.asarray(longest, values.dtype))
    return AutocorrelationFit(dt * timescale, num, dt * single, dt * double, weight, *rest)


@jax.jit
def _fits(values: Array, longest: Array) -> tuple[Array, ...]:
    return jnp.vectorize(_fit, signature="(l),()->(),(),(),(d),(),(d),(d),(d)")(values, longest)


def _fit(values: Array, longest: Array) -> tuple[Array, ...]:
    """Both fits of one autocorrelation, in lags."""
    lags = jnp.arange(len(values), dtype=values.dtype)
    tried = jnp.exp(jnp.linspace(jnp.log(0.1), jnp.log(0.9 * longest), _STARTS))
    curves = jnp.exp(-lags / tried[:, None])

    def refine(starts, curve):
        """The best of many starts, and from there by Levenberg's and Marquardt's method."""
        errors = jax.vmap(lambda start: jnp.sum((curve(start) - values) ** 2))(starts)
        solver = optimistix.LevenbergMarquardt(rtol=1e-8, atol=1e-10)
        best = starts[jnp.argmin(errors)]
        found = optimistix.least_squares(lambda x, _: curve(x) - values, solver, best, max_steps=200, throw=False).value
        # A method that did not converge is not let make the start worse.
        sums = jnp.stack([jnp.min(errors), jnp.sum((curve(found) - values) ** 2)])
        better = sums[1] < sums[0]
        return jnp.where(better, found, best), jnp.where(better, sums[1], sums[0])

    def bounded(x):
        """Amplitudes and weights between 0 and 1 by a logistic function, and timescales up to the bound as well."""
        return jax.nn.sigmoid(x)

    def one(x):
        a, tau = bounded(x[0]), longest * bounded(x[1])
        return a * jnp.exp(-lags / tau)

    def two(x):
        a, c, fast, slow = bounded(x[0]), bounded(x[1]), longest * bounded(x[2]), longest * bounded(x[3])
        return a * (c * jnp.exp(-lags / fast) + (1 - c) * jnp.exp(-lags / slow))

    logits = jnp.log(tried / longest) - jnp.log1p(-tried / longest)
    powers = jnp.sum(curves**2, axis=1)
    amplitude = jnp.clip(curves @ values / powers, 0.01, 0.99)
    singles = jnp.stack([jax.scipy.special.logit(amplitude), logits], axis=1)
    fast, slow = np.triu_indices(_STARTS, 1)
    # The best amplitudes of two given timescales are linear: the normal equations of each pair.
    cross, projected = jnp.sum(curves[fast] * curves[slow], axis=1), curves @ values
    determinant = powers[fast] * powers[slow] - cross**2
    first = (powers[slow] * projected[fast] - cross * projected[slow]) / determinant
    second = (powers[fast] * projected[slow] - cross * projected[fast]) / determinant
    first, second = jnp.maximum(first, 1e-3), jnp.maximum(second, 1e-3)
    total = jnp.clip(first + second, 0.01, 0.99)
    weights = jnp.clip(first / (first + second), 0.01, 0.99)
    doubles = jnp.stack([*map(jax.scipy.special.logit, (total, weights)), logits[fast], logits[slow]], axis=1)
    (x, one_error), (y, two_error) = refine(singles, one), refine(doubles, two)
    # Below rounding errors there is nothing to compare; the fit with fewer parameters is as good.
    least = len(values) * (100 * jnp.finfo(values.dtype).eps) ** 2
    sums = jnp.stack([one_error, two_error])
    criteria = jnp.array([4.0, 8.0]) + len(values) * jnp.log(jnp.maximum(sums, least))
    num = 1 + jnp.argmin(criteria)
    single, double = longest * bounded(x[1]), longest * bounded(y[2:])
    swapped = double[0] > double[1]
    double, share = jnp.sort(double), bounded(y[1])
    weight = jnp.where(swapped, share, 1 - share)
    amplitudes = jnp.stack([bounded(x[0]), bounded(y[0])])
    timescale = jnp.where(num == 1, single, double[1])
    return timescale, num, single, double, weight, amplitudes, criteria, jnp.sqrt(sums / len(values))
