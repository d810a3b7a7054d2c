"""Spectra and norms against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import analyse, nn
from tests.tolerances import assert_close


def test_singular_values_of_linear_networks(key):
    deep, rnn = (nn.fan_in()(kind, (4, 5, 3), key=key) for kind in (nn.DeepLinear, nn.LinearRNN))
    first, last = (np.asarray(w) for w in deep.weights)
    assert_close(analyse.singular_values(deep), np.linalg.svd(last @ first, compute_uv=False), "exact")
    lag_0 = np.asarray(rnn.output_weights) @ np.asarray(rnn.input_weights)
    assert_close(analyse.singular_values(rnn), np.linalg.svd(lag_0, compute_uv=False), "exact")
    for found, weight in zip(analyse.weight_singular_values(rnn), nn.chained_weights(rnn), strict=True):
        assert_close(found, np.linalg.svd(np.asarray(weight), compute_uv=False), "exact")
    with pytest.raises(ValueError, match="best_linear_map"):
        analyse.singular_values(nn.MLP((3, 4, 2), key=key))


def test_recurrent_eigenvalues_are_real_numbers_in_order():
    angle, values = 0.7, np.array([0.5, -1.5])
    rotation = 0.9 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    blocks = np.block([[rotation, np.zeros((2, 2))], [np.zeros((2, 2)), np.diag(values)]])
    basis = np.random.default_rng(0).normal(size=(4, 4))
    net = nn.LinearRNN(jnp.ones((4, 1)), basis @ blocks @ np.linalg.inv(basis), jnp.ones((1, 4)))
    real, imaginary = 0.9 * np.cos(angle), 0.9 * np.sin(angle)
    expected = [[-1.5, 0], [real, imaginary], [real, -imaginary], [0.5, 0]]
    assert_close(jax.jit(analyse.recurrent_eigenvalues)(net), expected, "closed_form")


def test_recurrent_eigenvalues_need_one_recurrent_matrix(key):
    with pytest.raises(ValueError, match="VanillaRNN"):
        analyse.recurrent_eigenvalues(nn.GRU((2, 3, 1), key=key))


def test_weight_norms_and_their_names(key):
    net = nn.MLP((3, 4, 2), key=key)
    assert analyse.weight_names(net) == ("weights[0]", "weights[1]", "biases[0]", "biases[1]")
    expected = [np.linalg.norm(array) for array in (*net.weights, *net.biases)]
    assert_close(analyse.weight_norms(net), expected, "exact")
    rnn = nn.small(1.0)(nn.LinearRNN, (3, 4, 2), key=key)
    assert analyse.weight_names(rnn) == ("input_weights", "recurrent_weights", "output_weights")
