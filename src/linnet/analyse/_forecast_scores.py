"""Scores of forecasts: symmetric and scaled errors, and how long a forecast is good."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite


@cite("gilpin2021chaos")
def smape(
    truth: Float[Array | np.ndarray, "*batch time state"], forecast: Float[Array | np.ndarray, "*batch time state"]
) -> Float[Array, "*batch"]:
    r"""The symmetric mean absolute percentage error, $\frac{200}{n} \sum |x - \hat x| / (|x| + |\hat x|)$.

    Between 0 and 200. Not invariant under shifts of the data. A forecast by zeros has 200, whatever the truth, and one
    by the wrong sign as well.

    Args:
        truth: what came.
        forecast: what was forecast, of the same shape.

    Returns:
        The error, a mean over time and coordinates; 200 where a forecast is not finite, 0 where both are 0.

    Raises:
        ValueError: if the shapes differ.
    """
    truth, forecast = _pair(truth, forecast)
    size = jnp.abs(truth) + jnp.abs(forecast)
    terms = jnp.where(size > 0, jnp.abs(truth - forecast) / jnp.where(size > 0, size, 1), 0)
    return 200 * jnp.mean(jnp.where(jnp.isfinite(forecast) & jnp.isfinite(terms), terms, 1), axis=(-2, -1))


@cite("hyndman2006another")
def mase(
    truth: Float[Array | np.ndarray, "*batch time state"],
    forecast: Float[Array | np.ndarray, "*batch time state"],
    past: Float[Array | np.ndarray, "past state"],
) -> Float[Array, "*batch"]:
    r"""The mean absolute scaled error: the mean absolute error over that of persistence by one step in the past.

    $$\frac{1}{N} \sum_i \frac{\langle |x_i - \hat x_i| \rangle}{\langle |x_{i,t} - x_{i,t-1}| \rangle_\mathrm{past}}$$

    Args:
        truth: what came.
        forecast: what was forecast, of the same shape.
        past: the series before it, on which a model was trained.

    Returns:
        The error, a mean over coordinates; infinite where a forecast is not finite.

    Raises:
        ValueError: if the shapes differ, or a coordinate of the past is constant.
    """
    truth, forecast = _pair(truth, forecast)
    past = jnp.asarray(past)
    scale = jnp.mean(jnp.abs(jnp.diff(past, axis=0)), axis=0)
    if past.ndim != 2 or past.shape[1] != truth.shape[-1] or len(past) < 2:
        raise ValueError(f"The past is (time, state) with {truth.shape[-1]} coordinates, got the shape {past.shape}.")
    if not isinstance(scale, jax.core.Tracer) and not np.all(np.asarray(scale) > 0):
        raise ValueError("Errors are scaled by how the past changes from step to step, but a coordinate is constant.")
    errors = jnp.mean(jnp.abs(truth - forecast), axis=-2) / scale
    return jnp.where(jnp.all(jnp.isfinite(errors), axis=-1), jnp.mean(errors, axis=-1), jnp.inf)


@cite("vlachas2020backpropagation")
def valid_time(
    truth: Float[Array | np.ndarray, "*batch time state"],
    forecast: Float[Array | np.ndarray, "*batch time state"],
    *,
    dt: float = 1.0,
    exponent: float | None = None,
    threshold: float = 0.4,
    spread: Float[Array | np.ndarray, " state"] | None = None,
) -> Float[Array, "*batch"]:
    r"""How long a forecast is good: until its normalised error first exceeds a threshold.

    The error at a time is $\sqrt{\frac1N \sum_i (x_i - \hat x_i)^2 / \sigma_i^2}$. Where the largest Lyapunov exponent
    is given the time is in Lyapunov times, $\lambda_{\max} t$: a model as good as its knowledge of the initial state,
    $\epsilon$, has about $\log(0.4 / \epsilon)$.

    Args:
        truth: what came; the first point is the first forecast, one step after the last known point.
        forecast: what was forecast, of the same shape.
        dt: the time of a step.
        exponent: the largest Lyapunov exponent, per unit of the same time.
        threshold: the error above which a forecast is not good any more, in standard deviations.
        spread: the standard deviations $\sigma_i$, best of a long series; by default of `truth`.

    Returns:
        The number of good steps times `dt`, in Lyapunov times if an exponent is given. A forecast that is good to its
        end has its whole length: give longer ones.

    Raises:
        ValueError: if the shapes differ, or the exponent is not positive.
    """
    truth, forecast = _pair(truth, forecast)
    if exponent is not None and not exponent > 0:
        raise ValueError(f"Lyapunov times are of chaotic systems, with a positive exponent, got {exponent}.")
    if not (dt > 0 and threshold > 0):
        raise ValueError(f"`dt` and `threshold` must be positive, got {dt} and {threshold}.")
    scale = jnp.std(truth, axis=-2, keepdims=True) if spread is None else jnp.asarray(spread)
    errors = jnp.sqrt(jnp.mean(((truth - forecast) / scale) ** 2, axis=-1))
    good = jnp.cumprod(errors <= threshold, axis=-1)
    return jnp.sum(good, axis=-1) * jnp.asarray(dt * (1.0 if exponent is None else float(exponent)), errors.dtype)


def _pair(truth: Array | np.ndarray, forecast: Array | np.ndarray) -> tuple[Array, Array]:
    truth, forecast = jnp.asarray(truth), jnp.asarray(forecast)
    if truth.shape != forecast.shape or truth.ndim < 2:
        raise ValueError(
            "A forecast is compared with what came, both as (time, state) with batch axes before it, got the shapes"
            f" {forecast.shape} and {truth.shape}."
        )
    dtype = jnp.promote_types(jnp.result_type(truth, forecast), jnp.float32)
    return truth.astype(dtype), forecast.astype(dtype)
