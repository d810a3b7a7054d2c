"""Timescales against the closed forms of linear networks, whose autocorrelations are sums of exponentials."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import analyse, nn
from tests.compilations import count_compilations
from tests.tolerances import assert_close


def linear(weights):
    size = len(weights)
    return nn.LinearRNN(np.eye(size), np.asarray(weights, float), np.ones((1, size)))


def test_units_that_are_alone_have_their_own_timescale(keys):
    """First-order autoregression: the autocorrelation of each unit is $a^k$."""
    decay = np.array([0.5, 0.95])
    found = analyse.timescales(linear(np.diag(decay)), inputs=jnp.zeros(2), key=keys(), num_trials=8)
    expected = -1 / np.log(decay)
    assert_close(found.single_neuron, expected, "closed_form")
    # The relative scatter is about the root of 2 timescales over 160,000 steps.
    np.testing.assert_allclose(found.network_mediated, expected, rtol=5 * np.sqrt(2 * 20 / 160_000))
    assert_close(found.modes, expected[::-1], "closed_form")
    np.testing.assert_allclose(found.correlations[:, :20], decay[:, None] ** np.arange(20), atol=0.05)


def test_the_network_gives_its_units_the_timescale_of_its_slow_mode(keys):
    """Two units that excite each other: eigenvalues 0.3 + 0.65 and 0.3 - 0.65, in equal parts in each unit."""
    found = analyse.timescales(linear([[0.3, 0.65], [0.65, 0.3]]), inputs=jnp.zeros(2), key=keys(), num_trials=8)
    slow = -1 / np.log(0.95)
    assert_close(found.single_neuron, [-1 / np.log(0.3)] * 2, "closed_form")
    np.testing.assert_allclose(found.network_mediated, [slow] * 2, rtol=0.12)
    assert_close(np.sort(found.eigenvalues.real), [-0.35, 0.95], "closed_form")
    lags = np.arange(30)
    shares = np.array([1 / (1 - 0.95**2), 1 / (1 - 0.35**2)])
    expected = (shares[0] * 0.95**lags + shares[1] * (-0.35) ** lags) / shares.sum()
    np.testing.assert_allclose(found.correlations[:, :30], [expected] * 2, atol=0.05)


def test_a_network_that_knows_its_units_is_believed(keys):
    class Known(nn.AbstractRecurrent):
        taus: jnp.ndarray

        @property
        def unit_timescales(self):
            return self.taus

        def init_state(self):
            return jnp.zeros(2)

        def step(self, state, x):
            state = (1 - 1 / self.taus) * state + x / self.taus
            return state, state

        def __call__(self, xs, state=None):
            raise NotImplementedError

    taus = jnp.array([2.0, 10.0])
    found = analyse.timescales(Known(taus), inputs=jnp.zeros(2), key=keys(), dt=1.0, num_steps=5000)
    np.testing.assert_array_equal(found.single_neuron, taus)
    assert_close(np.sort(found.modes), -1 / np.log(1 - 1 / np.asarray(taus)), "closed_form")


def test_units_of_time_and_dead_units(keys):
    weights = np.diag([0.9, 0.5])
    network = nn.LinearRNN(np.diag([1.0, 0.0]), weights, np.ones((1, 2)))
    found = analyse.timescales(network, inputs=jnp.zeros(2), key=keys(), dt=0.1, num_trials=8)
    np.testing.assert_allclose(found.network_mediated[0], -0.1 / np.log(0.9), rtol=0.1)
    assert np.isnan(found.network_mediated[1])
    assert_close(found.modes, -0.1 / np.log([0.9, 0.5]), "closed_form")


@pytest.mark.slow
def test_gated_networks_and_the_state_at_rest(keys):
    network, x = nn.LSTM((2, 2, 1), key=keys()), jnp.array([0.5, 0.0])
    found = analyse.timescales(network, inputs=x, key=keys(), noise=0.5, num_steps=1000, num_trials=2)
    assert found.network_mediated.shape == (4,) and np.all(found.network_mediated > 0)
    exact = analyse.fixed_points(network, found.rest[None], inputs=x)
    np.testing.assert_allclose(found.rest, exact.points[0], atol=1e-8)
    np.testing.assert_allclose(np.abs(found.eigenvalues), np.abs(exact.eigenvalues[0]), atol=1e-6)


def test_eigenvalues_in_continuous_time():
    rates, dt = np.array([-0.5 + 2j, -3.0, 0.2 - 1j, 0.0]), 0.1
    sampled, stepped = np.exp(rates * dt), (1 + rates * dt / 2) / (1 - rates * dt / 2)
    assert_close(analyse.continuous_eigenvalues(sampled, dt=dt), rates, "closed_form")
    assert_close(analyse.continuous_eigenvalues(stepped, dt=dt, method="moebius"), rates, "closed_form")
    assert_close(analyse.continuous_eigenvalues(rates, method="flow"), rates, "exact")
    expected = [2.0, 1 / 3, -5.0, -np.inf]
    assert_close(np.abs(analyse.mode_timescales(sampled, dt=dt)), np.abs(expected), "closed_form")
    assert_close(analyse.mode_timescales([0.5, -0.5, 0.5j]), [1 / np.log(2)] * 3, "closed_form")
    assert analyse.mode_timescales([0.0])[0] == 0.0
    with pytest.raises(ValueError, match="'moebius'.*'euler'"):
        analyse.continuous_eigenvalues(rates, method="euler")


def test_second_call_compiles_nothing(keys):
    networks = [nn.GRU((1, 4, 1), key=keys()) for _ in range(2)]
    options = {"inputs": jnp.zeros(1), "num_steps": 500, "max_lag": 20}
    analyse.timescales(networks[0], key=keys(), **options)
    seed = keys()
    with count_compilations() as compiled:
        analyse.timescales(networks[1], key=seed, **options)
    assert not compiled, compiled


def test_what_cannot_be_is_refused_with_a_sentence():
    network, key = linear(np.diag([0.5, 1.5])), jr.key(0)
    for options, words in (({"noise": 0.0}, "positive"), ({"max_lag": 3}, "5 <= max_lag"), ({}, "leaves every bound")):
        with pytest.raises(ValueError, match=words):
            analyse.timescales(network, inputs=jnp.zeros(2), key=key, **options)
    assert eqx.is_array(network.recurrent_weights)
