"""Forecasts by ridge regression, of many series at once: polynomials of delayed points, and echo states."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from .. import nn
from .._types import PRNGKey

#: First points that only warm up a reservoir, and points whose products are summed in one go.
WASHOUT, BLOCK = 100, 100


def ridge_weights(
    gram: Float[Array, "feature feature"], moment: Float[Array, "feature out"], ridges: Float[Array, " ridge"]
) -> Float[Array, "ridge out feature"]:
    r"""$W = (G + \lambda I)^{-1} F$ for every $\lambda$, by Cholesky; NaN where $G + \lambda I$ is singular."""
    eye = jnp.eye(gram.shape[0], dtype=gram.dtype)

    def one(ridge):
        return jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(gram + ridge * eye), True), moment).T

    return jax.vmap(one)(ridges)


@eqx.filter_jit
def polynomial_forecasts(
    series: Float[Array, "series time out"],
    ridges: Float[Array, "series ridge"],
    *,
    num_delays: int,
    degree: int,
    stride: int = 1,
    lengths: Sequence[int],
    num: int,
    values: bool = False,
) -> Float[Array, "series length ridge step out"]:
    """Forecasts of many series by `nn.NextGenerationReservoir`, fitted to the first points of each.

    Args:
        series: all of one width.
        ridges: of each series, all of which are tried.
        num_delays: delayed points.
        degree: the highest degree of their monomials.
        stride: points between two of them.
        lengths: how many first points are learned; each is tried.
        num: the points that are forecast after those.
        values: whether the ridge draws towards zero rather than towards the last point.
    """
    model = nn.NextGenerationReservoir(series.shape[-1], num_delays, degree, stride=stride, dtype=series.dtype)
    size, none = model.out_size, jnp.zeros(0, series.dtype)

    def run(weights, state):
        fitted = model.with_readout(weights)
        return jax.lax.scan(lambda s, _: fitted.step(s, none), state, length=num)[1]

    def one(pair):
        points, own = pair
        places = jnp.arange(model.window - 1, len(points))[:, None] - jnp.arange(model.window)
        states = points[places].reshape(len(places), -1)
        features = jax.vmap(lambda state: model.features(state, none))(states)
        # The weights of the points themselves: the constant comes first, so that products with it are in this order.
        linear = jnp.zeros((size, features.shape[1]), series.dtype)
        found = []
        for length in lengths:
            known = length - model.window
            seen = features[:known]
            following = points[model.window : length]
            if values:
                weights = ridge_weights(seen.T @ seen, seen.T @ following, own)
                # The model adds what it finds to the last point, which is taken off again here.
                linear = linear.at[:, 1 : 1 + size].set(jnp.eye(size, dtype=series.dtype))
                weights = weights - linear
            else:
                weights = ridge_weights(seen.T @ seen, seen.T @ (following - states[:known, :size]), own)
            found.append(jax.vmap(run, in_axes=(0, None))(weights, states[known]))
        return jnp.stack(found)

    return jax.lax.map(one, (series, ridges), batch_size=16)


class Reservoirs(eqx.Module):
    """One random reservoir that reads many series, in each with settings of its own.

    The product of the common matrix with all states is one product of matrices; an `nn.EchoState` for each setting
    would be many products with vectors.

    Args:
        base: an `nn.EchoState` of spectral radius, input and bias scale 1.
    """

    base: nn.EchoState

    def step(
        self, states: Float[Array, "series hidden"], seen: Float[Array, "series out"], settings: dict[str, Array]
    ) -> Float[Array, "series hidden"]:
        """What `nn.EchoState.absorb` does, for each series with its own `radius`, `leak`, `scale` and `bias`."""
        radius, leak, scale, bias = (settings[key][:, None] for key in ("radius", "leak", "scale", "bias"))
        drive = scale * (seen @ self.base.feedback_weights.T) + bias * self.base.hidden_bias
        return (1 - leak) * states + leak * jnp.tanh(radius * (states @ self.base.recurrent_weights.T) + drive)


def reservoirs(out_size: int, units: int, *, key: PRNGKey) -> Reservoirs:
    """The reservoir that `echo_forecasts` runs."""
    scales: Any = {"spectral_radius": 1.0, "leak": 1.0, "input_scale": 1.0, "bias_scale": 1.0}
    return Reservoirs(nn.EchoState(out_size, units, **scales, key=key))


def sparse_reservoirs(out_size: int, units: int, *, key: PRNGKey) -> Reservoirs:
    """Reservoirs as the published benchmark draws them: a tenth of all connections, a fifth of inputs and biases.

    Inputs and biases are plus or minus 1, so that about half of the units see none of three coordinates.
    """
    own, links, inputs, signs, bias = jr.split(key, 5)
    net = reservoirs(out_size, units, key=own)
    weights = np.asarray(jr.normal(own, (units, units)) * jr.bernoulli(links, 0.1, (units, units)))
    weights = weights / np.abs(np.linalg.eigvals(weights)).max()
    feedback = jr.bernoulli(inputs, 0.2, (units, out_size)) * jr.rademacher(signs, (units, out_size))
    offset = jr.bernoulli(bias, 0.2, (units,)) * jr.rademacher(jr.fold_in(bias, 1), (units,))
    base, dtype = net.base, net.base.recurrent_weights.dtype
    parts = (jnp.asarray(part, dtype) for part in (weights, feedback, offset))
    new = eqx.tree_at(lambda n: (n.recurrent_weights, n.feedback_weights, n.hidden_bias), base, tuple(parts))
    return Reservoirs(new)


@eqx.filter_jit
def echo_forecasts(
    net: Reservoirs,
    series: Float[Array, "series time out"],
    settings: dict[str, Array],
    ridges: Float[Array, "series ridge"],
    *,
    lengths: Sequence[int],
    num: int,
) -> Float[Array, "series length ridge step out"]:
    """Forecasts of many series by echo states, fitted to the first points of each.

    Args:
        net: the reservoir.
        series: all of one width.
        settings: `radius`, `leak`, `scale` and `bias` of each series.
        ridges: of each series, all of which are tried.
        lengths: how many first points are learned, rising multiples of 100; each is tried.
        num: the points that are forecast after those.
    """
    count, _, size = series.shape
    units = net.base.recurrent_weights.shape[0]
    inputs = jnp.swapaxes(series, 0, 1)
    longest = max(lengths)
    blocks = inputs[:longest].reshape(longest // BLOCK, BLOCK, count, size)
    targets = inputs[1 : longest + 1].reshape(longest // BLOCK, BLOCK, count, size)

    def block(carry, now):
        states, gram, moment = carry
        seen, following, weight = now

        def step(states, one):
            states = net.step(states, one, settings)
            return states, states

        states, kept = jax.lax.scan(step, states, seen)
        features = jnp.concatenate([kept, jnp.ones((*kept.shape[:2], 1), kept.dtype)], axis=-1)
        # Series first: then each product is one of matrices. The last point of a length has no known successor in it.
        features, following = jnp.swapaxes(features, 0, 1), jnp.swapaxes(following, 0, 1)
        weighted = jnp.swapaxes(features * weight[:, None], 1, 2)
        return (states, gram + weighted @ features, moment + weighted @ following), None

    carry = (
        jnp.zeros((count, units), series.dtype),
        jnp.zeros((count, units + 1, units + 1), series.dtype),
        jnp.zeros((count, units + 1, size), series.dtype),
    )
    found, begin = [], 0
    for length in lengths:
        places = jnp.arange(begin * BLOCK, length)
        weight = (places >= WASHOUT).astype(series.dtype).at[-1].set(0).reshape(-1, BLOCK)
        window = slice(begin, length // BLOCK)
        carry, _ = jax.lax.scan(block, carry, (blocks[window], targets[window], weight))
        begin = length // BLOCK
        weights = jax.lax.map(lambda parts: ridge_weights(*parts), (carry[1], carry[2], ridges), batch_size=16)
        found.append(_closed_loop(net, carry[0], weights, settings, num))
    return jnp.stack(found, axis=1)


def _closed_loop(net: Reservoirs, states: Array, weights: Array, settings: dict[str, Array], num: int) -> Array:
    """Forecasts from states with each of several readouts, all of them in one batch."""
    count, many = weights.shape[:2]
    flat = weights.reshape(count * many, *weights.shape[2:])
    own = {key: jnp.repeat(value, many) for key, value in settings.items()}
    read = jax.vmap(lambda weights, state: weights[:, :-1] @ state + weights[:, -1])

    def step(states, _):
        expected = read(flat, states)
        return net.step(states, expected, own), expected

    found = jax.lax.scan(step, jnp.repeat(states, many, axis=0), length=num)[1]
    return jnp.moveaxis(found, 0, 1).reshape(count, many, num, -1)
