"""Edge of chaos of orthogonal tanh networks, and why products of Gaussian matrices cannot transport gradients."""

import functools as ft
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Int
from matplotlib.figure import Figure as Canvas

from .._cite import cite
from .._types import PRNGKey
from ..config import Saxe2014Chaos
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent


def _orthogonal(key: PRNGKey, width: int) -> Float[Array, "out in"]:
    """A random orthogonal matrix (uniform: the signs of R's diagonal are taken out)."""
    q, r = jnp.linalg.qr(jr.normal(key, (width, width)))
    return q * jnp.sign(jnp.diagonal(r))


@ft.partial(jax.jit, static_argnames=("width", "layers"))
def propagate(
    key: PRNGKey, gain: Float[Array, ""], width: int, layers: int, linear: Bool[Array, ""] | bool = False
) -> tuple[Float[Array, " layer"], Float[Array, " unit"]]:
    r"""Activity and Jacobian of $x^{l+1} = \phi(g\, Q_l x^l)$ with random orthogonal $Q_l$ from $x^0 \sim N(0, I)$.

    Args:
        key: of weights and input.
        gain: $g$.
        width: units.
        layers: layers.
        linear: $\phi$ is the identity instead of tanh.

    Returns:
        The activity $q^l = \lVert x^l \rVert^2 / N$ in every layer, and the singular values of the end-to-end Jacobian.
    """

    def layer(carry: tuple, key: PRNGKey) -> tuple[tuple, Array]:
        x, jacobian = carry
        weights = gain * _orthogonal(key, width)
        pre = weights @ x
        x = jnp.where(linear, pre, jnp.tanh(pre))
        slope = jnp.where(linear, 1, 1 - x**2)
        return (x, slope[:, None] * (weights @ jacobian)), jnp.mean(x**2)

    start, rest = jr.split(key)
    carry = (jr.normal(start, (width,)), jnp.eye(width))
    (_, jacobian), activity = jax.lax.scan(layer, carry, jr.split(rest, layers))
    return activity, jnp.linalg.svd(jacobian, compute_uv=False)


@ft.partial(jax.jit, static_argnames=("width",))
def gaussian_product(
    key: PRNGKey, width: int, factors: Int[Array, ""] | int
) -> tuple[Float[Array, " unit"], Float[Array, ""]]:
    """Singular values of a product of Gaussian matrices of variance 1 / N, and their kurtosis."""

    def multiply(index: Array, product: Array) -> Array:
        return jr.normal(jr.fold_in(key, index), (width, width)) / jnp.sqrt(width) @ product

    product = jax.lax.fori_loop(0, factors, multiply, jnp.eye(width))
    values = jnp.linalg.svd(product, compute_uv=False)
    centred = values - jnp.mean(values)
    return values, jnp.mean(centred**4) / jnp.mean(centred**2) ** 2


#: All gains share the orthogonal matrices of a seed, which are most of the work.
_propagate = jax.jit(
    jax.vmap(jax.vmap(propagate, (None, 0, None, None, 0)), (0, None, None, None, None)), static_argnums=(2, 3)
)
_products = jax.jit(jax.vmap(gaussian_product, (0, None, None)), static_argnums=(1,))


