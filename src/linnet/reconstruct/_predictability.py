"""How long a series can be predicted: intervals for sparse teacher forcing."""

import functools as ft
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from .._cite import cite


@cite("mikhaeil2022difficulty")
def predictability_time(exponent: float, dt: float = 1.0) -> int:
    r"""The steps in which errors double, $\ln 2 / (\lambda_{\max} \Delta t)$, at least 1.

    Args:
        exponent: the largest Lyapunov exponent, per unit of time.
        dt: the time between two points.

    Raises:
        ValueError: if the exponent is not positive: then nothing says when to stop predicting.
    """
    if not (exponent > 0 and dt > 0 and math.isfinite(exponent)):
        raise ValueError(
            f"A predictability time needs a positive exponent and a positive dt, got {exponent} and {dt}; for series"
            " that are not chaotic use `autocorrelation_interval` or `mutual_information_interval`."
        )
    return max(1, round(math.log(2) / (exponent * dt)))


def autocorrelation_interval(series: Real[Array | np.ndarray, "time out"], max_lag: int = 100) -> int:
    """The first lag at which the autocorrelation, a mean over the columns, is below 1/e.

    Args:
        series: the series.
        max_lag: the largest lag, which is returned where the autocorrelation stays above.

    Raises:
        ValueError: if the series is too short.
    """
    values = _standardised(series, max_lag)
    length = 2 ** (2 * len(values) - 1).bit_length()
    power = np.abs(np.fft.rfft(values, length, axis=0)) ** 2
    correlation = np.fft.irfft(power, length, axis=0)[: max_lag + 1].mean(axis=1)
    below = np.flatnonzero(correlation / correlation[0] < 1 / math.e)
    return int(below[0]) if len(below) else max_lag


@cite("fraser1986independent")
def mutual_information_interval(
    series: Real[Array | np.ndarray, "time out"], max_lag: int = 100, bins: int = 64
) -> int:
    """The first minimum of the mutual information between a series and itself later, a mean over the columns.

    Histograms of few points have spurious minima; of 64 bins take thousands of points, or fewer bins.

    Args:
        series: the series.
        max_lag: the largest lag, which is returned where there is no minimum.
        bins: of the histogram, for each of the two axes.

    Raises:
        ValueError: if the series is too short.
    """
    values = _standardised(series, max_lag + 1)
    low, high = values.min(axis=0), values.max(axis=0)
    places = np.minimum((bins * (values - low) / (high - low)).astype(np.int32), bins - 1)
    information = np.asarray(_information(jnp.asarray(places), max_lag + 1, bins))
    minima = np.flatnonzero((information[1:-1] < information[:-2]) & (information[1:-1] <= information[2:]))
    return int(minima[0]) + 1 if len(minima) else max_lag


@ft.partial(jax.jit, static_argnums=(1, 2))
def _information(places: Array, max_lag: int, bins: int) -> Float[Array, " lag"]:
    num = places.shape[0]

    def at(lag: Array) -> Array:
        later = jnp.roll(places, -lag, axis=0)
        weights = (jnp.arange(num) < num - lag) / (num - lag)

        def of(first: Array, second: Array) -> Array:
            joint = jnp.bincount(first * bins + second, weights, length=bins * bins).reshape(bins, bins)
            alone = jnp.sum(joint, 1, keepdims=True) * jnp.sum(joint, 0, keepdims=True)
            return jnp.sum(jnp.where(joint > 0, joint * jnp.log(joint / jnp.where(joint > 0, alone, 1)), 0))

        return jnp.mean(jax.vmap(of, 1)(places, later))

    return jax.lax.map(at, jnp.arange(max_lag + 1))


def _standardised(series: Real[Array | np.ndarray, "time out"], max_lag: int) -> np.ndarray:
    values = np.asarray(series, float)
    if values.ndim != 2 or len(values) <= 2 * max_lag:
        raise ValueError(
            f"Lags up to {max_lag} need a series (time, column) of more than {2 * max_lag} points, got the shape"
            f" {values.shape}; give a smaller `max_lag`."
        )
    scale = values.std(axis=0)
    if not (np.all(np.isfinite(values)) and np.all(scale > 0)):
        raise ValueError("A lag is estimated from finite columns that are not constant; leave out the others.")
    return (values - values.mean(axis=0)) / scale
