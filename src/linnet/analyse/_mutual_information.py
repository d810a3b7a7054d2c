"""What one point of a series says about a later one, and the lag at which delayed copies are taken."""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from ._autocorrelation import autocorrelation


@cite("fraser1986independent")
def mutual_information(
    series: Float[Array | np.ndarray, " time"], max_lag: int, *, bins: int | None = None
) -> Float[Array, " lag"]:
    r"""The mutual information of a series with itself at lags $0, 1, \dots$, from histograms, in nats.

    $$I_k = \sum_{ij} p_{ij} \log \frac{p_{ij}}{p_i p_j}$$

    with $p_{ij}$ the fraction of pairs $(x_t, x_{t+k})$ in cell $(i, j)$ of a grid of equal bins over the range of the
    series, and its own marginals. For independent pairs it is not 0 but about $(K - 1)^2 / 2 T$ with $K$ bins.

    Args:
        series: $x$.
        max_lag: the largest lag.
        bins: $K$; by default $\sqrt{T / 5}$, at least 2 and at most 64, which leaves a cell five points.

    Returns:
        The mutual information at `max_lag + 1` lags; the first is the entropy of the histogram.

    Raises:
        ValueError: if the series is no longer than the lag, constant or not finite.
    """
    series = _checked(series, max_lag)
    bins = min(64, max(2, round(np.sqrt(len(series) / 5)))) if bins is None else bins
    if bins < 2:
        raise ValueError(f"Information needs at least two bins, got bins={bins}.")
    return _informations(series, max_lag, bins)


@cite("fraser1986independent")
def embedding_lag(
    series: Float[Array | np.ndarray, " time"],
    *,
    method: str = "mutual_information",
    max_lag: int = 100,
    bins: int | None = None,
) -> int:
    r"""The lag for a delay embedding: the first minimum of the mutual information, or where correlations fall to 1/e.

    Args:
        series: the series.
        method: "mutual_information", its first local minimum (that is the smallest up to half as much lag again), or
            where there is none the fall of the autocorrelation; "autocorrelation", the first lag at which it is below
            $1/e$.
        max_lag: the largest lag.
        bins: those of the histograms.

    Returns:
        The lag, between 1 and `max_lag`.

    Raises:
        ValueError: if the series is no longer than the lag, constant or not finite.
    """
    if method not in ("mutual_information", "autocorrelation"):
        raise ValueError(f'The method is "mutual_information" or "autocorrelation", got {method!r}.')
    series = _checked(series, max_lag)
    if method == "mutual_information":
        values = np.asarray(mutual_information(series, max_lag, bins=bins))
        for lag in range(1, max_lag):
            # Histograms are noisy: a minimum is one that is not undercut at half as much lag again.
            if values[lag] < values[:lag].min() and values[lag] <= values[lag + 1 : 3 * lag // 2 + 2].min():
                return lag
    low = np.flatnonzero(np.asarray(autocorrelation(series, max_lag)) < np.exp(-1))
    return int(low[0]) if len(low) else max_lag


def _checked(series: Array | np.ndarray, max_lag: int) -> Array:
    found = jnp.asarray(series)
    found = found if jnp.issubdtype(found.dtype, jnp.floating) else found.astype(jnp.result_type(float))
    if found.ndim != 1 or not 1 <= max_lag < len(found) - 1:
        raise ValueError(
            "The lag is found from one series that is longer than the largest lag by two points or more, got the shape"
            f" {found.shape} and max_lag={max_lag}."
        )
    values = np.asarray(found)
    if not np.all(np.isfinite(values)) or values.max() == values.min():
        raise ValueError("The series must be finite and not constant.")
    return found


@ft.partial(jax.jit, static_argnums=(1, 2))
def _informations(series: Array, max_lag: int, bins: int) -> Array:
    low, high = jnp.min(series), jnp.max(series)
    places = jnp.clip(jnp.floor(bins * ((series - low) / (high - low))), 0, bins - 1).astype(jnp.int32)
    padded = jnp.pad(places, (0, max_lag))

    def one(lag):
        later = jax.lax.dynamic_slice_in_dim(padded, lag, len(series))
        there = (jnp.arange(len(series)) < len(series) - lag).astype(series.dtype)
        counts = jnp.zeros(bins * bins, series.dtype).at[places * bins + later].add(there)
        joint = counts.reshape(bins, bins) / jnp.sum(there)
        apart = jnp.sum(joint, axis=1, keepdims=True) * jnp.sum(joint, axis=0, keepdims=True)
        return jnp.sum(jnp.where(joint > 0, joint * jnp.log(jnp.where(joint > 0, joint / apart, 1)), 0))

    return jax.lax.map(one, jnp.arange(max_lag + 1))
