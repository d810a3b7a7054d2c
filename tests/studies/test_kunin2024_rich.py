"""The numerics under the study of single neurons and ReLU students, against linnet's kernels and brute force."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

from linnet import analyse, config, nn, studies
from linnet.studies._kunin2024_rich import (
    first_passing,
    kernel_distance,
    numpy_kernel,
    patterns_changed,
    potential_slope,
    split,
)


@pytest.mark.parametrize("balance", [-4.0, 0.0, 1.5])
@pytest.mark.parametrize("rates", [(1.0, 1.0), (2.0, 0.5)])
def test_the_split_has_the_size_and_the_balance(balance, rates):
    first, last = split(0.3, balance, rates)
    assert first * last == pytest.approx(0.3)
    assert rates[0] * last**2 - rates[1] * first**2 == pytest.approx(balance, abs=1e-14)


def test_the_slope_of_the_potential_is_its_finite_difference():
    rng = np.random.default_rng(0)
    beta, start, delta = rng.normal(size=3), rng.normal(size=3), -0.7

    def slope(x):
        return 1.5 * np.sqrt(np.sqrt(x**2 + delta**2 / 4) - delta / 2)

    def potential(beta):
        tilt = -slope(np.linalg.norm(start)) * start / np.linalg.norm(start)
        return scipy.integrate.quad(slope, 0, np.linalg.norm(beta), epsabs=1e-13)[0] + tilt @ beta

    steps = 1e-5 * np.eye(3)
    expected = [(potential(beta + step) - potential(beta - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(potential_slope(beta, start, delta), expected, atol=1e-8)


@pytest.mark.parametrize("kinked", [True, False])
def test_kernels_are_those_of_the_networks(kinked):
    rng = np.random.default_rng(1)
    xs, weights, readout = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)), rng.normal(size=4)
    layers = (jnp.asarray(weights), jnp.asarray(readout)[None])
    network = nn.DeepLinear(layers)
    if kinked:
        blank = nn.MLP((3, 4, 1), jax.nn.relu, use_bias=False, dtype=jnp.float64, key=jr.key(0))
        network = eqx.tree_at(lambda net: net.weights, blank, layers)
    expected = np.asarray(analyse.tangent_kernel(network, jnp.asarray(xs))).reshape(6, 6)
    found = numpy_kernel(xs, weights, readout, kinked)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert kernel_distance(found, 3 * found) == pytest.approx(0, abs=1e-14)
    assert kernel_distance(np.diag([1.0, 0.0]), np.diag([0.0, 1.0])) == pytest.approx(1)


def test_patterns_are_counted_by_pairs():
    xs = np.array([[1.0, 0.0], [0.0, 1.0]])
    weights = np.array([[[1.0, -1.0], [1.0, 1.0]], [[-1.0, -1.0], [1.0, 1.0]], [[-1.0, 1.0], [-1.0, -1.0]]])
    np.testing.assert_array_equal(patterns_changed(xs, weights), [0, 0.25, 1])


def test_first_passing():
    ts, curve = np.arange(4.0), np.array([1.0, 0.5, 0.05, 0.01])
    assert first_passing(ts, curve, 0.1) == (2.0, 2)
    assert first_passing(ts, curve, 1e-3) == (np.inf, 3)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("kunin2024-rich", "quick", balances=(-4.0, 0.0, 4.0), seeds=1, students=2)
    found = studies.STUDIES["kunin2024-rich"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"balances": (-1.0, 1.0)}, "--balances needs rising numbers with 0"),
        ({"balances": (0.0, 1.0)}, "--balances needs numbers below and above 0"),
        ({"hidden": 7}, "--hidden must be even"),
        ({"inputs": 2}, "--inputs must be at least 3"),
        ({"rate": 0.0}, "--rate must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("kunin2024-rich", "quick", **settings)
