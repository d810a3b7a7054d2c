"""One mode of a deep linear chain with any conserved differences, by quadrature of the time and its inversion."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite

#: Panels of equal width from the start of a mode towards its end, then panels that halve the rest each time.
_EVEN, _HALVING = 64, 54
_NODES = 12


def _edges() -> np.ndarray:
    """The part of the way that is left, at the borders of the panels: from 1 down to rounding."""
    even = 1 - np.arange(_EVEN) / _EVEN
    return np.concatenate([even, even[-1] * 0.5 ** np.arange(1, _HALVING + 1)])


def _integration() -> tuple[np.ndarray, np.ndarray]:
    """Nodes on [-1, 1], and the matrix from values there to the Chebyshev coefficients of the integral from -1."""
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    fit = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, _NODES - 1))
    integrate = np.stack([np.polynomial.chebyshev.chebint(row, lbnd=-1) for row in np.eye(_NODES)], axis=1)
    return nodes, integrate @ fit


class ChainTable(eqx.Module):
    r"""The time that modes of a chain take along their way, on panels; the way falls from 1 (start) to 0 (end).

    A mode is $u = x\,g(x)$, $g = \prod_j \sqrt{x^2 + \delta_j}$ with the smallest layer $x$ and conserved $\delta_j$,
    and the way is even in $y = \operatorname{arsinh}(x / \epsilon)$, in which the time is smooth.

    Args:
        start: $y$ at time 0.
        end: $y$ at the fixed point.
        scale: $\epsilon$.
        gaps: $\delta_j$ of the other layers.
        times: $t$ at the borders of the panels.
        integrals: Chebyshev coefficients of the time within each panel.
        sign: of the mode's orientation.
        moving: whether the mode moves at all.
    """

    start: Float[Array, "*mode"]
    end: Float[Array, "*mode"]
    scale: Float[Array, "*mode"]
    gaps: Float[Array, "layer *mode"]
    times: Float[Array, "border *mode"]
    integrals: Float[Array, "panel coefficient *mode"]
    sign: Float[Array, "*mode"]
    moving: Array

    def strength(self, way: Array) -> Array:
        """$u$ at a part of the way that is left, with time as a leading axis."""
        x = self.scale * jnp.sinh(self.end + (self.start - self.end) * way)
        return self.sign * x * jnp.prod(jnp.sqrt(x**2 + self.gaps[:, None]), axis=0)


def _root(target: Array, gaps: Array) -> Array:
    """$x \\ge 0$ with $x \\prod_j \\sqrt{x^2 + \\delta_j}$ = target, by Newton's method on logarithms."""
    depth = gaps.shape[0] + 1
    positive = target > 0
    wanted = jnp.log(jnp.where(positive, target, 1))

    def improve(_: Array, z: Array) -> Array:
        square = jnp.exp(2 * z)
        value = z + 0.5 * jnp.sum(jnp.log(square + gaps), axis=0) - wanted
        return z - value / (1 + jnp.sum(square / (square + gaps), axis=0))

    z = jax.lax.fori_loop(0, 40, improve, wanted / depth)
    return jnp.where(positive, jnp.exp(z), 0)


def tabulate_chain(
    singular_value: Float[Array, "*mode"], layers: Float[Array, "depth *mode"], variance: Float[Array, "*mode"]
) -> ChainTable:
    """The time along the way of every mode, for chains of two or more layers (see `chain_mode`)."""
    dtype = layers.dtype
    tiny = jnp.asarray(1e-12 if jnp.finfo(dtype).eps < 1e-10 else 1e-6, dtype)
    signs = jnp.where(layers < 0, -1.0, 1.0).astype(dtype)
    turned = jnp.where(singular_value < 0, -1.0, 1.0).astype(dtype)
    s = jnp.abs(singular_value)
    order = jnp.argsort(jnp.abs(layers), axis=0)
    sizes = jnp.take_along_axis(jnp.abs(layers), order, axis=0)
    smallest = sizes[0]
    gaps = (sizes[1:] - smallest) * (sizes[1:] + smallest)
    x0 = turned * jnp.prod(signs, axis=0) * smallest
    # A chain whose two smallest layers are equal cannot change sign: from below it only ends at the saddle 0.
    tied = jnp.sqrt(gaps[0]) <= tiny * smallest
    moving = (variance > 0) & (s >= 0) & ((smallest > 0) | (gaps[0] > 0))
    target = jnp.where(moving, s / jnp.where(variance > 0, variance, 1), 0)
    # The way is even in logarithms of x down to the scale; the deeper the chain, the fewer decades it moves in any
    # time.
    crossing = (x0 < 0) & (s > 0) & ~tied
    least = smallest * tiny ** (1 / max(1, layers.shape[0] - 2))
    scale = jnp.where(crossing, jnp.sqrt(gaps[0]), jnp.maximum(jnp.sqrt(gaps[0]), least))
    scale = jnp.where(moving & (scale > 0), scale, 1)
    end = jnp.where(tied & (x0 < 0), 0, jnp.arcsinh(_root(target, gaps) / scale))
    start = jnp.where(moving, jnp.arcsinh(x0 / scale), 0)
    # At the end already: any way will do, and its time does not matter.
    moving &= start != end

    edges = jnp.asarray(_edges(), dtype)
    nodes, integration = _integration()
    half = (edges[1:] - edges[:-1]) / 2
    points = (edges[1:] + edges[:-1])[:, None] / 2 + half[:, None] * jnp.asarray(nodes, dtype)
    points = points.reshape(*points.shape, *[1] * start.ndim)
    y = end + (start - end) * points
    x, stop = scale * jnp.sinh(y), scale * jnp.sinh(end)
    left = 2 * scale * jnp.cosh((y + end) / 2) * jnp.sinh((y - end) / 2)  # x - stop, without cancellation
    squares = x**2 + gaps[:, None, None]
    others = jnp.prod(jnp.sqrt(squares), axis=0)
    strength = x * others
    near = (strength > 0.5 * target) & (strength < 2 * target) & (target > 0) & (stop > 0)
    relative = jnp.where(near, left / jnp.where(stop > 0, stop, 1), 0)
    ends = stop**2 + gaps[:, None, None]
    logs = jnp.log1p(relative) + 0.5 * jnp.sum(
        jnp.log1p(jnp.where(near, left * (x + stop) / jnp.where(ends > 0, ends, 1), 0)), axis=0
    )
    drive = jnp.where(near, -s * jnp.expm1(logs), s - variance * strength)
    speed = drive * others
    density = (start - end) * scale * jnp.cosh(y) / jnp.where(speed == 0, 1, speed)
    density = jnp.where(moving, density * half.reshape(-1, *[1] * (y.ndim - 1)), 1.0)
    integrals = jnp.einsum("cn,pn...->pc...", jnp.asarray(integration, dtype), density)
    steps = jnp.sum(integrals, axis=1)  # every Chebyshev polynomial is 1 at the right end
    times = jnp.concatenate([jnp.zeros_like(steps[:1]), jnp.cumsum(steps, axis=0)])
    return ChainTable(start, end, scale, gaps, times, integrals, turned, moving)


