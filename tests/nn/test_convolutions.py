"""Convolutional networks against loops over places and taps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import nn
from tests.tolerances import assert_close


def correlate(image, filters, circular):
    """`"before *space"` and `"after before *size"` to `"after *place"`, one product at a time."""
    space, size = image.shape[1:], filters.shape[2:]
    place = space if circular else tuple(p - s + 1 for p, s in zip(space, size))
    found = np.zeros((filters.shape[0], *place))
    for j in np.ndindex(*place):
        for m in np.ndindex(*size):
            pixel = tuple((a + b) % s for a, b, s in zip(j, m, space))
            found[(slice(None), *j)] += filters[(slice(None), slice(None), *m)] @ image[(slice(None), *pixel)]
    return found


CASES = [
    ((6,), (6,), True),
    ((7,), (3,), False),
    ((4, 5), (2, 3), True),
    ((5, 4), (2, 3), False),
    ((6, 7), (6, 6), True),
]


@pytest.mark.parametrize(("space", "size", "circular"), CASES)
def test_linear_cnn_reads_every_place_with_the_same_filters(space, size, circular):
    rng = np.random.default_rng(0)
    place = space if circular else tuple(p - s + 1 for p, s in zip(space, size))
    filters, readout = rng.normal(size=(2, *size)), rng.normal(size=(3, 2, *place))
    net = nn.LinearCNN(filters, readout, circular)
    assert net.space == space
    x = rng.normal(size=int(np.prod(space)))
    hidden = correlate(x.reshape(1, *space), filters[:, None], circular)
    expected = readout.reshape(3, -1) @ hidden.ravel()
    assert_close(net(jnp.asarray(x)), expected, "exact")
    assert_close(net.end_to_end() @ x, expected, "exact")


@pytest.mark.parametrize(("space", "size", "circular"), CASES)
def test_cnn_is_layers_of_correlations(space, size, circular):
    rng = np.random.default_rng(1)
    channels = (2,) if max(size) > 3 or not circular else (2, 3)
    net = nn.CNN(space, channels, size, 3, jax.nn.relu, circular=circular, key=jax.random.key(0))
    net = jax.tree.map(lambda leaf: leaf if callable(leaf) else jnp.asarray(rng.normal(size=leaf.shape)), net)
    x = rng.normal(size=int(np.prod(space)))
    hidden = x.reshape(1, *space)
    for filters, bias in zip(net.filters, net.biases):
        hidden = correlate(hidden, np.asarray(filters), circular) + np.asarray(bias).reshape(-1, *[1] * len(space))
        hidden = np.maximum(hidden, 0)
    expected = np.asarray(net.output_weights) @ hidden.ravel() + np.asarray(net.biases[-1])
    assert_close(net(jnp.asarray(x)), expected, "exact")


def test_cnn_of_the_identity_is_linear_cnn():
    net = nn.CNN((5, 5), (3,), (2, 2), 2, lambda x: x, use_bias=False, key=jax.random.key(1))
    linear = nn.LinearCNN(net.filters[0][:, 0], net.output_weights.reshape(2, 3, 4, 4), circular=False)
    x = jnp.asarray(np.random.default_rng(2).normal(size=25))
    assert_close(net(x), linear(x), "exact")


def test_shapes_that_do_not_fit_are_refused():
    key = jax.random.key(0)
    for filters, readout in [((2, 3), (1, 3, 5)), ((2, 3), (1, 2, 5, 5)), ((2, 6), (1, 2, 5))]:
        with pytest.raises(ValueError, match="LinearCNN needs filters of shape"):
            nn.LinearCNN(jnp.ones(filters), jnp.ones(readout))
    for space, channels, size in [((4, 4), (2, 2), (3, 3)), ((4,), (2,), (5,)), ((4,), (), (2,)), ((4, 4), (2,), (2,))]:
        with pytest.raises(ValueError, match="CNN needs"):
            nn.CNN(space, channels, size, 3, key=key)
