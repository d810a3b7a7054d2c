"""What a trained network remembers, and for how long: its activity, an echo of one bit, what can be read from it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from .. import analyse, nn
from .._cite import cite
from .._types import PRNGKey
from ._timescale_curricula import label_of

#: Steps before anything is measured.
_TRANSIENT = 200


@eqx.filter_jit
def states_of(network: nn.LeakyRNN, bits: Int[Array, "stream step"]) -> Float[Array, "stream step unit"]:
    """The activity of a network along streams of bits."""
    size = network.hidden_size
    dtype = network.recurrent_weights.dtype
    seen = eqx.tree_at(
        lambda n: (n.output_weights, n.output_bias), network, (jnp.eye(size, dtype=dtype), jnp.zeros(size, dtype))
    )
    return jax.vmap(lambda x: seen(x[:, None].astype(dtype))[0])(bits)


@cite("khajehabdollahi2024emergent")
def activity_timescale(
    network: nn.LeakyRNN, *, drawn: bool, streams: int, steps: int, max_lag: int, key: PRNGKey
) -> float:
    r"""The mean over units of $\tau_\mathrm{net}$, from the autocorrelation of each while bits drive the network.

    Args:
        network: the network.
        drawn: whether each stream has a probability of ones of its own, uniform from 0 to 1, as in the paper, or bits
            are fair, as those that were learned.
        streams: how many.
        steps: of each.
        max_lag: the largest lag of the fits.
        key: of the bits.
    """
    share_key, bit_key = jr.split(key)
    share = jr.uniform(share_key, (streams, 1)) if drawn else 0.5
    bits = jr.bernoulli(bit_key, share, (streams, steps + _TRANSIENT)).astype(jnp.int32)
    states = states_of(network, bits)[:, _TRANSIENT:]
    moving = np.flatnonzero(np.asarray(jnp.std(states, axis=(0, 1))) > 1e-6)
    if not len(moving) or not bool(jnp.all(jnp.isfinite(states))):
        return np.nan
    found, _, _ = analyse.activity_timescales(jnp.moveaxis(states[..., moving], 2, 0), max_lag=max_lag)
    return float(np.mean(found))


def echo(network: nn.LeakyRNN, *, lags: int, key: PRNGKey, streams: int = 64) -> np.ndarray:
    """How far apart, at each lag, two runs of a network are whose inputs differ in one bit, over their largest."""
    bits = jr.bernoulli(key, 0.5, (streams, _TRANSIENT + lags)).astype(jnp.int32)
    other = bits.at[:, _TRANSIENT].set(1 - bits[:, _TRANSIENT])
    gap = states_of(network, bits) - states_of(network, other)
    size = np.asarray(jnp.sqrt(jnp.mean(jnp.sum(gap**2, axis=2), axis=0)), float)[_TRANSIENT:]
    return size / size.max()


def readable(
    network: nn.LeakyRNN, task: int, largest: int, *, key: PRNGKey, steps: int = 4000
) -> Float[np.ndarray, " window"]:
    """At each N from 2, the accuracy of a readout that is fitted anew by least squares on bits, on other bits."""
    bits = jr.bernoulli(key, 0.5, (2, steps + 2 * largest)).astype(jnp.int32)
    states = np.asarray(states_of(network, bits), float)[:, 2 * largest :]
    labels = [
        jax.vmap(label_of, (None, 0, None))(jnp.asarray(task), bits, jnp.asarray(n)) for n in range(2, largest + 1)
    ]
    labels = np.stack([np.asarray(part) for part in labels], axis=2)[:, 2 * largest :]
    features = np.concatenate([states, np.ones((*states.shape[:2], 1))], axis=2)
    weights = np.linalg.lstsq(features[0], 2.0 * labels[0] - 1, rcond=1e-8)[0]
    return np.mean((features[1] @ weights > 0) == (labels[1] == 1), axis=0)


def accuracy(network: nn.LeakyRNN, task: int, window: int, head: int, *, key: PRNGKey, steps: int = 4000) -> float:
    """That of one of the network's own readouts."""
    bits = jr.bernoulli(key, 0.5, (1, steps)).astype(jnp.int32)
    said = states_of(network, bits)[0] @ network.output_weights[head] + network.output_bias[head]
    right = (said > 0) == (label_of(jnp.asarray(task), bits[0], jnp.asarray(window)) == 1)
    return float(jnp.mean(right[2 * window :]))


def without_own_memory(network: nn.LeakyRNN) -> nn.LeakyRNN:
    r"""The network without its leak $1 - 1 / \tau$: a unit forgets at once, and what enters it is what it was."""
    rates = 1 / network.unit_timescales
    return eqx.tree_at(
        lambda n: (n.recurrent_weights, n.input_weights, n.hidden_bias, n.raw_timescales),
        network,
        (
            network.recurrent_weights * rates[:, None],
            network.input_weights * rates[:, None],
            network.hidden_bias * rates,
            jnp.ones_like(rates),
        ),
    )
