"""Gradient descent against loops in NumPy with gradients and optimisers written by hand."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
import pytest

import linnet as ln
from tests.learn import references as ref
from tests.tolerances import assert_close


class FirstWeights(ln.learn.AbstractObserver):
    """The first weights of a network at every recording."""

    @property
    def name(self):
        return "first_weights"

    @property
    def dims(self):
        return ("hidden", "in")

    def measure(self, network, *, initial, task, key):
        return network.weights[0]


def problem(seed=0, sizes=(4, 5, 3), scale=0.3):
    """Moments and weights."""
    rng = np.random.default_rng(seed)
    return ref.random_moments(rng, sizes[0], sizes[-1]), ref.random_weights(rng, sizes, scale)


def adam(grad, memory, step, b1=0.9, b2=0.999, eps=1e-8):
    """Adam by hand: the update without sign and rate."""
    m, v = memory
    m, v = b1 * m + (1 - b1) * grad, b2 * v + (1 - b2) * grad**2
    return m / (1 - b1 ** (step + 1)) / (np.sqrt(v / (1 - b2 ** (step + 1))) + eps), (m, v)


def loop(moments, weights, num, rate, update=lambda g, m, k: (g, m), decay=0.0, rates=(1.0, 1.0)):
    """The weights before each of `num` steps and after the last."""
    xx, yx, _ = moments
    memory = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    path = [weights]
    for step in range(num):
        new = []
        for index, (w, g) in enumerate(zip(path[-1], ref.moment_gradients(path[-1], xx, yx))):
            u, memory[index] = update(g, memory[index], step)
            new.append(w - (rate(step) if callable(rate) else rate) * rates[index] * (u + decay * w))
        path.append(new)
    return path


def momentum(grad, memory, step):
    """Heavy ball by hand."""
    trace = grad + 0.9 * memory[0]
    return trace, (trace, memory[1])


RULES = {
    "plain": (ln.learn.Descent(0.05), {}),
    "momentum": (ln.learn.Descent(0.01, optax.trace(0.9)), {"update": momentum}),
    "adam with decay": (
        ln.learn.Descent(0.01, optax.scale_by_adam(), weight_decay=0.1),
        {"update": adam, "decay": 0.1},
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_every_step_is_that_of_a_loop_in_numpy(name):
    moments, weights = problem()
    rule, settings = RULES[name]
    path = loop(moments, weights, 60, rule.learning_rate, **settings)
    ts = rule.learning_rate * np.arange(61)
    found = ln.learn.simulate(ref.deep_linear(weights), ln.tasks.Moments(*moments), ts, rule=rule)
    assert_close(found.ts, ts, "exact")
    assert_close(found["loss"], [ref.moment_loss(w, *moments) for w in path], "exact")
    for mine, theirs in zip(found.network.weights, path[-1]):
        assert_close(mine, theirs, "exact")


def test_any_times_are_snapped_to_steps_and_rates_are_per_leaf():
    moments, weights = problem(1)
    net, task = ref.deep_linear(weights), ln.tasks.Moments(*moments)
    rates = jtu.tree_unflatten(jtu.tree_structure(net), [0.5, 2.0])
    path = loop(moments, weights, 100, 0.03, rates=(0.5, 2.0))
    ts = np.array([0.1, 0.1, 0.44, 1.0, 1.01, 2.2])
    steps = np.array([3, 3, 15, 33, 34, 73])
    for size in (None, 4):
        found = ln.learn.simulate(net, task, ts, rule=ln.learn.Descent(0.03, rates=rates), records_per_chunk=size)
        assert_close(found.ts, 0.03 * steps, "exact")
        assert_close(found["loss"], [ref.moment_loss(path[k], *moments) for k in steps], "exact")
        assert_close(found.network.weights[0], path[73][0], "exact")


def test_learning_time_is_the_sum_of_a_schedules_rates():
    moments, weights = problem(2)
    schedule = optax.exponential_decay(0.05, 20, 0.5)
    path = loop(moments, weights, 80, lambda k: 0.05 * 0.5 ** (k / 20))
    sums = np.concatenate([[0.0], np.cumsum(0.05 * 0.5 ** (np.arange(80) / 20))])
    ts = np.linspace(0, 1.2, 7)
    steps = np.abs(sums[None] - ts[:, None]).argmin(axis=1)
    task = ln.tasks.Moments(*moments)
    found = ln.learn.simulate(ref.deep_linear(weights), task, ts, rule=ln.learn.Descent(schedule))
    np.testing.assert_allclose(found.ts, sums[steps], rtol=1e-6)  # optax computes rates in its own precision
    np.testing.assert_allclose(found["loss"], [ref.moment_loss(path[k], *moments) for k in steps], rtol=1e-6)
    with pytest.raises(ValueError, match="never reaches"):
        ln.learn.simulate(
            ref.deep_linear(weights), task, [0.0, 9.0], rule=ln.learn.Descent(optax.cosine_decay_schedule(0.05, 20))
        )


def test_training_on_samples_is_training_on_their_moments():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((40, 4)), rng.standard_normal((40, 3))
    batch, net = ln.tasks.Batch(x, y), ref.deep_linear(ref.random_weights(rng, (4, 5, 3)))
    ts = 0.05 * np.arange(100)
    on = [ln.learn.simulate(net, data, ts, rule=ln.learn.Descent(0.05)) for data in (batch, batch.moments())]
    assert_close(on[0]["loss"], on[1]["loss"], "exact")
    assert_close(on[0]["mode_strengths"], on[1]["mode_strengths"], "exact")
    weighted = ln.tasks.Batch(x, y, weight=jnp.repeat(jnp.array([1.0, 0.0]), 20))
    half = ln.tasks.Batch(x[:20], y[:20])
    on = [ln.learn.simulate(net, data, ts, rule=ln.learn.Descent(0.05)) for data in (weighted, half)]
    assert_close(on[0]["loss"], on[1]["loss"], "exact")


def test_mini_batches_are_shuffled_epochs_without_replacement():
    num, size, epochs = 11, 3, 6
    # One weight a sample: a step changes exactly the weights of the samples in its mini-batch.
    batch, net = ln.tasks.Batch(np.eye(num), np.ones((num, 1))), ref.deep_linear([np.zeros((1, num))])
    rule, ts = ln.learn.Descent(0.5, batch_size=size), 0.5 * np.arange(epochs * (num // size) + 1)
    run = {
        seed: ln.learn.simulate(net, batch, ts, rule=rule, observe=[FirstWeights()], key=jr.key(seed))["first_weights"]
        for seed in (0, 1)
    }
    changed = np.diff(np.asarray(run[0])[:, 0], axis=0) > 0
    assert np.all(changed.sum(axis=1) == size)
    by_epoch = changed.reshape(epochs, num // size, num).sum(axis=1)
    assert by_epoch.max() == 1 and np.all(by_epoch.sum(axis=1) == num // size * size)
    orders = [tuple(map(tuple, e)) for e in changed.reshape(epochs, num // size, num)]
    assert len(set(orders)) == epochs and not np.array_equal(run[0], run[1])
    again = ln.learn.simulate(net, batch, ts, rule=rule, observe=[FirstWeights()], key=jr.key(0), records_per_chunk=5)
    np.testing.assert_array_equal(again["first_weights"], run[0])


class Noise(ln.tasks.AbstractTask):
    """y = a x + noise, drawn afresh."""

    slope: float = eqx.field(static=True)

    def sample(self, num, *, key, length=None):
        first, second = jr.split(key)
        x = jr.normal(first, (num, 1))
        return ln.tasks.Batch(x, self.slope * x + jr.normal(second, (num, 1)))

    def moments(self):
        return ln.tasks.Moments(*(jnp.array([[v]]) for v in (1.0, self.slope, self.slope**2 + 1)))


def test_a_task_gives_fresh_samples_in_every_step():
    task, net, rate, size, num = Noise(2.0), ref.deep_linear([np.zeros((1, 1))]), 0.02, 5, 400
    rule, ts = ln.learn.Descent(rate, batch_size=size), rate * np.arange(num + 1)
    runs = [
        ln.learn.simulate(net, task, ts, rule=rule, observe=[FirstWeights()], key=jr.key(seed))["first_weights"]
        for seed in range(20)
    ]
    weights = np.asarray(runs)[:, :, 0, 0]
    # The mean of w_k is a (1 - (1 - rate)^k); at the end its variance is about rate / (2 size), from noise of variance
    # 1.
    expected = 2 * (1 - (1 - rate) ** np.arange(num + 1))
    deviation = np.sqrt(rate / (2 * size) / 20) + 2 * np.sqrt(rate * 4 / size / 20) * np.exp(-rate * np.arange(num + 1))
    assert np.all(np.abs(weights.mean(axis=0) - expected) < 4 * deviation + 1e-12)
    late = weights[:, 200::50].var(axis=0, ddof=1).mean()  # 20 runs at 5 times that hardly know of each other
    assert 0.6 < late / (rate / (2 * size)) < 1.6
    exact = ln.learn.simulate(net, task, ts, rule=ln.learn.Descent(rate), observe=[FirstWeights()])
    assert_close(exact["first_weights"][:, 0, 0], expected, "exact")


@pytest.mark.slow
def test_a_nonlinear_network_learns_from_fresh_samples_and_records_a_fixed_loss():
    net = ln.nn.MLP((1, 8, 1), key=jr.key(0), dtype=jnp.float32)
    rule, ts = ln.learn.Descent(0.05, batch_size=16), np.linspace(0, 15, 31)
    found = ln.learn.simulate(net, Noise(2.0), ts, rule=rule, key=jr.key(1))
    assert 0.4 < found["loss"][-1] < 0.65 < 1.5 < found["loss"][0]  # the noise leaves 1/2
    for bad in ({"rule": ln.learn.Descent(0.05)}, {"rule": ln.learn.GradientFlow(), "key": jr.key(0)}):
        with pytest.raises(ValueError, match="fresh samples"):
            ln.learn.simulate(net, Noise(2.0), ts, **bad)


def test_float32_stays_float32_where_x64_is_on():
    moments, weights = problem(4)
    as_float32 = [w.astype(np.float32) for w in weights]
    task = ln.tasks.Moments(*(m.astype(np.float32) for m in moments))
    rule = ln.learn.Descent(0.01, optax.scale_by_adam(), weight_decay=0.1)
    found = ln.learn.simulate(ref.deep_linear(as_float32), task, 0.01 * np.arange(50), rule=rule)
    assert {v.dtype for v in (*found.values.values(), *found.network.weights)} == {jnp.dtype("float32")}
    path = loop(moments, weights, 49, 0.01, adam, 0.1)
    np.testing.assert_allclose(found["loss"], [ref.moment_loss(w, *moments) for w in path], rtol=1e-4)


def test_a_diverging_rate_is_named_with_the_largest_stable_one():
    moments, weights = problem(5, scale=0.01)
    net, task = ref.deep_linear(weights), ln.tasks.Moments(*moments)
    stable = float(ln.analyse.largest_stable_rate_at_minimum(task, 2))
    ts = np.linspace(0, 4000 * stable, 20)
    ln.learn.simulate(net, task, ts, rule=ln.learn.Descent(0.9 * stable))
    with pytest.raises(ValueError, match="diverged at learning time") as error:
        ln.learn.simulate(net, task, ts, rule=ln.learn.Descent(4 * stable))
    named = float(str(error.value).split("is about ")[1].split()[0])
    assert abs(named / stable - 1) < 0.05
    found = ln.learn.simulate(net, task, ts, rule=ln.learn.Descent(4 * stable), throw=False)
    assert int(found.result) == 1 and "diverged" in found.message and np.isfinite(found["loss"][0])


def test_what_cannot_be_is_refused_in_sentences():
    moments, weights = problem()
    net, task = ref.deep_linear(weights), ln.tasks.Moments(*moments)
    batch = ln.tasks.Batch(np.ones((5, 4)), np.ones((5, 3)))
    ts = np.linspace(0, 1, 5)
    cases = [
        ("needs a `key`", net, batch, ts, ln.learn.Descent(0.1, batch_size=2), None),
        ("only 5 samples", net, batch, ts, ln.learn.Descent(0.1, batch_size=6), jr.key(0)),
        ("moments have no samples", net, task, ts, ln.learn.Descent(0.1, batch_size=2), jr.key(0)),
        ("ascending", net, task, ts[::-1], ln.learn.Descent(0.1), None),
        ("ascending", net, task, np.array([0.0, np.nan]), ln.learn.Descent(0.1), None),
        ("larger learning rate", net, task, ts, ln.learn.Descent(1e-12), None),
        ("first and last weights", ref.deep_linear([np.ones((2, 4))]), task, ts, ln.learn.Descent(0.1), None),
        ("Pass samples", ln.nn.MLP((4, 2, 3), key=jr.key(0)), task, ts, ln.learn.Descent(0.1), None),
    ]
    for sentence, network, data, times, rule, key in cases:
        with pytest.raises(ValueError, match=sentence):
            ln.learn.simulate(network, data, times, rule=rule, key=key)
    with pytest.raises(ValueError, match="records_per_chunk"):
        ln.learn.simulate(net, task, ts, records_per_chunk=0)
    with pytest.raises(ValueError, match="positive learning_rate"):
        ln.learn.Descent(-0.1)