@cite("saxe2014exact")
def saxe2014_chaos(config: Saxe2014Chaos, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Orthogonal tanh networks are at the edge of chaos at gain 1; products of Gaussian matrices are highly kurtotic.

    Departs from the paper in the order of weights and nonlinearity only, which shifts activity by one layer.
    """
    keys = jr.split(key, config.seeds)
    gains = np.asarray(sorted({*config.gains, 0.9, 1.0, 1.1}))
    progress("propagating activity and gradients at each gain")
    linear = np.arange(len(gains) + 1) == len(gains)  # the last network
    settings = jnp.asarray([*gains, 1.0]), config.width, config.layers, jnp.asarray(linear)
    found = jax.tree.map(np.asarray, _propagate(keys, *settings))  # "seed gain ..."
    activity = np.median(found[0][:, :-1], axis=0)
    singular, isometry = np.moveaxis(found[1][:, :-1], 0, 1), found[1][:, -1]
    progress("multiplying Gaussian matrices")
    factors = sorted({*config.factors, 1})
    products = [
        _products(jr.split(jr.fold_in(key, num), config.seeds), config.width, jnp.asarray(num)) for num in factors
    ]
    kurtosis = np.array([float(np.median(k)) for _, k in products])
    small = np.array([float(np.mean(np.asarray(v) < 0.05)) for v, _ in products])

    at = {round(float(g), 6): i for i, g in enumerate(gains)}
    below, edge, above = (at[g] for g in (0.9, 1.0, 1.1))
    order_one = np.mean((singular > 0.1) & (singular < 10), axis=(1, 2))
    # Below the edge activity shrinks by g a layer; at the edge only as a power law, q ~ 1 / (2 l) for tanh.
    decay = 0.9 ** (2 * config.layers)
    claims = (
        Claim("Below the edge (gain 0.9) activity dies exponentially: its share left is at most g^(2 layers)", decay,
              float(activity[below, -1]), 0.0, "at most"),
        Claim("At the edge (gain 1) activity decays as 1 / (2 layers), the power law of tanh", 1.0,
              float(activity[edge, -1] * 2 * config.layers), 0.25),
        Claim("Above the edge (gain 1.1) activity stays: its ratio over the last half of the layers is 1", 1.0,
              float(activity[above, -1] / activity[above, config.layers // 2]), 0.1),
        Claim("At the edge at least a tenth of the Jacobian's singular values stay within 0.1 and 10", 0.1,
              float(order_one[edge]), 0.0, "at least"),
        Claim("Below the edge no singular value of the Jacobian does", 0.0,
              float(order_one[below]), 0.01, control=True),
        Claim("Gain 1.1 is more benign than gain 0.9: its median singular value is at least 10 times larger", 10.0,
              float(np.median(singular[above]) / np.median(singular[below])), 0.0, "at least"),
        Claim(f"A product of {factors[-1]} Gaussian matrices has singular values of a kurtosis of 10 or more", 10.0,
              float(kurtosis[-1]), 0.0, "at least"),
        Claim(f"A product of {factors[-1]} Gaussian matrices has more than half of its singular values below 0.05", 0.5,
              float(small[-1]), 0.0, "at least"),
        Claim(f"A product of {config.layers} orthogonal matrices keeps all singular values at 1", 0.0,
              float(np.max(np.abs(isometry - 1))), 1e-4, control=True),
        Claim("A single Gaussian matrix is not kurtotic: at most 3", 3.0,
              float(kurtosis[0]), 0.0, "at most", control=True),
    )  # fmt: skip
    data = {
        "activity": (("gain", "layer"), activity),
        "jacobian_singular_values": (("gain", "seed", "unit"), singular),
        "kurtosis": (("factors",), kurtosis),
    }
    coords = {"gain": gains, "layer": np.arange(1, config.layers + 1), "factors": factors}
    figures = (
        draw("edge_of_chaos", "Activity through the layers (left) and the singular values of the end-to-end Jacobian "
             "(right): only at gain 1 and slightly above do signals and gradients both arrive.",
             lambda canvas: _plot_edge(canvas, gains, activity, singular)),
        draw("kurtosis", "Singular values of products of Gaussian matrices: the more factors, the more mass at zero "
             "and in the tail, while products of orthogonal matrices keep every singular value at 1.",
             lambda canvas: _plot_products(canvas, factors, [np.asarray(v) for v, _ in products])),
    )  # fmt: skip
    return Findings(claims, figures, {"chaos": xr.Dataset(data, coords)})


def _plot_edge(canvas: Canvas, gains: np.ndarray, activity: np.ndarray, singular: np.ndarray) -> None:
    left, right = canvas.subplots(1, 2)
    layers = np.arange(1, activity.shape[1] + 1)
    bins = np.linspace(-8, 1.5, 60)
    for gain, colour, curve, values in zip(gains, COLOURS * 3, activity, singular, strict=False):
        left.plot(layers, curve, color=colour, label=f"gain {gain:g}")
        logs = np.log10(np.maximum(values.ravel(), 10 ** bins[0]))
        right.hist(logs, bins=bins, histtype="step", color=colour, density=True, linewidth=1.4)
    reference = layers[layers > 5]
    left.plot(reference, 1 / (2 * reference), color="black", linestyle=":", label="1 / (2 layer)")
    left.set(yscale="log", ylim=(1e-8, 2), xlabel="layer", ylabel="activity $q^l$ (mean square)")
    left.legend(loc="lower left")
    right.set(xlabel="log10 of the Jacobian's singular values", ylabel="density")


def _plot_products(canvas: Canvas, factors: list[int], values: list[np.ndarray]) -> None:
    axes = canvas.subplots()
    for num, colour, each in zip(factors, COLOURS * 3, values, strict=False):
        ordered = np.sort(each.ravel())
        label = "1 matrix" if num == 1 else f"{num} matrices"
        axes.plot(ordered, np.linspace(0, 1, ordered.size), color=colour, label=label)
    axes.axvline(1, color="black", linestyle=":", label="orthogonal, any number")
    axes.set(xscale="log", xlim=(1e-6, None), ylim=(0, 1.02))
    axes.set(xlabel="singular value", ylabel="share of singular values below")
    canvas.legend(loc="outside right center")
