"""The numerics of the study of timescales and curricula, against loops and closed forms, and one small run of it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies
from linnet.studies import _timescale_curricula as curricula, _timescale_probes as probes
from linnet.studies._leaky_batch import leaky_states
from tests.compilations import count_compilations
from tests.tolerances import assert_close

NAME = "khajehabdollahi2024-timescales"


def by_hand(weights, taus, *, entry=1.0):
    """A network of positive units without biases, in whose first unit the bits enter."""
    size = len(taus)
    network = jax.tree_util.tree_map(
        lambda leaf: jnp.zeros_like(leaf) if eqx.is_array(leaf) else leaf, nn.LeakyRNN((1, size, 1), key=jr.key(0))
    )
    values = jnp.zeros((size, 1)).at[0].set(entry), jnp.asarray(weights, float), jnp.asarray(taus, float)
    return eqx.tree_at(lambda n: (n.input_weights, n.recurrent_weights, n.raw_timescales), network, values)


def test_fast_gradients_are_those_of_the_network(keys):
    network = nn.LeakyRNN((1, 6, 3), longest=4.0, key=keys())
    network = eqx.tree_at(lambda n: n.raw_timescales, network, network.raw_timescales.at[0].set(0.5))
    xs, start = jr.normal(keys(), (9, 4, 1)), jr.uniform(keys(), (4, 6))
    weights = jr.normal(keys(), (9, 4, 3))

    def fast(network):
        return jnp.sum(weights * jnp.tanh(network.read(leaky_states(network, xs, start))))

    def plain(network):
        ys = jax.vmap(lambda x, h: network(x, h)[0], (1, 0), 1)(xs, start)
        return jnp.sum(weights * jnp.tanh(ys))

    (value, found), (expected, slow) = (eqx.filter_value_and_grad(f)(network) for f in (fast, plain))
    assert_close(value, expected, "exact")
    for got, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(slow), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)
    moved = jax.grad(lambda start: jnp.sum(leaky_states(network, xs, start) ** 2))(start)
    loop = jax.grad(lambda start: sum(jnp.sum(s**2) for s in _states(network, xs, start)))(start)
    np.testing.assert_allclose(moved, loop, rtol=1e-10, atol=1e-12)


def _states(network, xs, start):
    found = []
    for x in xs:
        start = jax.vmap(lambda h, x: network.step(h, x)[0])(start, x)
        found.append(start)
    return found


def test_lengths_that_count():
    settings = config.load(NAME, "quick", largest=8, stretch=1.5)
    for window in range(2, 9):
        lengths = 1 + np.flatnonzero(curricula.counted_steps(settings, jnp.asarray(window)))
        assert lengths.tolist() == list(range(window + 2, window + 2 + int(1.5 * window) + 1))
    assert curricula.num_steps(settings) == lengths[-1]


def test_values_at_which_each_number_was_solved():
    solved = np.array([[1, 1], [2, 1], [2, 2], [4, 2]])
    trained = curricula.Trained(np.array([[0, 0, 0], [0, 1, 0]]), solved, *[np.zeros(1)] * 3, {})
    values = np.arange(8.0).reshape(4, 2)
    expected = [[2.0, 6.0, 6.0, np.nan], [5.0, np.nan, np.nan, np.nan]]
    np.testing.assert_array_equal(trained.when_solved(values, 5), expected)


def test_a_little_training_moves_on_and_its_networks_are_right():
    """One compiled program whatever N is; what is called solved is, in a loop of NumPy over other bits."""
    settings = config.load(NAME, "quick", largest=4, units=24, seeds=1, interval=100, intervals=9, test=64)
    curricula.train(settings, key=jr.key(0), progress=str)
    with count_compilations() as compiled:
        trained = curricula.train(settings, key=jr.key(1), progress=str)
    assert not compiled
    with_curriculum = np.concatenate([trained.members(task, kind) for task in (0, 1) for kind in (0, 1)])
    assert np.all(np.diff(trained.solved, axis=0) >= 0) and trained.solved[-1, with_curriculum].min() >= 3
    bits = np.random.default_rng(0).integers(0, 2, 2000)
    seen = 0
    for (member, window), network in trained.networks.items():
        task, curriculum, _ = trained.places[member]
        head = window - 2 if curriculum == 0 else 0
        outputs = np.asarray(network(jnp.asarray(bits[:, None], jnp.float32))[0])[:, head]
        for step in range(20, 2000):
            last = bits[step - window + 1 : step + 1]
            wanted = last.sum() % 2 if task == 0 else last[0] == last[-1]
            seen += (outputs[step] > 0) == wanted
        assert probes.accuracy(network, int(task), window, head, key=jr.key(3)) > 0.95
        assert probes.readable(network, int(task), 4, key=jr.key(4))[window - 2] > 0.95
    assert seen / (1980 * len(trained.networks)) > 0.97


def test_a_unit_alone_has_its_timescale_in_echo_and_activity():
    tau = 5.0
    network = by_hand(np.zeros((1, 1)), [tau])
    decay = 1 - 1 / tau
    echo = probes.echo(network, lags=80, key=jr.key(0))
    np.testing.assert_allclose(echo, decay ** np.arange(80), rtol=1e-6)
    for drawn in (False, True):
        found = probes.activity_timescale(network, drawn=drawn, streams=16, steps=8000, max_lag=20, key=jr.key(1))
        np.testing.assert_allclose(found, -1 / np.log(decay), rtol=0.08)


def test_a_chain_echoes_as_long_as_it_is_though_no_unit_remembers():
    chain = by_hand(np.eye(7, k=-1), np.ones(7))
    np.testing.assert_allclose(probes.echo(chain, lags=12, key=jr.key(0)), [1.0] * 7 + [0.0] * 5, atol=1e-12)
    slow = by_hand(np.eye(7, k=-1), np.full(7, 3.0))
    bare = probes.without_own_memory(slow)
    np.testing.assert_array_equal(bare.unit_timescales, np.ones(7))
    fading = [3.0**-t for t in range(7)] + [0.0] * 5
    np.testing.assert_allclose(probes.echo(bare, lags=12, key=jr.key(0)), fading, atol=1e-12)
    assert_close(bare.transition(), slow.transition() - 2 / 3 * jnp.eye(7), "exact")
    white = probes.activity_timescale(chain, drawn=False, streams=8, steps=4000, max_lag=20, key=jr.key(1))
    assert white < 0.5, "Delayed white noise is white."


@pytest.mark.slow
def test_a_small_study_holds():
    found = studies.STUDIES[NAME](config.load(NAME, "quick"), key=jr.key(0))
    assert found.hold, [claim for claim in found.claims if not claim.holds]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"largest": 2}, "--largest must be at least 3"),
        ({"solved": 0.5}, "--solved needs an accuracy between 0.5 and 1"),
        ({"momentum": 1.0}, "--momentum needs a number from 0"),
        ({"max_lag": 5000}, "--probe-steps needs more than --max-lag 5000"),
        ({"clip": 0.0}, "--clip must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load(NAME, "quick", **settings)