def _chebyshev(coefficients: Array, x: Array) -> tuple[Array, Array]:
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


@cite("saxe2014exact")
@jax.jit
def chain_mode(
    ts: Float[Array, " time"],
    singular_value: Float[Array, " mode"],
    layers: Float[Array, "depth mode"],
    variance: Float[Array, " mode"],
) -> Float[Array, "time mode"]:
    r"""The strength $u = \prod_l a_l$ of aligned modes of a chain, $\dot a_l = (s - \lambda u) \prod_{k \ne l} a_k$.

    All $a_l^2 - a_k^2$ are conserved, so that one variable remains and the time is an integral over it, which is taken
    by Chebyshev quadrature and inverted by Newton's method: no time steps, any time, to about 1e-10 in float64.

    Args:
        ts: learning times.
        singular_value: $s$.
        layers: $a_l(0)$ of every layer, of either sign.
        variance: $\lambda$. Where it is 0 nothing is learned.
    """
    table = tabulate_chain(singular_value, layers, variance)
    edges = jnp.asarray(_edges(), layers.dtype)
    ts = ts.astype(layers.dtype)

    def one(times: Array, integrals: Array) -> Array:
        panel = jnp.clip(jnp.searchsorted(times, ts, side="right") - 1, 0, integrals.shape[0] - 1)
        chosen = integrals[panel].T
        elapsed = jnp.minimum(ts, times[-1]) - times[panel]
        whole = times[panel + 1] - times[panel]

        def improve(_: Array, x: Array) -> Array:
            value, slope = _chebyshev(chosen, x)
            return jnp.clip(x - (value - elapsed) / jnp.where(slope > 0, slope, 1), -1, 1)

        x = jax.lax.fori_loop(0, 6, improve, 2 * elapsed / jnp.where(whole > 0, whole, 1) - 1)
        return edges[panel] + (x + 1) / 2 * (edges[panel + 1] - edges[panel])

    way = jax.vmap(one, in_axes=(1, 2), out_axes=1)(table.times, table.integrals)
    still = jnp.prod(layers, axis=0)
    return jnp.where(table.moving, table.strength(way), still)


@jax.jit
def chain_time(
    singular_value: Float[Array, " mode"],
    layers: Float[Array, "depth mode"],
    final: Float[Array, " mode"],
    variance: Float[Array, " mode"],
) -> Float[Array, " mode"]:
    """The time at which the strength of a chain's mode passes `final`; NaN where it never does."""
    table = tabulate_chain(singular_value, layers, variance)
    edges = jnp.asarray(_edges(), layers.dtype)
    final = final * table.sign
    x = jnp.sign(final) * _root(jnp.abs(final), table.gaps)
    y = jnp.arcsinh(x / table.scale)
    gone = table.start - table.end
    way = (y - table.end) / jnp.where(gone == 0, 1, gone)

    def one(way: Array, times: Array, integrals: Array) -> Array:
        panel = jnp.clip(jnp.searchsorted(-edges, -way, side="right") - 1, 0, integrals.shape[0] - 1)
        x = 2 * (way - edges[panel]) / (edges[panel + 1] - edges[panel]) - 1
        return times[panel] + _chebyshev(integrals[panel], jnp.clip(x, -1, 1))[0]

    time = jax.vmap(one, in_axes=(0, 1, 2))(way, table.times, table.integrals)
    passed = table.moving & (way <= 1) & (way >= edges[-1])
    return jnp.where(passed, time, jnp.nan)
