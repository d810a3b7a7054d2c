"""Fits: what is descended, seeds side by side, resuming, verdicts, and what cannot be fitted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
import pytest

from linnet import nn, reconstruct, store, systems
from linnet.reconstruct import _judge
from tests.compilations import count_compilations
from tests.tolerances import assert_close

ADAM = optax.scale_by_adam()
FORCING = reconstruct.GeneralizedTeacherForcing(0.2)


def make(key):
    return nn.ShallowPLRNN(2, 8, key=key)


def spiral(num=300, rate=0.1):
    times = rate * np.arange(num)
    return np.stack([np.cos(times), np.sin(times) + 0.2 * np.cos(2 * times)], axis=1)


def fit(series=None, **options):
    options = {"seeds": 2, "steps": 12, "window": 20, "batch_size": 4, "key": jr.key(3)} | options
    return reconstruct.fit(options.pop("model", make), spiral() if series is None else series, FORCING, **options)


def fell(found):
    """Whether the loss of every seed has fallen, beyond what differs between windows."""
    losses = np.asarray(found.losses)
    return np.all(losses[:, -10:].mean(axis=1) < 0.7 * losses[:, :10].mean(axis=1))


def test_training_takes_the_path_of_plain_gradient_descent():
    """One seed of several, against a loop that draws the same windows, with optax's RAdam from the outside."""
    series = [spiral(60), spiral(45, 0.13)]
    found = fit(series, steps=3, window=8, seeds=2, learning_rate=(0.02, 0.005))
    assert not np.allclose(found.losses[0], found.losses[1])
    joined = np.concatenate(series)
    mean, scale = joined.mean(axis=0), joined.std(axis=0)
    data = (joined - mean) / scale
    starts = np.concatenate([np.arange(0, 60 - 8), np.arange(60, 105 - 8)])
    make_key, train_key = jr.split(jr.key(3))
    seed = 1
    net = make(jr.split(jr.split(make_key, 2)[seed])[0])
    key = jr.split(train_key, 2)[seed]
    rates = [0.02 * (0.005 / 0.02) ** (step / 2) for step in range(3)]
    rule = optax.radam(lambda count: jnp.asarray(rates)[count])
    params, rest = eqx.partition(net, eqx.is_inexact_array)
    state = rule.init(params)
    losses = []

    @jax.jit
    @jax.value_and_grad
    def value_and_gradient(params, windows):
        net, total = eqx.combine(params, rest), 0.0
        for xs in windows:
            z = xs[0]
            for t in range(1, 9):
                z = net.advance(z)
                total = total + jnp.sum((z - xs[t]) ** 2)
                z = 0.8 * z + 0.2 * xs[t]
        return total / (4 * 8 * 2)

    for step in range(3):
        drawn = jr.randint(jr.fold_in(key, step), (4,), 0, len(starts))
        windows = np.stack([data[starts[place] : starts[place] + 9] for place in np.asarray(drawn)])

        value, gradient = value_and_gradient(params, jnp.asarray(windows))
        losses.append(value)
        assert_close(found.gradient_norms[seed, step], optax.tree.norm(gradient), "closed_form")
        updates, state = rule.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    assert_close(found.losses[seed], losses, "closed_form")
    own = found.reconstruction(seed)
    for a, b in zip(jax.tree.leaves(eqx.filter(own.model, eqx.is_array)), jax.tree.leaves(params), strict=True):
        assert_close(a, b, "closed_form")
    assert_close(own.mean, mean, "exact")
    assert_close(own.scale, scale, "exact")


