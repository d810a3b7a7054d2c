"""What observers record, against NumPy and against what is known to be conserved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import SquaredError, learn, nn, tasks
from tests.learn.registry import plain_split
from tests.tolerances import assert_close

TS = jnp.linspace(0.0, 4.0, 5)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def identity(x):
    return x


def regression(num=30, num_in=4, num_out=3):
    xs = draw(num, num_in)
    xs = xs - xs.mean(0)
    return tasks.Batch(xs, xs @ draw(num_in, num_out, seed=1) + 0.1 * draw(num, num_out, seed=2))


def sequences(num=60, steps=4):
    xs = draw(num, steps, 2)
    return tasks.Batch(xs - xs.mean(0), (xs - xs.mean(0)).sum(1))


@pytest.mark.slow
def test_strengths_by_the_best_map_are_those_of_the_map_itself(key):
    """An MLP with the identity for activation is a deep linear network; only the way to its modes differs."""
    batch, net = regression(), nn.MLP((4, 5, 3), identity, use_bias=False, key=key)
    observe = [learn.ModeAlignment(), learn.SingularValues()]
    fitted = learn.simulate(net, batch, TS, observe=observe)
    own = learn.simulate(nn.DeepLinear(net.weights), batch, TS, observe=observe)
    for name in ("loss", "mode_strengths", "mode_alignment", "singular_values"):
        assert_close(fitted[name], own[name], "ode")


@pytest.mark.slow
def test_strengths_over_sequences_by_the_best_map(key):
    batch = sequences()
    net = nn.VanillaRNN((2, 4, 2), identity, use_bias=False, key=key)
    fitted = learn.simulate(net, batch, TS)
    own = learn.simulate(nn.LinearRNN(*nn.chained_weights(net)), batch, TS)
    assert own["step_mode_strengths"].shape == (5, 4, 2)
    for name in ("loss", "mode_strengths", "step_mode_strengths"):
        assert_close(fitted[name], own[name], "ode")


def test_strengths_of_a_tanh_network_by_least_squares(key):
    batch, net = regression(), nn.MLP((4, 6, 3), key=key)
    trajectory = learn.simulate(net, batch, TS, rule=learn.Descent(0.1))
    x, y = np.asarray(batch.x), np.asarray(batch.y)
    outputs = np.asarray(jax.vmap(trajectory.network)(batch.x))
    linear_map = np.linalg.lstsq(x, outputs, rcond=None)[0].T
    left, _, right_t = np.linalg.svd(y.T @ x / len(x), full_matrices=False)
    # Signs of singular vectors cancel in a strength.
    assert_close(trajectory["mode_strengths"][-1], np.diag(left.T @ linear_map @ right_t.T), "closed_form")


def test_balance_is_conserved_by_the_flow_and_not_by_large_steps(key):
    batch, net = regression(), nn.fan_in()(nn.DeepLinear, (4, 5, 3), key=key)
    rule, observe = learn.Descent(0.25), [learn.Balancedness()]
    flow = learn.simulate(net, batch, TS, observe=observe)["balancedness"]
    steps = learn.simulate(net, batch, TS, rule=rule, observe=observe)["balancedness"]
    np.testing.assert_allclose(flow, np.broadcast_to(flow[:1], flow.shape), rtol=1e-6)
    assert np.max(np.abs(steps - steps[0])) > 1e-3


@pytest.mark.slow
def test_kernel_of_equal_aligned_modes_only_grows(key):
    """With one strength for all modes of an isotropic task the kernel is only rescaled; with two it turns."""
    moved = []
    for second in (1.0, 0.3):
        yx = np.diag([1.0, second])
        task = tasks.Moments(np.eye(2), yx, yx @ yx.T)
        net = nn.aligned(task, 1e-2)(nn.DeepLinear, (2, 2, 2), key=key)
        observe = [learn.KernelDistance(jnp.eye(2))]
        moved.append(learn.simulate(net, task, jnp.linspace(0.0, 5.0, 6), observe=observe)["kernel_distance"])
    np.testing.assert_allclose(moved[0], 0, atol=1e-12)
    assert moved[1][0] < 1e-12 and moved[1][-1] > 0.1


def test_accuracy_adds_back_the_mean(key):
    split, net = plain_split(float), nn.MLP((3, 4, 2), key=key)
    y, mean = np.asarray(split.train.y + split.y_mean), np.asarray(split.y_mean)
    outputs = np.asarray(jax.vmap(net)(split.train.x))
    expected = np.mean(np.argmax(outputs + mean, 1) == np.argmax(y, 1))
    found = learn.simulate(net, split, TS[:1], observe=[learn.Accuracy(), learn.Accuracy("test")])
    assert_close(found["accuracy"], [expected], "exact")
    assert_close(found["test_accuracy"], [expected], "exact")


def test_accuracy_of_sequences_counts_unmasked_steps(key):
    x, classes = draw(10, 4, 3), np.random.default_rng(1).integers(0, 2, (10, 4))
    mask, weight = np.random.default_rng(2).uniform(size=(10, 4)) < 0.7, np.random.default_rng(3).uniform(size=10)
    batch = tasks.Batch(x, np.eye(2)[classes], jnp.asarray(mask), jnp.asarray(weight))
    net = nn.VanillaRNN((3, 4, 2), key=key)
    outputs = np.stack([np.asarray(net(jnp.asarray(sequence))[0]) for sequence in x])
    counted = mask * weight[:, None]
    expected = np.sum(counted * (np.argmax(outputs, 2) == classes)) / np.sum(counted)
    observer = learn.Accuracy().bind(net, batch, SquaredError())
    assert_close(observer.measure(net, initial=net, task=batch, key=None), expected, "exact")


def test_what_is_recorded_without_asking(key):
    plain, long = regression(), sequences()
    every_step = tasks.Batch(long.x, long.x, jnp.ones(long.x.shape[:2], bool))
    mlp, gru = nn.MLP((4, 5, 3), key=key), nn.GRU((2, 4, 2), key=key)
    modes, steps = "mode_strengths", "step_mode_strengths"
    for network, task, names in (
        (mlp, plain, {"loss", modes}),
        (mlp, tasks.Split(plain, None, plain), {"loss", "test_loss", modes}),
        (gru, long, {"loss", modes, steps}),
        (gru, every_step, {"loss"}),
        (gru, tasks.Split(every_step), {"loss"}),
        (nn.DeepLinear(mlp.weights), plain.moments(), {"loss", modes}),
    ):
        assert {o.name for o in learn._observer.default_observers(network, task)} == names


def test_coordinates_name_weights_and_parts(key):
    net = nn.fan_in(0.5)(nn.LinearRNN, (2, 3, 2), key=key)
    trajectory = learn.simulate(
        net, sequences(), TS, observe=[learn.WeightNorms(), learn.RecurrentEigenvalues(), learn.SingularValues(1)]
    )
    data = trajectory.to_xarray()
    norms = data["weight_norms"].sel(weight="recurrent_weights").values
    np.testing.assert_allclose(norms[-1], np.linalg.norm(trajectory.network.recurrent_weights))
    parts = data["recurrent_eigenvalues"].isel(time=-1)
    expected = np.linalg.eigvals(np.asarray(trajectory.network.recurrent_weights))
    found = parts.sel(part="real").values + 1j * parts.sel(part="imaginary").values
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(expected), atol=1e-10)
    assert_close(
        data["singular_values_1"][-1],
        np.linalg.svd(np.asarray(trajectory.network.recurrent_weights), compute_uv=False),
        "exact",
    )


def test_a_task_without_samples_needs_inputs(key):
    net, task = nn.MLP((3, 4, 2), key=key), tasks.Teacher(jnp.asarray(draw(2, 3)), 0.1)
    with pytest.raises(ValueError, match="inputs=..."):
        learn.ModeStrengths().bind(net, task, SquaredError())
    xs = jnp.asarray(draw(40, 3))
    bound = learn.ModeStrengths(inputs=xs).bind(net, task, SquaredError())
    outputs = np.asarray(jax.vmap(net)(xs))
    linear_map = np.linalg.lstsq(np.asarray(xs), outputs, rcond=None)[0].T
    left, _, right_t = np.linalg.svd(np.asarray(task.moments().yx), full_matrices=False)
    expected = np.diag(left.T @ linear_map @ right_t.T)
    assert_close(bound.measure(net, initial=net, task=task, key=None), expected, "closed_form")


def test_what_cannot_be_observed_is_refused(key):
    net, batch = nn.MLP((4, 5, 3), key=key), regression()
    with pytest.raises(ValueError, match="one-hot"):
        learn.Accuracy().bind(net, batch.moments(), SquaredError())
    with pytest.raises(ValueError, match="one-hot"):
        learn.Accuracy("test").bind(net, batch, SquaredError())
    with pytest.raises(ValueError, match='"train", "validation" or "test"'):
        learn.Accuracy("tests").bind(net, batch, SquaredError())
    with pytest.raises(ValueError, match="from 0 to 1"):
        learn.SingularValues(2).bind(net, batch, SquaredError())
    for observer in (learn.ModeAlignment(), learn.ModeStrengths(), learn.Accuracy()):
        with pytest.raises(ValueError, match="bound to a task first"):
            observer.measure(net, initial=net, task=batch, key=None)


def test_similarity_is_the_correlation_of_distances_with_the_beginning(key):
    batch, net = regression(), nn.MLP((4, 6, 3), key=key)
    rule, observe = learn.Descent(0.1), [learn.RepresentationSimilarity(batch.x)]
    trajectory = learn.simulate(net, batch, TS, rule=rule, observe=observe)
    pairs = np.triu_indices(batch.num, 1)
    distances = []
    for network in (net, trajectory.network):
        rows = np.asarray(jax.vmap(network)(batch.x))
        distances.append(np.linalg.norm(rows[:, None] - rows[None], axis=-1)[pairs])
    found = trajectory["representation_similarity"]
    np.testing.assert_allclose(found[jnp.array([0, -1])], [1, np.corrcoef(*distances)[0, 1]], rtol=1e-8)
    assert found[-1] < 0.999
