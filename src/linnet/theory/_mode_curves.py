"""The learning curve of a mode and its characteristic times, as functions of plain numbers and arrays."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from ._chain_mode import chain_mode, chain_time
from ._two_layer_mode import infinite_depth_mode, infinite_depth_time, one_layer_mode, two_layer_mode, two_layer_time

#: One number or an array of them, of JAX or NumPy.
Numbers = Float[Array | np.ndarray, "..."] | float
Times = Float[Array | np.ndarray, " time"]


def _arrays(*values: Any) -> tuple[tuple[Array, ...], tuple[int, ...]]:
    """Numbers as flat arrays of one floating dtype and one shape, and that shape."""
    # Plain numbers take the precision of the arrays.
    dtype = jnp.result_type(*values)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    arrays = [jnp.asarray(value) for value in values]
    shape = jnp.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(jnp.broadcast_to(a.astype(dtype), shape).reshape(-1) for a in arrays), shape


def _check_depth(depth: float) -> float:
    if depth != math.inf and (depth < 1 or depth != int(depth)):
        raise ValueError(f"A depth is a whole number of layers of at least 1, or math.inf, got {depth}.")
    return depth


def _balanced(initial: Array, depth: int) -> Array:
    """The layers of a balanced chain; a negative strength is in the sign of the last one."""
    each = jnp.abs(initial) ** (1 / depth)
    return jnp.stack([each] * (depth - 1) + [jnp.where(initial < 0, -each, each)])


@cite("saxe2014exact")
def mode_strength(
    ts: Times, singular_value: Numbers, initial: Numbers, *, depth: float = 2, variance: Numbers = 1.0
) -> Float[Array, "time ..."]:
    r"""The strength of a mode of a balanced deep linear network over time, $\dot u = D\, u^{2 - 2/D} (s - \lambda u)$.

    Args:
        ts: learning times.
        singular_value: $s$, one or many.
        initial: the strength at time 0.
        depth: $D$, the number of weight matrices: 1 an exponential, 2 the sigmoid
            $\frac{s}{\lambda + (s / u_0 - \lambda) e^{-2 s t}}$, from 3 on by quadrature; `math.inf` is the limit of
            infinitely many in the time $D t$, $\dot u = u^2 (s - \lambda u)$.
        variance: $\lambda$, the variance of the inputs along the mode; 1 for white inputs.

    Returns:
        $u(t)$, with the axes of the other arguments after "time".

    !!! example
        ```python
        ln.theory.mode_strength(jnp.linspace(0, 20, 100), jnp.array([2.0, 1.0]), 1e-3, depth=3)
        ```
    """
    _check_depth(depth)
    (s, start, lam), shape = _arrays(singular_value, initial, variance)
    ts = jnp.asarray(ts)
    if depth == 1:
        strength = one_layer_mode(ts[:, None], s, start, lam)
    elif depth == 2:
        strength = two_layer_mode(ts[:, None], s, jnp.maximum(start, 0), jnp.maximum(-start, 0), lam)
    elif depth == math.inf:
        strength = infinite_depth_mode(ts[:, None], s, start, lam)
    else:
        strength = chain_mode(ts, s, _balanced(start, int(depth)), lam)
    return strength.reshape(-1, *shape)


@cite("saxe2014exact")
def chain_strength(
    ts: Times, singular_value: Numbers, layers: Float[Array | np.ndarray, "depth ..."], *, variance: Numbers = 1.0
) -> Float[Array, "time ..."]:
    r"""The strength $u = \prod_l a_l$ of an aligned mode of any, also unbalanced, layers.

    $$\dot a_l = (s - \lambda u) \prod_{k \ne l} a_k$$

    Args:
        ts: learning times.
        singular_value: $s$, one or many.
        layers: the strength $a_l(0)$ in each layer, the first axis over layers. All $a_l^2 - a_k^2$ are conserved.
        variance: $\lambda$.

    Returns:
        $u(t)$, with the axes of the other arguments after "time". Two layers: in closed form, with
        $u = \frac{c_0}{2} \sinh\theta$ for $c_0 = a_1^2 - a_2^2 > 0$.
    """
    layers = jnp.asarray(layers)
    (s, lam, *each), shape = _arrays(singular_value, variance, *layers)
    ts = jnp.asarray(ts)
    if len(each) == 1:
        strength = one_layer_mode(ts[:, None], s, each[0], lam)
    elif len(each) == 2:
        first, second = each
        strength = two_layer_mode(ts[:, None], s, (first + second) ** 2 / 4, (first - second) ** 2 / 4, lam)
    else:
        strength = chain_mode(ts, s, jnp.stack(each), lam)
    return strength.reshape(-1, *shape)


@cite("saxe2014exact")
def learning_time(
    singular_value: Numbers, initial: Numbers, final: Numbers, *, depth: float = 2, variance: Numbers = 1.0
) -> Float[Array, "..."]:
    r"""The learning time after which a balanced mode has gone from one strength to another.

    For two layers $t = \frac{1}{2 s} \ln \frac{u_f (s - \lambda u_0)}{u_0 (s - \lambda u_f)}$; at infinite depth the
    time is in units of $1 / D$.

    Args:
        singular_value: $s$.
        initial: $u_0$.
        final: $u_f$.
        depth: $D$; see `mode_strength`.
        variance: $\lambda$.

    Returns:
        The time; NaN where the mode never gets there.
    """
    _check_depth(depth)
    (s, start, end, lam), shape = _arrays(singular_value, initial, final, variance)
    if depth == 1:
        quotient = (s - lam * start) / jnp.where(s == lam * end, jnp.nan, s - lam * end)
        rate = jnp.where(lam > 0, lam, 1)
        time = jnp.where(lam > 0, jnp.log(quotient) / rate, (end - start) / jnp.where(s == 0, jnp.nan, s))
        time = jnp.where(time >= 0, time, jnp.nan)
    elif depth == 2:
        time = two_layer_time(s, jnp.maximum(start, 0), jnp.maximum(-start, 0), end, lam)
    elif depth == math.inf:
        time = infinite_depth_time(s, start, end, lam)
    else:
        time = chain_time(s, _balanced(start, int(depth)), end, lam)
    return time.reshape(shape)


@cite("saxe2014exact")
def half_time(
    singular_value: Numbers, initial: Numbers, *, depth: float = 2, variance: Numbers = 1.0
) -> Float[Array, "..."]:
    r"""The learning time at which a balanced mode passes half its final strength $s / \lambda$.

    For two layers $t_{1/2} = \frac{1}{2 s} \ln\bigl(\frac{s}{\lambda u_0} - 1\bigr)$.

    Args:
        singular_value: $s$.
        initial: the strength at time 0.
        depth: $D$; see `mode_strength`.
        variance: $\lambda$.

    Returns:
        The time; 0 where the mode begins beyond half, NaN where it never learns.

    !!! example
        ```python
        ln.theory.half_time(jnp.array([2.0, 1.0]), 1e-3)  # the stronger mode first
        ```
    """
    (s, start, lam), shape = _arrays(singular_value, initial, variance)
    end = jnp.where(lam > 0, s / jnp.where(lam > 0, lam, 1), jnp.nan)
    begun = start * jnp.sign(s) >= jnp.abs(end) / 2
    time = learning_time(s, jnp.where(begun, end / 4, start), end / 2, depth=depth, variance=lam)
    return jnp.where(begun & (s != 0), 0, time).reshape(shape)


@cite("saxe2014exact")
def maximal_stable_rate(singular_value: Numbers, *, depth: float = 2, variance: Numbers = 1.0) -> Float[Array, "..."]:
    r"""The largest learning rate at which gradient descent stays at a learned, balanced mode.

    $$\eta = \frac{2}{D \lambda (s / \lambda)^{2 - 2/D}}$$

    The curvature of $\frac{\lambda}{2} (u - s / \lambda)^2$ along the chain is $\lambda D u^{2 - 2/D}$. A network is as
    stable as its strongest mode; `linnet.analyse.largest_stable_rate_at_minimum` has any inputs.

    Args:
        singular_value: $s$.
        depth: $D$, the number of weight matrices.
        variance: $\lambda$.
    """
    if _check_depth(depth) == math.inf:
        raise ValueError("Infinitely many layers have no finite learning rate; it falls as one over the depth.")
    (s, lam), shape = _arrays(singular_value, variance)
    end = jnp.where(lam > 0, jnp.abs(s) / jnp.where(lam > 0, lam, 1), 0)
    return (2 / (depth * lam * end ** (2 - 2 / depth))).reshape(shape)