@pytest.mark.parametrize(
    "forcing", [FORCING, pytest.param(reconstruct.AdaptiveTeacherForcing(every=3), marks=pytest.mark.slow)]
)
def test_a_killed_training_resumes_to_the_same_bits(forcing, tmp_path):
    folder = store.begin(tmp_path, "x", "ab" * 32, "")

    def run(checkpointer, progress):
        return reconstruct.fit(
            make, spiral(), forcing, seeds=2, steps=11, window=20, batch_size=4, steps_per_chunk=3, key=jr.key(3),
            checkpointer=checkpointer, progress=progress,
        )  # fmt: skip

    def kill(done, of):
        if done == 6:
            raise KeyboardInterrupt

    seen = []
    whole = run(None, lambda done, of: seen.append((done, of)))
    assert seen == [(3, 11), (6, 11), (9, 11), (11, 11)]
    with pytest.raises(KeyboardInterrupt):
        run(store.FolderCheckpointer(folder, "fit"), kill)
    seen.clear()
    resumed = run(store.FolderCheckpointer(folder, "fit"), lambda done, of: seen.append((done, of)))
    assert seen == [(9, 11), (11, 11)]
    for a, b in zip(jax.tree.leaves(resumed), jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    # A checkpoint of another training is not used.
    fit(steps=9, steps_per_chunk=3, checkpointer=store.FolderCheckpointer(folder, "fit"))


def test_a_second_fit_compiles_nothing():
    fit(threshold=1.0)
    with count_compilations() as compiled:
        fit(spiral() + 1.0, threshold=1.0, key=jr.key(9))
    # The initial networks are drawn outside of a compiled program, whose parts are known as well.
    assert not compiled


def test_strengths_of_each_seed():
    forcing = reconstruct.GeneralizedTeacherForcing(jnp.array([0.0, 0.5, 1.0]))
    found = reconstruct.fit(make, spiral(), forcing, seeds=3, steps=4, window=20, key=jr.key(0))
    assert_close(found.strengths[:, -1], [0.0, 0.5, 1.0], "exact")
    with pytest.raises(ValueError, match="for each of 2 seeds"):
        reconstruct.fit(make, spiral(), forcing, seeds=2, steps=4, window=20, key=jr.key(0))


@pytest.mark.slow
def test_adaptive_strength_falls_from_one_in_steps():
    forcing = reconstruct.AdaptiveTeacherForcing(every=2, decay=0.9)
    found = reconstruct.fit(make, spiral(), forcing, seeds=1, steps=6, window=20, key=jr.key(0))
    strengths = np.asarray(found.strengths[0])
    assert strengths[0] == strengths[1] and strengths[2] == strengths[3] and strengths[4] < strengths[2] < strengths[0]


@pytest.mark.slow
def test_affine_observation_and_regularisers_are_trained():
    found = fit(
        model=lambda key: nn.DendriticPLRNN(5, 3, key=key),
        observation=lambda key: nn.AffineObservation(2, 5, key=key),
        observation_weight=0.1,
        regularisers=[reconstruct.LatentRegulariser(1e-3), reconstruct.ManifoldAttractorRegulariser(1e-3)],
        steps=80,
        learning_rate=1e-2,
        transform=ADAM,
    )
    first, second = (found.reconstruction(seed).observation for seed in range(2))
    assert not np.allclose(first.weights, second.weights)
    assert fell(found)
    # Descending nothing but the penalty makes the observation well conditioned.
    only = fit(
        model=lambda key: nn.AlmostLinearRNN(5, 1, key=key),
        observation=lambda key: nn.AffineObservation(2, 5, key=key),
        observation_weight=1e4,
        steps=80,
        learning_rate=1e-2,
        transform=ADAM,
        seeds=1,
    )
    assert float(only.best.observation.penalty()) < 1e-2


def test_lstm_by_its_hidden_state_and_inputs():
    def observation(key):
        return nn.ObservedPart(nn.IdentityObservation(2, 6, key=key), nn.LSTM((1, 6, 1), key=key))

    inputs = np.sin(np.arange(300.0))[:, None]
    found = fit(model=lambda key: nn.LSTM((1, 6, 1), key=key), observation=observation, inputs=inputs, steps=80,
                learning_rate=3e-2, transform=ADAM)  # fmt: skip
    assert fell(found)
    run = found.best.forecast(spiral()[:50], 5, inputs=inputs[50:55], past_inputs=inputs[:50])
    assert run.values.shape == (5, 2) and run.states.shape == (5, 12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [nn.GRU, nn.VanillaRNN, nn.LinearRNN])
def test_networks_with_inputs_run_without(kind):
    """Where no external inputs are given, they are zero."""

    def made(key):
        return nn.small(0.3)(kind, (1, 4, 1), key=key)

    bare, zeros = fit(model=made, steps=3), fit(model=made, steps=3, inputs=np.zeros((300, 1)))
    assert_close(bare.losses, zeros.losses, "exact")
    assert_close(bare.best.forecast(spiral(), 4).values, zeros.best.forecast(spiral(), 4).values, "exact")


def test_forecasts_take_up_the_series_and_go_on():
    found = fit(steps=30)
    own, series = found.reconstruction(0), spiral()
    standard = (series - np.asarray(own.mean)) / np.asarray(own.scale)
    z, expected = jnp.asarray(standard[9]), []
    for _ in range(4):
        z = own.model.advance(z)
        expected.append(np.asarray(z) * np.asarray(own.scale) + np.asarray(own.mean))
    assert_close(own.forecast(series[:10], 4).values, expected, "closed_form")
    assert_close(own.free_run(4, start=series[9]).values, expected, "closed_form")
    # Weaker forcing is a compromise of the data and of what was expected.
    z = jnp.asarray(standard[0])
    for t in range(1, 10):
        z = 0.7 * own.model.advance(z) + 0.3 * standard[t]
    assert_close(own.state_of(series[:10], strength=0.3), z, "closed_form")
    assert not bool(own.free_run(4, key=jr.key(1)).diverged)
    assert own.starts.shape == (64, 2)


def test_a_run_that_diverges_says_so_and_is_finite():
    net = eqx.tree_at(lambda n: n.diagonal, nn.PLRNN(2, key=jr.key(0)), jnp.array([3.0, 3.0]))
    one = jnp.ones(2)
    model = reconstruct.Reconstruction(net, nn.IdentityObservation(2), 0 * one, one, one[None])
    run = model.free_run(50)
    assert bool(run.diverged) and int(run.num_valid) < 12 and "diverged" in run.message
    assert np.all(np.isfinite(run.values)) and np.all(np.abs(run.values) < 1e4)
    assert_close(run.values[-1], run.values[int(run.num_valid) - 1], "exact")
    calm = eqx.tree_at(lambda m: m.model.diagonal, model, jnp.array([0.5, 0.5]))
    assert "within bounds" in calm.free_run(50).message
    narrow = jtu.tree_map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, calm)
    assert narrow.free_run(5).values.dtype == narrow.forecast(np.ones((3, 2)), 5).values.dtype == jnp.float32


