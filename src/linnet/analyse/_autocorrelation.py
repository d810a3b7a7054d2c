"""The autocorrelation of time series, by the fast Fourier transform."""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def autocorrelation(
    series: Float[Array | np.ndarray, "*trial time"], max_lag: int, *, unbiased: bool = True
) -> Float[Array, " lag"]:
    r"""The autocorrelation at lags $0, 1, \dots$ of one series, or of several trials of it together.

    $$\rho_k = \frac{c_k}{c_0}, \qquad c_k = \frac{1}{T - k} \sum_{t=1}^{T-k} (x_t - \bar x)(x_{t+k} - \bar x)$$

    with the mean of each trial, and a mean of $c_k$ over trials. The mean being the sample's own, it is too low by
    about the sum of all correlations over $T$: take series much longer than the timescale.

    Args:
        series: $x$, with axes of trials before that of time.
        max_lag: the largest lag.
        unbiased: whether sums are divided by their number of terms, $T - k$, or all by $T$; the second never leads to
            values above 1 or to negative powers.

    Returns:
        The autocorrelation at `max_lag + 1` lags.

    Raises:
        ValueError: if the series is no longer than the lag, constant or not finite.
    """
    series = jnp.asarray(series)
    series = series if jnp.issubdtype(series.dtype, jnp.floating) else series.astype(jnp.result_type(float))
    if series.ndim < 1 or not 0 <= max_lag < series.shape[-1]:
        raise ValueError(
            f"Lags go from 0 to less than the {series.shape[-1] if series.ndim else 1} points of the series, got"
            f" max_lag={max_lag}."
        )
    if not isinstance(series, jax.core.Tracer):
        values = np.asarray(series)
        if not np.all(np.isfinite(values)):
            raise ValueError("The series of an autocorrelation must be finite; leave out or fill what is missing.")
        if np.all(values.max(axis=-1) == values.min(axis=-1)):
            raise ValueError("A constant series has no autocorrelation.")
    return _autocorrelation(series.reshape(-1, series.shape[-1]), max_lag, unbiased)


@ft.partial(jax.jit, static_argnums=(1, 2))
def _autocorrelation(trials: Array, max_lag: int, unbiased: bool) -> Array:
    length = trials.shape[1]
    centred = trials - jnp.mean(trials, axis=1, keepdims=True)
    # With as many zeros as lags the circular correlation is the one that does not wrap around.
    size = 1 << (length + max_lag - 1).bit_length()
    power = jnp.abs(jnp.fft.rfft(centred, size, axis=1)) ** 2
    sums = jnp.mean(jnp.fft.irfft(power, size, axis=1)[:, : max_lag + 1], axis=0)
    terms = length - jnp.arange(max_lag + 1) if unbiased else length
    return (sums / terms) / (sums[0] / length)
