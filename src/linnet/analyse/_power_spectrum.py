"""How far the power spectra of two series are from each other."""

import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite


@cite("hess2023generalized")
def power_spectrum_distance(
    truth: Float[Array | np.ndarray, "time state"],
    generated: Float[Array | np.ndarray, "other_time other_state"],
    *,
    sigma: float = 20.0,
) -> Float[Array, ""]:
    r"""The Hellinger distance of smoothed power spectra, a mean over coordinates, $D_H$.

    $$H(f, g) = \sqrt{1 - \sum_\omega \sqrt{f_\omega g_\omega}} = \tfrac{1}{\sqrt 2} \lVert \sqrt f - \sqrt g \rVert$$

    with $f, g$ the powers $|\mathrm{rfft}|^2$ of each coordinate without its mean, smoothed over frequencies and
    normalised to sum to 1. It is 0 for equal spectra and 1 where no power is shared. Means and variances do not count.

    Args:
        truth: the true series.
        generated: the generated one; the longer of the two is cut at its end, for frequencies to be the same.
        sigma: the standard deviation of the Gaussian that smooths, in bins of frequency (of which there is one for
            each two points); 0 for none. A distance without smoothing is that of two noisy periodograms, and another
            length of the series makes the same `sigma` another width.

    Returns:
        The distance; 1 of a coordinate that was generated constant or not finite.

    Raises:
        ValueError: if the series do not fit together, or the truth is constant or not finite.

    !!! example
        ```python
        orbit = ln.systems.get("Lorenz").orbit(20_000, dt=0.01).states
        ln.analyse.power_spectrum_distance(orbit[:10_000], orbit[10_000:])  # the floor: about 0.1
        ```
    """
    truth, generated = jnp.asarray(truth), jnp.asarray(generated)
    length = min(len(truth), len(generated))
    if truth.ndim != 2 or generated.ndim != 2 or truth.shape[1] != generated.shape[1] or length < 4:
        raise ValueError(
            "Spectra are compared of two series of the same coordinates, both as (time, state) and with at least four"
            f" points, got the shapes {truth.shape} and {generated.shape}."
        )
    if not (np.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"`sigma` is a width in bins of frequency, 0 or more, got {sigma}.")
    dtype = jnp.promote_types(jnp.result_type(truth, generated), jnp.float32)
    truth, generated = truth[:length].astype(dtype), generated[:length].astype(dtype)
    if not isinstance(truth, jax.core.Tracer):
        values = np.asarray(truth)
        if not np.all(np.isfinite(values)) or np.any(values.max(axis=0) == values.min(axis=0)):
            raise ValueError(
                "The true series must be finite and move in every coordinate; leave out those that do not."
            )
    return _distance(truth, generated, sigma=float(sigma))


@ft.partial(jax.jit, static_argnames="sigma")
def _distance(truth: Array, generated: Array, *, sigma: float) -> Array:
    first, second = normalised_spectrum(truth, sigma), normalised_spectrum(generated, sigma)
    # Not by one minus the overlap, which has lost half of its digits where spectra are close.
    distances = jnp.sqrt(jnp.sum((jnp.sqrt(first) - jnp.sqrt(second)) ** 2, axis=0) / 2)
    return jnp.mean(jnp.where(jnp.sum(second, axis=0) > 0, distances, 1))


def normalised_spectrum(series: Float[Array, "time state"], sigma: float) -> Float[Array, "frequency state"]:
    """Smoothed power at each frequency, summing to 1; zeros for a coordinate that is constant or not finite."""
    finite = jnp.all(jnp.isfinite(series), axis=0)
    series = jnp.where(finite, series, 0)
    # In units of its largest value, for the squares of large values to be finite.
    centred = series - jnp.mean(series, axis=0)
    largest = jnp.max(jnp.abs(centred), axis=0)
    # What is left of a constant when its mean is taken away is rounding, not a signal.
    moves = largest > 8 * jnp.finfo(series.dtype).eps * jnp.max(jnp.abs(series), axis=0)
    power = jnp.abs(jnp.fft.rfft(centred / jnp.where(moves, largest, 1), axis=0)) ** 2
    power = smooth(power, sigma)
    total = jnp.sum(power, axis=0)
    return jnp.where(moves & (total > 0), power / jnp.where(total > 0, total, 1), 0)


def smooth(values: Float[Array, "place state"], sigma: float) -> Float[Array, "place state"]:
    """Gaussian smoothing along the first axis, cut at four standard deviations and reflected at both ends.

    As `scipy.ndimage.gaussian_filter1d` does: the last value is its own neighbour beyond the end.
    """
    radius = int(4 * sigma + 0.5)
    if radius == 0:
        return values
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = jnp.asarray(kernel / kernel.sum(), values.dtype)
    padded = jnp.pad(values, ((radius, radius), (0, 0)), mode="symmetric")
    return jax.vmap(ft.partial(jnp.convolve, v=kernel, mode="valid"), in_axes=1, out_axes=1)(padded)