def test_verdicts():
    rng = np.random.default_rng(0)
    lorenz = np.asarray(systems.get("Lorenz").orbit(4000, dt=0.02, transient=10.0).states)
    truth = jnp.asarray((lorenz - lorenz.mean(axis=0)) / lorenz.std(axis=0))
    cycle = np.tile(np.asarray(truth[:37]), (109, 1))[:4000]
    runs = np.stack([truth, truth, truth, np.zeros((4000, 3)) + 0.3, cycle, rng.normal(size=(4000, 3))])
    diverged, stopped = np.arange(6) == 1, np.arange(6) == 2
    verdicts, far, periods = _judge.judge(
        truth, jnp.asarray(runs), jnp.asarray(diverged), jnp.asarray(stopped), 1.0, True
    )
    assert verdicts.tolist() == [0, 2, 1, 3, 4, 5] and periods.tolist() == [0, 0, 0, 1, 37, 0]
    assert np.isinf(far[1]) and abs(float(far[0])) < 1e-6
    lenient = _judge.judge(truth, jnp.asarray(runs), jnp.asarray(diverged), jnp.asarray(stopped), 100.0, False)[0]
    assert lenient.tolist() == [0, 2, 1, 3, 0, 0]
    assert not _judge.looks_periodic(np.asarray(truth))
    noisy = spiral(4000) + 0.2 * rng.normal(size=(4000, 2))
    assert _judge.looks_periodic(noisy)
    assert _judge.repeats(spiral(4000, 2 * np.pi / 25)) == 25


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_stops_its_seed_only():
    def wild(key):
        net = make(key)
        big = jnp.where(jr.uniform(key) < 0.5, 1e200, 1.0)
        return eqx.tree_at(lambda n: n.outer_weights, net, big * net.outer_weights)

    found = fit(model=wild, seeds=6, steps=5, key=jr.key(1))
    dead = np.asarray(found.stopped) < 5
    assert 0 < dead.sum() < 6 and np.all(np.asarray(found.verdicts)[dead] == 1)
    assert np.all(np.isinf(found.losses[dead])) and np.all(np.isfinite(found.losses[~dead]))
    assert found.failure_rate >= dead.mean() and not dead[found.order[0]]
    assert "gradient" in found.message(int(np.flatnonzero(dead)[0]))


