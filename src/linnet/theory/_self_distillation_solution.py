r"""A mode of self-distillation: an encoder of any layers that learns to predict itself through a decoder."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from ._mode_curves import Numbers, _arrays, learning_time
from ._way import integrate_way, way_at, way_points


class _Path(eqx.Module):
    r"""The one variable that moves, $x = \epsilon \sinh y$: the smallest of all layers and the decoder.

    Args:
        start: $y$ at time 0.
        end: $y$ at the fixed point.
        scale: $\epsilon$.
        stop: $x$ at the fixed point.
        gaps: squares of the layers above that of $x$, in the order given (0 for $x$ itself).
        decoding: the square of the decoder above that of $x$.
        place: which layer $x$ is; the number of layers where it is the decoder.
        moving: whether anything moves at all.
    """

    start: Float[Array, " mode"]
    end: Float[Array, " mode"]
    scale: Float[Array, " mode"]
    stop: Float[Array, " mode"]
    gaps: Float[Array, "layer mode"]
    decoding: Float[Array, " mode"]
    place: Array
    moving: Array


def _path(coefficient: Array, variance: Array, sizes: Array, decoder: Array) -> _Path:
    """What moves, and where to; the coefficient is not negative, and the decoder turned with it."""
    dtype, num = sizes.dtype, sizes.shape[0]
    tiny = jnp.asarray(1e-12 if jnp.finfo(dtype).eps < 1e-10 else 1e-6, dtype)
    least, strength = jnp.min(sizes, axis=0), jnp.abs(decoder)
    is_decoder = strength <= least
    place = jnp.where(is_decoder, num, jnp.argmin(sizes, axis=0))
    smallest = jnp.minimum(least, strength)
    gaps = (sizes - smallest) * (sizes + smallest)
    decoding = (strength - smallest) * (strength + smallest)
    start = jnp.where(is_decoder, decoder, least)
    nearest = jnp.sqrt(jnp.min(gaps, axis=0))
    # A decoder as large as the smallest layer cannot change its sign: from below it ends at the saddle 0.
    tied = nearest <= tiny * smallest
    upwards = is_decoder & ~(tied & (start < 0))
    # An encoder whose decoder is pointing away, or stays beyond the coefficient however small the encoder, collapses.
    square = jnp.where(decoder > 0, coefficient**2 - decoding, -1)
    stop = jnp.where(upwards, coefficient, jnp.where(is_decoder, 0, jnp.sqrt(jnp.maximum(square, 0))))
    moving = (variance > 0) & ((smallest > 0) | (is_decoder & ~tied))
    fine = smallest * tiny ** (1 / (2 * num))
    scale = jnp.where(
        is_decoder & (start < 0) & ~tied, nearest, jnp.where(is_decoder, jnp.maximum(nearest, fine), fine)
    )
    scale = jnp.where(moving & (scale > 0), scale, 1)
    start, end = jnp.where(moving, jnp.arcsinh(start / scale), 0), jnp.arcsinh(jnp.where(moving, stop, 0) / scale)
    return _Path(start, end, scale, stop, gaps, decoding, place, moving & (start != end))


@cite("littwin2024jepa")
@jax.jit
def distilled_layers(
    ts: Float[Array, " time"],
    covariance: Float[Array, " mode"],
    variance: Float[Array, " mode"],
    layers: Float[Array, "layer mode"],
    decoder: Float[Array, " mode"],
) -> tuple[Float[Array, "layer time mode"], Float[Array, "time mode"]]:
    r"""The layers $a_l$ of an encoder and its decoder $v$ in aligned modes, of any initial strengths and signs.

    $$\dot v = w^2 (\lambda - \sigma^2 v), \qquad \dot a_l = \frac{w^2}{a_l} v (\lambda - \sigma^2 v), \qquad
    w = \prod_l a_l$$

    All $a_l^2 - v^2$ are conserved, so that one variable remains and the time is an integral over it, which is taken by
    Chebyshev quadrature and inverted by Newton's method: no time steps, any time.

    Args:
        ts: learning times.
        covariance: $\lambda$, between the views.
        variance: $\sigma^2$, of the view that is encoded.
        layers: $a_l(0)$.
        decoder: $v(0)$.

    Returns:
        The layers, whose signs never change, and the decoder.
    """
    turned = jnp.where(covariance < 0, -1.0, 1.0).astype(layers.dtype)
    safe = jnp.where(variance > 0, variance, 1)
    coefficient, num = jnp.abs(covariance) / safe, layers.shape[0]
    path = _path(coefficient, variance, jnp.abs(layers), turned * decoder)
    is_decoder, side = path.place == num, jnp.where(turned * decoder < 0, -1.0, 1.0)
    own = jnp.arange(num)[:, None] == path.place

    def decoded(x: Array) -> Array:
        return jnp.where(is_decoder, x, side * jnp.sqrt(x**2 + path.decoding))

    y = path.end + (path.start - path.end) * way_points(path.start)
    x = path.scale * jnp.sinh(y)
    # x - stop, without cancellation.
    left = 2 * path.scale * jnp.cosh((y + path.end) / 2) * jnp.sinh((y - path.end) / 2)
    v = decoded(x)
    rest = jnp.where(is_decoder, -left, -left * (path.stop + x) / jnp.where(is_decoder, 1, coefficient + v))
    rest = jnp.where((path.stop > 0) & (coefficient + v > 0), rest, coefficient - v)
    others = jnp.prod(jnp.where(own[:, None, None], 1, x**2 + path.gaps[:, None, None]), axis=0)
    speed = safe * rest * others * jnp.where(is_decoder, 1, x * v)
    density = (path.start - path.end) * path.scale * jnp.cosh(y) / jnp.where(speed == 0, 1, speed)
    way = way_at(ts, *integrate_way(density, path.moving))

    x = path.scale * jnp.sinh(path.end + (path.start - path.end) * way)
    moved = jnp.where(layers < 0, -1.0, 1.0)[:, None] * jnp.sqrt(x**2 + path.gaps[:, None])
    return (
        jnp.where(path.moving, moved, layers[:, None]).astype(layers.dtype),
        jnp.where(path.moving, turned * decoded(x), decoder).astype(layers.dtype),
    )


@cite("littwin2024jepa")
def self_distillation_time(
    covariance: Numbers, coefficient: Numbers, initial: Numbers, *, depth: int, reached: Numbers = 0.5
) -> Float[Array, "..."]:
    r"""The learning time at which a balanced mode of self-distillation reaches a part of its final strength, exactly.

    With $a = w^{1/L}$ and $p^{1/L} \rho$ in place of the final $a$, the implicit solution is

    $$\frac{\lambda}{\rho}\, t = \Bigl[\, \rho^{-2L} \ln \frac{a}{\rho - a}
    - \sum_{n=1}^{2L-1} \frac{1}{n\, \rho^{2L-n}\, a^n} \Bigr]_{a(0)}^{a(t)}.$$

    Args:
        covariance: $\lambda$, between the views.
        coefficient: $\rho = \lambda / \sigma^2$, the regression coefficient between the views.
        initial: $w(0)$, the strength of the encoder, above 0.
        depth: $L$, the number of the encoder's weights; the decoder is one more.
        reached: $p$, as part of the final strength $\rho^L$.

    Returns:
        The time; 0 where it begins beyond $p$, NaN where the strengths are not of growing modes.
    """
    (covariance, coefficient, initial, reached), shape = _arrays(covariance, coefficient, initial, reached)
    _check(depth)
    size = 2 * depth

    def implicit(ratio: Array) -> Array:
        """The bracket times $\rho^{2L}$, by $a / \rho$."""
        powers = sum((ratio**-n / n for n in range(1, size)), start=jnp.zeros_like(ratio))
        return jnp.log(ratio / (1 - ratio)) - powers

    grows = (covariance > 0) & (coefficient > 0) & (initial > 0) & (reached > 0) & (reached < 1)
    rho = jnp.where(grows, coefficient, 1)
    first = jnp.where(grows, initial, 0.5) ** (1 / depth) / rho
    last = jnp.where(grows, reached, 0.5) ** (1 / depth)
    begun = first >= last
    time = implicit(last) - implicit(jnp.where(begun, last, first))
    time = time * rho ** (1 - size) / jnp.where(grows, covariance, 1)
    return jnp.where(grows, jnp.where(begun, 0, time), jnp.nan).reshape(shape)


@cite("littwin2024jepa")
def reconstruction_time(
    covariance: Numbers, coefficient: Numbers, initial: Numbers, *, depth: int, reached: Numbers = 0.5
) -> Float[Array, "..."]:
    r"""The learning time at which a balanced mode of reconstruction reaches a part of its final strength.

    That of a chain of $L + 1$ layers: the decoder is one of them, the final encoder $\rho^{L / (L+1)}$.

    Args:
        covariance: $\lambda$, between the views.
        coefficient: $\rho = \lambda / \sigma^2$.
        initial: $w(0)$, the strength of the encoder.
        depth: $L$, the number of the encoder's weights.
        reached: $p$, as part of the final strength.
    """
    (covariance, coefficient, initial, reached), shape = _arrays(covariance, coefficient, initial, reached)
    _check(depth)
    power = (depth + 1) / depth
    begun = initial**power >= reached**power * coefficient
    variance = covariance / jnp.where(coefficient > 0, coefficient, jnp.nan)
    final = reached**power * coefficient
    start = jnp.where(begun, final / 2, initial**power)
    time = learning_time(covariance, start, final, depth=depth + 1, variance=variance)
    return jnp.where(begun, 0, time).reshape(shape)


@cite("littwin2024jepa")
def critical_time_of_self_distillation(
    covariance: Numbers, coefficient: Numbers, initial: Numbers, *, depth: int
) -> Float[Array, "..."]:
    r"""What the time of self-distillation tends to from small initial strength, whatever part of the end is asked for.

    $$t^* = \frac1\lambda \sum_{n=1}^{2L-1} \frac{1}{n\, w(0)^{n/L}\, \rho^{2L-n-1}}
    + \mathcal O(\log w(0))$$

    Args:
        covariance: $\lambda$.
        coefficient: $\rho$.
        initial: $w(0)$.
        depth: $L$.
    """
    (covariance, coefficient, initial), shape = _arrays(covariance, coefficient, initial)
    _check(depth)
    size = 2 * depth
    terms = [initial ** (-n / depth) * coefficient ** (n + 1 - size) / n for n in range(1, size)]
    return (sum(terms, start=jnp.zeros_like(initial)) / covariance).reshape(shape)


@cite("littwin2024jepa")
def critical_time_of_reconstruction(covariance: Numbers, initial: Numbers, *, depth: int) -> Float[Array, "..."]:
    r"""What the time of reconstruction tends to from small initial strength: the regression coefficient is not in it.

    $$t^* = \frac{w(0)^{-(L-1)/L}}{\lambda (L - 1)} + \mathcal O(1), \qquad
    t^* = \frac{-\ln w(0)}{\lambda} + \mathcal O(1) \quad (L = 1)$$

    Args:
        covariance: $\lambda$.
        initial: $w(0)$.
        depth: $L$.
    """
    (covariance, initial), shape = _arrays(covariance, initial)
    _check(depth)
    size = -jnp.log(initial) if depth == 1 else initial ** (1 / depth - 1) / (depth - 1)
    return (size / covariance).reshape(shape)


def _check(depth: Any) -> None:
    if depth < 1 or depth != int(depth):
        raise ValueError(f"The depth of an encoder is a whole number of weights of at least 1, got {depth}.")
