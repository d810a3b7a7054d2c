"""Time as an integral along the way of a mode: tabulated on panels by Chebyshev quadrature, inverted by Newton steps.

The way is what is left of the path from the start of a mode, 1, to its end, 0, which takes forever.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

#: Panels of equal width from the start of a mode towards its end, then panels that halve the rest each time.
_EVEN, _HALVING = 64, 54
_NODES = 12


def borders() -> np.ndarray:
    """The part of the way that is left, at the borders of the panels: from 1 down to rounding."""
    even = 1 - np.arange(_EVEN) / _EVEN
    return np.concatenate([even, even[-1] * 0.5 ** np.arange(1, _HALVING + 1)])


def _integration() -> tuple[np.ndarray, np.ndarray]:
    """Nodes on [-1, 1], and the matrix from values there to the Chebyshev coefficients of the integral from -1."""
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    fit = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, _NODES - 1))
    integrate = np.stack([np.polynomial.chebyshev.chebint(row, lbnd=-1) for row in np.eye(_NODES)], axis=1)
    return nodes, integrate @ fit


def way_points(like: Float[Array, "..."]) -> Float[Array, "panel node ..."]:
    """The way at the nodes of all panels, with axes of length 1 for those of `like`, in its dtype."""
    edges = jnp.asarray(borders(), like.dtype)
    half = (edges[1:] - edges[:-1]) / 2
    points = (edges[1:] + edges[:-1])[:, None] / 2 + half[:, None] * jnp.asarray(_integration()[0], like.dtype)
    return points.reshape(*points.shape, *[1] * like.ndim)


def integrate_way(
    density: Float[Array, "panel node *mode"], moving: Array
) -> tuple[Float[Array, "border *mode"], Float[Array, "panel coefficient *mode"]]:
    """The time at the borders, and within each panel as a Chebyshev series, from $dt / d\\,way$ at the nodes."""
    edges = jnp.asarray(borders(), density.dtype)
    half = (edges[1:] - edges[:-1]) / 2
    density = jnp.where(moving, density * half.reshape(-1, *[1] * (density.ndim - 1)), 1.0)
    integrals = jnp.einsum("cn,pn...->pc...", jnp.asarray(_integration()[1], density.dtype), density)
    steps = jnp.sum(integrals, axis=1)  # every Chebyshev polynomial is 1 at the right end
    return jnp.concatenate([jnp.zeros_like(steps[:1]), jnp.cumsum(steps, axis=0)]), integrals


def chebyshev(coefficients: Array, x: Array) -> tuple[Array, Array]:
    """A Chebyshev series (first axis over coefficients) and its derivative."""
    value, slope = coefficients[0] + coefficients[1] * x, coefficients[1] + 0 * x
    before, now, slope_before, slope_now = jnp.ones_like(x), x, jnp.zeros_like(x), jnp.ones_like(x)
    for coefficient in coefficients[2:]:
        before, now, slope_before, slope_now = (
            now,
            2 * x * now - before,
            slope_now,
            2 * now + 2 * x * slope_now - slope_before,
        )
        value, slope = value + coefficient * now, slope + coefficient * slope_now
    return value, slope


def way_at(
    ts: Float[Array, " time"], times: Float[Array, "border mode"], integrals: Float[Array, "panel coefficient mode"]
) -> Float[Array, "time mode"]:
    """The way of every mode at the times `ts`."""
    edges = jnp.asarray(borders(), times.dtype)
    ts = ts.astype(times.dtype)

    def one(times: Array, integrals: Array) -> Array:
        panel = jnp.clip(jnp.searchsorted(times, ts, side="right") - 1, 0, integrals.shape[0] - 1)
        chosen = integrals[panel].T
        elapsed = jnp.minimum(ts, times[-1]) - times[panel]
        whole = times[panel + 1] - times[panel]

        def improve(_: Array, x: Array) -> Array:
            value, slope = chebyshev(chosen, x)
            return jnp.clip(x - (value - elapsed) / jnp.where(slope > 0, slope, 1), -1, 1)

        x = jax.lax.fori_loop(0, 6, improve, 2 * elapsed / jnp.where(whole > 0, whole, 1) - 1)
        return edges[panel] + (x + 1) / 2 * (edges[panel + 1] - edges[panel])

    return jax.vmap(one, in_axes=(1, 2), out_axes=1)(times, integrals)