@pytest.mark.slow
def test_lorenz_is_reconstructed(keys):
    """Most of a few seeds come within reach of the truth, and none of them by a Gaussian cloud's distance."""
    orbit = systems.get("Lorenz").orbit(8000, dt=0.02, transient=20.0, noise=0.05, key=keys()).states
    found = reconstruct.fit(
        lambda key: nn.ShallowPLRNN(3, 50, dtype=jnp.float32, key=key),
        orbit,
        reconstruct.GeneralizedTeacherForcing(0.15),
        seeds=4,
        steps=6000,
        window=100,
        learning_rate=(5e-3, 1e-4),
        key=keys(),
    )
    assert found.failure_rate <= 0.5
    assert float(found.divergences[found.order[0]]) < 0.5 * found.gaussian


BAD = np.where(np.arange(600).reshape(300, 2) == 77, np.nan, spiral())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"series": BAD, "columns": ("a", "b")}, r"in column b \(1\)"),
        ({"series": [spiral(), BAD]}, r"column 1 \(1\) of series 1"),
        ({"series": np.stack([spiral()[:, 0], np.ones(300)], axis=1), "columns": ("a", "b")}, "Column b is constant"),
        ({"series": spiral(20)}, "needs 21 points, but the series has 20"),
        ({"series": [spiral(), spiral(9)]}, "series 1 has 9"),
        ({"series": [spiral(), np.ones((50, 3))]}, "same columns"),
        ({"series": [], "model": nn.PLRNN(2, key=jr.key(0))}, "no series"),
        ({"columns": ("a",)}, "names"),
        ({"window": 0}, "window=0"),
        ({"steps": 0}, "`steps`"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"steps_per_chunk": 0}, "steps_per_chunk"),
        ({"model": lambda key: jnp.ones(3)}, "recurrent network"),
        ({"model": lambda key: nn.PLRNN(1, key=key)}, "cannot show 2 columns"),
        ({"model": lambda key: nn.PLRNN(2, 1, key=key), "inputs": np.ones((300, 2))}, "here 1 columns"),
        ({"inputs": np.ones((5, 1))}, "one row for each row"),
        ({"observation": nn.IdentityObservation(2, 3)}, "has 2 numbers"),
        ({"observation": nn.IdentityObservation(1, 2)}, "shows 1 quantities"),
        ({"model": lambda key: nn.LSTM((1, 2, 1), key=key)}, "ObservedPart"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        fit(**options)


def test_what_cannot_be_run_is_refused():
    found = fit()
    for call, words in (
        (lambda: found.reconstruction(2), "seeds 0 to 1"),
        (lambda: found.best.free_run(0), "1 or more points"),
        (lambda: found.best.free_run(3, start=np.ones(3)), "observes 2 quantities"),
        (lambda: found.best.forecast(BAD, 3), "finite"),
        (lambda: found.best.forecast(spiral(), 3, strength=2.0), "between 0 and 1"),
        (lambda: found.best.free_run(3, inputs=np.ones((3, 1))), "external inputs"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
