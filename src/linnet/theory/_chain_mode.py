"""One mode of a deep linear chain with any conserved differences, by quadrature of the time and its inversion."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from ._way import borders, chebyshev, integrate_way, way_at, way_points


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

    def smallest(self, way: Array) -> Array:
        """$x$ at a part of the way that is left, with time as a leading axis."""
        return self.scale * jnp.sinh(self.end + (self.start - self.end) * way)

    def strength(self, way: Array) -> Array:
        """$u$ at a part of the way that is left, with time as a leading axis."""
        x = self.smallest(way)
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

    y = end + (start - end) * way_points(start)
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
    times, integrals = integrate_way(density, moving)
    return ChainTable(start, end, scale, gaps, times, integrals, turned, moving)


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
    way = way_at(ts, table.times, table.integrals)
    still = jnp.prod(layers, axis=0)
    return jnp.where(table.moving, table.strength(way), still)


@jax.jit
def chain_layers(
    ts: Float[Array, " time"],
    singular_value: Float[Array, " mode"],
    layers: Float[Array, "depth mode"],
    variance: Float[Array, " mode"],
) -> Float[Array, "depth time mode"]:
    """The layers $a_l$ themselves, whose product is `chain_mode`, for two or more of them."""
    table = tabulate_chain(singular_value, layers, variance)
    x = table.smallest(way_at(ts, table.times, table.integrals))
    sizes = jnp.abs(layers)
    place = jnp.argmin(sizes, axis=0)
    least = jnp.min(sizes, axis=0)
    signs = jnp.where(layers < 0, -1.0, 1.0).astype(layers.dtype)
    # Only the smallest layer can change its sign.
    others = jnp.prod(signs, axis=0) * jnp.take_along_axis(signs, place[None], axis=0)[0]
    moved = signs[:, None] * jnp.sqrt(x**2 + ((sizes - least) * (sizes + least))[:, None])
    is_smallest = (jnp.arange(layers.shape[0])[:, None] == place)[:, None]
    moved = jnp.where(is_smallest, table.sign * others * x, moved)
    return jnp.where(table.moving, moved, layers[:, None])


@jax.jit
def chain_time(
    singular_value: Float[Array, " mode"],
    layers: Float[Array, "depth mode"],
    final: Float[Array, " mode"],
    variance: Float[Array, " mode"],
) -> Float[Array, " mode"]:
    """The time at which the strength of a chain's mode passes `final`; NaN where it never does."""
    table = tabulate_chain(singular_value, layers, variance)
    edges = jnp.asarray(borders(), layers.dtype)
    final = final * table.sign
    x = jnp.sign(final) * _root(jnp.abs(final), table.gaps)
    y = jnp.arcsinh(x / table.scale)
    gone = table.start - table.end
    way = (y - table.end) / jnp.where(gone == 0, 1, gone)

    def one(way: Array, times: Array, integrals: Array) -> Array:
        panel = jnp.clip(jnp.searchsorted(-edges, -way, side="right") - 1, 0, integrals.shape[0] - 1)
        x = 2 * (way - edges[panel]) / (edges[panel + 1] - edges[panel]) - 1
        return times[panel] + chebyshev(integrals[panel], jnp.clip(x, -1, 1))[0]

    time = jax.vmap(one, in_axes=(0, 1, 2))(way, table.times, table.integrals)
    passed = table.moving & (way <= 1) & (way >= edges[-1])
    return jnp.where(passed, time, jnp.nan)
