"""The largest Lyapunov exponent from data alone, by how fast neighbouring points part."""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from ._scaling_region import fit_line, straightest

#: Parts of the data of which each gives an exponent of its own, and the first length of the curve, in steps.
_PARTS, _FIRST = 8, 32
#: The curve bends before it ends: so much below its end, in logarithms, the region of the fit ends.
_MARGIN = 1.5


class SeriesExponent(eqx.Module):
    """A largest Lyapunov exponent from data, and the curve whose slope it is.

    Args:
        exponent: the slope in the fitted region, per unit of time.
        standard_error: of the slope: between eight stretches of time, and between both halves of the region.
        times: the times after which distances were taken.
        divergence: the mean logarithm of the distances.
        region: the first and the last time of the fit.
        plateau: the mean logarithm of the distance of two points of the attractor, where the curve ends.
    """

    exponent: float
    standard_error: float
    times: Float[Array, " time"]
    divergence: Float[Array, " time"]
    region: tuple[float, float]
    plateau: float

    def __float__(self) -> float:
        return self.exponent


@cite("rosenstein1993practical", "kantz1994robust")
def maximum_lyapunov_from_series(
    points: Float[Array | np.ndarray, "time state"],
    *,
    dt: float = 1.0,
    theiler: int = 0,
    num_neighbours: int = 1,
    region: tuple[float, float] | None = None,
    num_references: int = 2000,
) -> SeriesExponent:
    r"""The slope of how neighbours part, by Rosenstein's method, or by Kantz's with more neighbours than one,

    $$S(k) = \Big\langle \log \frac1m \sum_{j \in N(i)} \lVert x_{i+k} - x_{j+k} \rVert \Big\rangle_i, \qquad
    \lambda \approx \frac{S(k_2) - S(k_1)}{(k_2 - k_1)\, \Delta t}$$

    with the $m$ nearest neighbours $N(i)$ of a point, in Euclidean distance (Kantz takes all within a radius). The
    slope is taken where it varies least for the length of the region, before the curve comes within a factor $e$ of
    the distance of two points taken at random. Noise adds its own fast rise at the beginning, and data that is not
    chaotic has a curve as well: look at it. Where the equations are known, `lyapunov_spectrum` is the better way.

    Args:
        points: the orbit, or a delay embedding of a series.
        dt: the time of a step.
        theiler: neighbours are more than so many steps away in time; at least a period of the oscillation, in steps.
        num_neighbours: $m$.
        region: the first and the last time of the fit, in the place of those found.
        num_references: how many points $i$, evenly spread over time.

    Returns:
        The exponent with its standard error, the curve and the region.

    Raises:
        ValueError: if there are too few points, or the region has less than three times.

    !!! example
        ```python
        states = ln.analyse.delay_embedding(series, 3, lag)
        ln.analyse.maximum_lyapunov_from_series(states, dt=0.02, theiler=40)
        ```
    """
    points = jnp.asarray(points)
    points = points if jnp.issubdtype(points.dtype, jnp.floating) else points.astype(jnp.result_type(float))
    least = 4 * (_FIRST + max(theiler, 0))
    if points.ndim != 2 or len(points) < least or theiler < 0:
        raise ValueError(
            f"An exponent from data needs points (time, state), at least {least} of them where neighbours are more than"
            f" {theiler} steps apart, got the shape {points.shape}."
        )
    if not (dt > 0 and 1 <= num_neighbours <= least // 4):
        raise ValueError(f"`dt` must be positive and `num_neighbours` at least 1, got {dt} and {num_neighbours}.")
    values = np.asarray(points)
    if not np.all(np.isfinite(values)) or np.all(values == values[0]):
        raise ValueError("The points must be finite and not all the same.")
    rng = np.random.default_rng(0)  # pairs for the distance of two points at random; a number to look at, no result
    pairs = rng.integers(0, len(points), (2, 4000))
    apart = np.linalg.norm(values[pairs[0]] - values[pairs[1]], axis=1)
    plateau = float(np.mean(np.log(apart[apart > 0])))
    horizon = _FIRST if region is None else max(3, int(np.ceil(region[1] / dt)))
    while True:
        if len(points) - horizon < 2 * theiler + num_neighbours + 2:
            raise ValueError(f"{len(points)} points are too few to follow neighbours for {horizon} steps.")
        curves = _curves(points, horizon, theiler, num_neighbours, num_references)
        mean = np.nanmean(curves, axis=0)
        high = np.flatnonzero(mean > plateau - _MARGIN)
        if region is not None or len(high) or 16 * horizon > len(points):
            break
        horizon *= 2
    times = dt * np.arange(horizon + 1)
    if region is None:
        last = max(int(high[0]) if len(high) else len(mean), 4)
        start, stop = straightest(times[:last], mean[:last], max(3, last // 3))
    else:
        inside = np.flatnonzero((times >= region[0] - 1e-9 * dt) & (times <= region[1] + 1e-9 * dt))
        if len(inside) < 3:
            raise ValueError(f"The region needs three or more times, {dt:g} apart, got {region}.")
        start, stop = inside[0], inside[-1] + 1
    line = fit_line(times, mean, curves, int(start), int(stop))
    return SeriesExponent(
        exponent=line.slope,
        standard_error=line.standard_error,
        times=jnp.asarray(times, points.dtype),
        divergence=jnp.asarray(mean, points.dtype),
        region=(float(times[line.start]), float(times[line.stop - 1])),
        plateau=plateau,
    )


def _curves(points: Array, horizon: int, theiler: int, num_neighbours: int, num_references: int) -> np.ndarray:
    """The curve of each of some parts of the data, "part time"."""
    usable = len(points) - horizon
    num = max(_PARTS, min(num_references, usable) // _PARTS * _PARTS)
    references = jnp.asarray(np.linspace(0, usable - 1, num).round().astype(int))
    logs = np.asarray(_log_distances(points, references, jnp.asarray(theiler), horizon, num_neighbours))
    parts = logs.reshape(_PARTS, -1, horizon + 1)
    there = np.isfinite(parts)
    with np.errstate(invalid="ignore"):
        return np.where(there, parts, 0).sum(axis=1) / there.sum(axis=1)


@ft.partial(jax.jit, static_argnums=(3, 4))
def _log_distances(points: Array, references: Array, theiler: Array, horizon: int, num: int) -> Array:
    """The logarithm of each reference's mean distance from its neighbours, after each of some steps."""
    usable = points[: len(points) - horizon]
    numbers, steps = jnp.arange(len(usable)), jnp.arange(horizon + 1)

    def one(reference):
        squares = jnp.sum((usable - usable[reference]) ** 2, axis=1)
        # Points that are the same have no direction to part in.
        allowed = (jnp.abs(numbers - reference) > theiler) & (squares > 0)
        masked = jnp.where(allowed, squares, jnp.inf)

        def next_nearest(rest, _):
            place = jnp.argmin(rest)
            return rest.at[place].set(jnp.inf), place

        # A few searches for the smallest cost less than one sort.
        near = jax.lax.scan(next_nearest, masked, length=num)[1]
        gaps = points[near[:, None] + steps] - points[reference + steps]
        distances = jnp.mean(jnp.sqrt(jnp.sum(gaps**2, axis=2)), axis=0)
        good = jnp.all(masked[near] < jnp.inf)
        return jnp.where(good & (distances > 0), jnp.log(distances), jnp.nan)

    return jax.lax.map(one, references)
