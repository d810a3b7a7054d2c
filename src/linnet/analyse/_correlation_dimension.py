"""The correlation dimension of an attractor, from the distances of its points."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from ._scaling_region import fit_line, straightest

#: Radii, and parts of the data of which each gives a dimension of its own.
_RADII, _PARTS = 48, 8


class CorrelationDimension(eqx.Module):
    """A correlation dimension and the curve whose slope it is.

    Args:
        dimension: the slope in the fitted region.
        standard_error: of the slope: between eight stretches of time, and between both halves of the region.
        radii: r.
        integrals: the correlation integral C at each radius.
        region: the smallest and the largest radius of the fit.
    """

    dimension: float
    standard_error: float
    radii: Float[Array, " radius"]
    integrals: Float[Array, " radius"]
    region: tuple[float, float]

    def __float__(self) -> float:
        return self.dimension


@cite("grassberger1983characterization", "theiler1986spurious")
def correlation_dimension(
    points: Float[Array | np.ndarray, "time state"],
    *,
    theiler: int = 0,
    region: tuple[float, float] | None = None,
    num_references: int = 2000,
) -> CorrelationDimension:
    r"""The correlation dimension by Grassberger and Procaccia, the slope of $\log C(r)$ over $\log r$,

    $$C(r) = \frac{\#\{(i, j) : |i - j| > w, \lVert x_i - x_j \rVert < r\}}{\#\{(i, j) : |i - j| > w\}}$$

    with Euclidean distances, between points $i$ spread evenly over time and all points $j$. The region in which the
    slope is taken is found where local slopes vary least for its length, below the tenth of pairs that are nearest; at
    small radii it ends where there are fewer than 100 pairs. Look at the curve before you believe a number: an
    attractor need not have such a region, and noise has the dimension of the space at radii of its own size.

    Args:
        points: the orbit, or a delay embedding of a series.
        theiler: $w$; pairs so close in time lie close in space only because the orbit is continuous. At least the time
            in which the autocorrelation falls, in steps; 0 leaves out the pair of a point with itself alone.
        region: the smallest and the largest radius of the fit, in the place of those found.
        num_references: how many points $i$.

    Returns:
        The dimension with its standard error, the curve and the region.

    Raises:
        ValueError: if there are too few points, or the region has less than four radii.

    !!! example
        ```python
        orbit = ln.systems.get("Lorenz").orbit(20_000, dt=0.05).states
        ln.analyse.correlation_dimension(orbit, theiler=20)  # 2.05
        ```
    """
    points = jnp.asarray(points)
    points = points if jnp.issubdtype(points.dtype, jnp.floating) else points.astype(jnp.result_type(float))
    if points.ndim != 2 or len(points) < 100 or not 0 <= theiler < len(points) // 4:
        raise ValueError(
            "A correlation dimension is that of 100 or more points, (time, state), with `theiler` at least 0 and below"
            f" a quarter of them, got the shape {points.shape} and theiler={theiler}."
        )
    values = np.asarray(points)
    if not np.all(np.isfinite(values)):
        raise ValueError("The points must be finite.")
    largest = float(np.linalg.norm(values.max(axis=0) - values.min(axis=0)))
    if largest == 0:
        raise ValueError("All points are the same.")
    num = max(_PARTS, min(num_references, len(points)) // _PARTS * _PARTS)
    references = np.linspace(0, len(points) - 1, num).round().astype(int)
    smallest = _smallest(points, references[:: max(1, num // 200)], theiler)
    radii = np.exp(np.linspace(np.log(max(smallest, 1e-7 * largest)), np.log(largest), _RADII))
    counts = np.asarray(
        _counts(points, jnp.asarray(references), jnp.asarray(radii, points.dtype), jnp.asarray(theiler))
    )
    pairs = len(points) - np.minimum(references + theiler, len(points) - 1) + np.maximum(references - theiler, 0) - 1
    blocks = counts.reshape(_PARTS, -1, _RADII).sum(axis=1)
    totals = pairs.reshape(_PARTS, -1).sum(axis=1)
    with np.errstate(divide="ignore"):
        log_c, parts = np.log(blocks.sum(axis=0) / totals.sum()), np.log(blocks / totals[:, None])
    log_r = np.log(radii)
    if region is None:
        usable = np.flatnonzero((counts.sum(axis=0) >= 100) & (log_c <= np.log(0.1)))
        if len(usable) < 8:
            raise ValueError(
                f"There are too few points for a scaling region: {len(usable)} of {_RADII} radii have 100 pairs or more"
                " and less than a tenth of all; give more points or a `region`."
            )
        first, last = usable[0], usable[-1] + 1
        start, stop = straightest(log_r[first:last], log_c[first:last], 8)
        start, stop = start + first, stop + first
    else:
        inside = np.flatnonzero((radii >= region[0]) & (radii <= region[1]) & np.isfinite(log_c))
        if len(inside) < 4:
            raise ValueError(
                f"The region needs four or more of the radii between {radii[0]:.3g} and {radii[-1]:.3g}, got {region}."
            )
        start, stop = inside[0], inside[-1] + 1
    line = fit_line(log_r, log_c, parts, int(start), int(stop))
    return CorrelationDimension(
        dimension=line.slope,
        standard_error=line.standard_error,
        radii=jnp.asarray(radii, points.dtype),
        integrals=jnp.asarray(np.exp(log_c), points.dtype),
        region=(float(radii[line.start]), float(radii[line.stop - 1])),
    )


def _smallest(points: Array, references: np.ndarray, theiler: int) -> float:
    """A radius at which there are some pairs: a quantile of the distances of nearest neighbours."""
    nearest = np.asarray(_nearest(points, jnp.asarray(references), jnp.asarray(theiler)))
    positive = nearest[nearest > 0]
    return float(np.quantile(positive, 0.1)) if len(positive) else 0.0


def _distances(points: Array, reference: Array, theiler: Array) -> Array:
    distances = jnp.sqrt(jnp.sum((points - points[reference]) ** 2, axis=1))
    return jnp.where(jnp.abs(jnp.arange(len(points)) - reference) > theiler, distances, jnp.inf)


@jax.jit
def _nearest(points: Array, references: Array, theiler: Array) -> Array:
    return jax.lax.map(lambda reference: jnp.min(_distances(points, reference, theiler)), references)


@jax.jit
def _counts(points: Array, references: Array, radii: Array, theiler: Array) -> Array:
    """How many points are within each radius of each reference."""

    def one(reference):
        # So many comparisons cost less than sorting.
        distances = _distances(points, reference, theiler)
        return jax.lax.map(lambda radius: jnp.sum(distances < radius), radii)

    return jax.lax.map(one, references)
