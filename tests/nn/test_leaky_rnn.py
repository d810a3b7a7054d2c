"""The leaky network against a loop over its units, and what its timescales are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import nn
from tests.tolerances import assert_close


def loop(network, xs, state):
    """Unit by unit, in plain Python."""
    w_x, w_h, w_y = (np.asarray(w) for w in (network.input_weights, network.recurrent_weights, network.output_weights))
    b, c, taus = (np.asarray(v) for v in (network.hidden_bias, network.output_bias, network.raw_timescales))
    outputs = []
    for x in xs:
        new = np.zeros_like(state)
        for i, tau in enumerate(np.maximum(taus, 1)):
            total = w_x[i] @ x + b[i] + sum(w_h[i, j] * state[j] for j in range(len(state)) if j != i)
            z = (1 - 1 / tau) * state[i] + total / tau
            new[i] = z if z > 0 else 0.01 * z
        state = new
        outputs.append(w_y @ state + c)
    return np.stack(outputs), state


def test_steps_and_calls_are_the_loop(key):
    network = nn.LeakyRNN((3, 5, 2), longest=4.0, key=key)
    network = eqx.tree_at(lambda n: n.raw_timescales, network, jnp.array([0.3, 1.0, 1.5, 4.0, 9.0]))
    rng = np.random.default_rng(0)
    xs = rng.normal(size=(9, 3))
    for state in (None, rng.normal(size=5)):
        expected, final = loop(network, xs, np.zeros(5) if state is None else state)
        ys, end = network(jnp.asarray(xs), None if state is None else jnp.asarray(state))
        assert_close(ys, expected, "exact")
        assert_close(end, final, "exact")
        carry = network.init_state() if state is None else jnp.asarray(state)
        for x, y in zip(xs, expected):
            carry, found = network.step(carry, jnp.asarray(x))
            assert_close(found, y, "exact")
        assert_close(carry, final, "exact")


def test_a_unit_alone_decays_by_its_timescale(key):
    """Without input and connections a positive state falls by 1 - 1 / tau a step, and without memory it is gone."""
    network = nn.LeakyRNN((1, 3, 1), key=key)
    network = jax.tree_util.tree_map(lambda leaf: jnp.zeros_like(leaf) if eqx.is_array(leaf) else leaf, network)
    network = eqx.tree_at(lambda n: n.raw_timescales, network, jnp.array([-2.0, 2.0, 10.0]))
    _, final = network(jnp.zeros((4, 1)), jnp.ones(3))
    assert_close(final, np.array([0.0, 0.5, 0.9]) ** 4, "exact")
    np.testing.assert_array_equal(network.unit_timescales, [1.0, 2.0, 10.0])


def test_own_connections_do_nothing_and_timescales_below_one_have_no_gradient(key):
    network = nn.LeakyRNN((2, 6, 1), key=key)
    network = eqx.tree_at(lambda n: n.raw_timescales, network, network.raw_timescales.at[:2].set(0.5))
    xs = jnp.asarray(np.random.default_rng(1).normal(size=(8, 2)))
    gradient = eqx.filter_grad(lambda n: jnp.sum(n(xs)[0] ** 2))(network)
    np.testing.assert_array_equal(np.diagonal(gradient.recurrent_weights), np.zeros(6))
    assert np.count_nonzero(gradient.recurrent_weights) > 20
    np.testing.assert_array_equal(gradient.raw_timescales[:2], [0.0, 0.0])
    step = 1e-6
    for i in range(2, 6):

        def value(change, i=i):
            raw = network.raw_timescales.at[i].add(change)
            return float(jnp.sum(eqx.tree_at(lambda n: n.raw_timescales, network, raw)(xs)[0] ** 2))

        slope = (value(step) - value(-step)) / (2 * step)
        np.testing.assert_allclose(gradient.raw_timescales[i], slope, rtol=1e-5)


def test_first_parameters_are_uniform_within_their_bounds(key):
    network = nn.LeakyRNN((4, 100, 3), shortest=2.0, longest=5.0, key=key)
    for weights, bound in ((network.input_weights, 0.5), (network.recurrent_weights, 0.1)):
        assert np.max(np.abs(weights)) <= bound
        # The standard error of a uniform variable's second moment, b^2 / 3, is sqrt(4 / 45) b^2 / sqrt(n).
        gap = np.mean(np.square(weights)) - bound**2 / 3
        assert abs(gap) < 5 * np.sqrt(4 / 45) * bound**2 / np.sqrt(weights.size)
    taus = np.asarray(network.unit_timescales)
    assert 2 <= taus.min() and taus.max() <= 5 and abs(taus.mean() - 3.5) < 5 * 3 / np.sqrt(12 * 100)
    for settings in ({"shortest": 0.5}, {"shortest": 3.0}, {"longest": np.inf}):
        with pytest.raises(ValueError, match="LeakyRNN needs 1 <= shortest <= longest"):
            nn.LeakyRNN((1, 2, 1), **settings, key=key)
