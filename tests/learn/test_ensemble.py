"""An ensemble against a loop of single simulations, and against itself cut in other ways."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import linnet as ln
from tests.learn import references as ref
from tests.tolerances import assert_close

KEY = jr.key(7)
TS = 0.05 * np.arange(31)


def moments(seed=0):
    """A task that all members share."""
    return ln.tasks.Moments(*ref.random_moments(np.random.default_rng(seed), 3, 2))


def network(key, scale=0.3):
    """A network of two layers."""
    first, second = jr.split(key)
    return ln.nn.DeepLinear((scale * jr.normal(first, (4, 3)), scale * jr.normal(second, (2, 4))))


def test_members_are_single_simulations():
    task, scales, seeds = moments(), np.array([0.1, 0.3]), np.array([5, 1, 9])
    for rule in (ln.learn.Descent(0.05), ln.learn.GradientFlow()):

        def make(key, scale, rule=rule):
            return network(key, scale), task, rule

        found = ln.learn.ensemble(make, TS, {"scale": scales, "seed": seeds}, key=KEY)
        assert found.axes == ("scale", "seed") and found["loss"].shape == (2, 3, 31)
        assert found["mode_strengths"].shape == (2, 3, 31, 2) and found.ts.shape == (31,)
        for i, j in np.ndindex(2, 3):
            one = ln.learn.simulate(*make(jr.fold_in(KEY, int(seeds[j])), scales[i])[:2], TS, rule=rule)
            for name in one.names():
                np.testing.assert_allclose(found[name][i, j], one[name], rtol=1e-8, atol=1e-12)
            assert_close(found.network.weights[0][i, j], one.network.weights[0], "ode")
            assert_close(found.half_times()[i, j], one.half_times(), "ode")
        data = found.to_xarray()
        assert data["mode_strengths"].dims == ("scale", "seed", "time", "mode")
        np.testing.assert_array_equal(data["seed"], seeds)
        assert found.task.xx.shape == (3, 3) and found.rule == rule  # shared, and so without the axes


def test_mini_batches_and_data_of_their_own():
    def make(key, noise):
        data, init = jr.split(key)
        x = jr.normal(data, (12, 3))
        batch = ln.tasks.Batch(x, x[:, :2] + noise * x[:, 1:])
        return network(init), batch, ln.learn.Descent(0.05, batch_size=5)

    found = ln.learn.ensemble(make, TS, {"seed": 3, "noise": [0.0, 1.0]}, key=KEY)
    assert found.task.x.shape == (3, 2, 12, 3)
    for i, j in np.ndindex(3, 2):
        key = jr.fold_in(KEY, i)
        net, task, rule = make(key, [0.0, 1.0][j])
        one = ln.learn.simulate(net, task, TS, rule=rule, key=key)
        assert_close(found["loss"][i, j], one["loss"], "exact")


def test_learning_rates_of_their_own_give_times_of_their_own():
    task, rates, ts = moments(), np.array([0.01, 0.03, 0.07]), np.linspace(0, 1, 6)

    def make(key, rate):
        return network(key), task, ln.learn.Descent(rate)

    found = ln.learn.ensemble(make, ts, {"seed": 2, "rate": rates}, key=KEY, members_per_chunk=4, records_per_chunk=4)
    assert found.ts.shape == (2, 3, 6)
    for i, j in np.ndindex(2, 3):
        one = ln.learn.simulate(network(jr.fold_in(KEY, i)), task, ts, rule=ln.learn.Descent(rates[j]))
        assert_close(found.ts[i, j], one.ts, "exact")
        assert_close(found["loss"][i, j], one["loss"], "exact")
    assert found.rule.learning_rate.shape == (2, 3) and found.to_xarray()["learning_time"].shape == (2, 3, 6)
    assert found.half_times().shape == (2, 3, 2)


def test_chunks_of_members_and_records_change_nothing():
    task = moments()

    def make(key):
        return network(key), task, ln.learn.Descent(0.05)

    whole = ln.learn.ensemble(make, TS, {"seed": 7}, key=KEY, members_per_chunk=7)
    seen = []
    cut = ln.learn.ensemble(
        make,
        TS,
        {"seed": 7},
        key=KEY,
        members_per_chunk=3,
        records_per_chunk=8,
        progress=lambda done, of: seen.append((done, of)),
    )
    small = ln.learn.ensemble(make, TS, {"seed": 7}, key=KEY, memory_limit=1)  # one at a time, or one for each core
    for other in (cut, small):
        assert_close(other["loss"], whole["loss"], "exact")
        assert_close(other.network.weights[1], whole.network.weights[1], "exact")
        assert other.result.shape == (7,) and other["loss"].shape == (7, 31)
    assert seen[-1][0] == seen[-1][1] and [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_one_diverging_member_is_reported_and_ends_no_other():
    task = moments()

    def make(key, rate):
        return network(key), task, ln.learn.Descent(rate)

    found = ln.learn.ensemble(make, np.linspace(0, 300, 4), {"rate": [0.01, 30.0, 0.02]}, key=KEY)
    np.testing.assert_array_equal(found.result, [0, 1, 0])
    assert "diverged" in found.message
    losses = np.asarray(found["loss"])
    assert np.all(np.isfinite(losses[[0, 2]])) and not np.isfinite(losses[1, -1])


def test_what_make_did_not_touch_is_shared_and_not_copied():
    data = ln.tasks.Batch(jnp.ones((50, 3)), jnp.ones((50, 2)))
    frozen = network(KEY)

    def make(key, rate):
        return frozen, data, ln.learn.Descent(rate)

    found = ln.learn.ensemble(make, TS, {"rate": [0.01, 0.02]}, key=KEY)
    assert found.task.x is data.x and found.task.y is data.y
    assert found.network.weights[0].shape == (2, 4, 3)
    # ... and in the compiled program too: no array in it but weights and what is recorded has an axis of members.
    from linnet.learn._axes import make_axes
    from linnet.learn._members import make_members

    keys, values = make_axes({"rate": [0.01, 0.02]}).members(np.arange(2), KEY)
    members = make_members(make, keys, values, jnp.asarray(TS), ln.SquaredError(), (), None)
    varied = {leaf.shape for leaf in jax.tree.leaves(members.program.varied) if eqx.is_array(leaf)}
    assert varied == {(2,)}  # keys and rates


def test_what_cannot_be_is_refused_in_sentences():
    task = moments()

    def make(key, **values):
        return network(key), task, ln.learn.Descent(0.05)

    for axes, sentence in (
        ({"hidden": ["a"]}, "'hidden' needs a 1-d array"),
        ({"seed": 0}, "'seed'.*number of seeds"),
        ({"seed": [-1]}, "integers from 0"),
        ({"x": np.ones((2, 2))}, "1-d array"),
    ):
        with pytest.raises(ValueError, match=sentence):
            ln.learn.ensemble(make, TS, axes, key=KEY)
    with pytest.raises(ValueError, match="members_per_chunk"):
        ln.learn.ensemble(make, TS, {"seed": 2}, key=KEY, members_per_chunk=0)

    def shapes(key, hidden):
        return ln.nn.DeepLinear((jnp.ones((hidden, 3)), jnp.ones((2, hidden)))), task, ln.learn.Descent(0.05)

    def condition(key, scale):
        return network(key, 1.0 if scale > 0.5 else 0.1), task, ln.learn.Descent(0.05)

    for bad in (shapes, condition):
        name = "hidden" if bad is shapes else "scale"
        with pytest.raises(ValueError, match="must be known beforehand.*one ensemble for each"):
            ln.learn.ensemble(bad, TS, {name: np.array([2, 3])}, key=KEY)
    with pytest.raises(ValueError, match=r"must return \(network, task, rule\)"):
        ln.learn.ensemble(lambda key: network(key), TS, {"seed": 2}, key=KEY)


def test_no_axes_are_one_member_and_tasks_may_be_splits():
    data = ln.tasks.Batch(jnp.eye(3), jnp.eye(3)[:, :2])

    def make(key):
        return network(key), ln.tasks.Split(data, data, None), ln.learn.Descent(0.05)

    found = ln.learn.ensemble(make, TS, key=KEY)
    assert found.axes == ("seed",) and found["loss"].shape == (1, 31)
    np.testing.assert_array_equal(found["loss"], found["validation_loss"])
