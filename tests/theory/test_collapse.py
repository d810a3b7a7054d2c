"""The global minimum of the unconstrained-features model against brute force, SciPy's minimisers and training."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize

from linnet import LpLoss, SquaredError, learn, nn, tasks, theory

solve = eqx.filter_jit(theory.collapse_solution)
strength = eqx.filter_jit(theory.collapse_strength)

#: depth, class sizes, decays of the head, decay of the features, widths, bias.
CASES = {
    "a minority": (2, (6, 5, 1), [8e-3, 8e-3], 3e-3, [4, 4], False),
    "a bottleneck": (2, (5, 2, 4), [4e-3, 9e-3], 1e-3, [4, 2], False),
    "a bias, unequal classes": (3, (4, 2, 3), [3e-3, 4e-3, 5e-3], 1e-3, [3, 4, 3], True),
}


def make(case):
    depth, counts, decays, feature_decay, widths, bias = CASES[case]
    y = np.repeat(np.eye(len(counts)), counts, axis=0)
    task = tasks.DecayedClasses(y, np.array(decays), feature_decay)
    return task, depth, widths, bias


def minimise(y, decays, feature_decay, widths, bias, seed):
    """The least loss that SciPy finds from one random start, and the features there."""
    rng, (num, out) = np.random.default_rng(seed), y.shape
    shapes = [(num, widths[0]), *zip([*widths[1:], out], widths)] + ([(out,)] if bias else [])
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def loss(flat):
        features, *rest = (part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes))
        weights, offset = (rest[:-1], rest[-1]) if bias else (rest, 0)
        layers = [features]
        for weight in weights:
            layers.append(layers[-1] @ weight.T)
        error = layers[-1] + offset - y
        value = 0.5 * np.sum(error**2) / num + 0.5 * feature_decay * np.sum(features**2)
        value += 0.5 * sum(decay * np.sum(weight**2) for decay, weight in zip(decays, weights))
        back, slopes = error / num, [np.sum(error / num, axis=0)] if bias else []
        for weight, decay, layer in zip(weights[::-1], decays[::-1], layers[-2::-1]):
            slopes.insert(0, back.T @ layer + decay * weight)
            back = back @ weight
        slopes.insert(0, back + feature_decay * features)
        return value, np.concatenate([slope.ravel() for slope in slopes])

    start = rng.normal(size=ends[-1])
    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    found = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return found.fun, found.x[: ends[0]].reshape(shapes[0])


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case == "a bottleneck" else ()) for case in CASES]
)
def test_scipy_finds_the_same_minimum(case):
    task, depth, widths, bias = make(case)
    y, (_, counts, decays, feature_decay, *_) = np.asarray(task.y), CASES[case]
    best, features = min(
        (minimise(y, decays, feature_decay, widths, bias, seed) for seed in range(2)), key=lambda found: found[0]
    )
    solution = solve(task, depth, width=min(widths), bias=bias)
    np.testing.assert_allclose(solution.loss, best, rtol=1e-7)
    means = np.stack([features[y[:, k] > 0].mean(0) for k in range(len(counts))])
    np.testing.assert_allclose(features, y @ means, atol=1e-4)  # the same within each class
    np.testing.assert_allclose(solution.feature_gram, means @ means.T, atol=2e-4)

    network = solution.network(task.y, widths, key=jr.key(0))  # a minimiser: its loss, and no slope
    assert task.applies(network, SquaredError()) is None
    value, slope = eqx.filter_jit(eqx.filter_value_and_grad(lambda net, task: task.loss(net)))(network, task)
    np.testing.assert_allclose(value, solution.loss, rtol=1e-12)
    for leaf in jax.tree.leaves(slope):
        np.testing.assert_allclose(leaf, 0, atol=1e-12)
    outputs = jax.vmap(network)(jnp.eye(len(y)))
    np.testing.assert_allclose(outputs, y @ np.asarray(solution.outputs), atol=1e-12)
    weights = np.asarray(nn.classifier(network))
    np.testing.assert_allclose(weights @ weights.T, solution.classifier_gram, atol=1e-12)


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("part", [0.2, 0.97, 0.9999, 1.0001, 2.0])
def test_strengths_by_brute_force(depth, part):
    b = part * theory.collapse_threshold(depth)
    x = np.concatenate([[0], np.geomspace(1e-6, 30, 400_001)])
    cost = 1 / (1 + x**depth) + b * x
    found = float(strength(jnp.asarray(b), depth))
    np.testing.assert_allclose(found, x[np.argmin(cost)], rtol=1e-4, atol=1e-5)
    assert (found > 0) == (part < 1)


def test_the_spinodal_is_the_largest_slope():
    x = np.linspace(0, 3, 300_001)
    for depth in (1, 2, 3, 6):
        slope = np.max(depth * x ** (depth - 1) / (1 + x**depth) ** 2)
        assert theory.collapse_spinodal(depth) == pytest.approx(slope, rel=1e-8)
        assert theory.collapse_spinodal(depth) >= theory.collapse_threshold(depth)


@pytest.mark.parametrize("depth", [1, 3])
def test_strengths_have_the_slope_of_finite_differences(depth):
    slope = jax.jit(jax.grad(lambda b: theory.collapse_strength(b, depth)))(0.3)
    ends = [float(strength(jnp.asarray(b), depth)) for b in (0.3 - 1e-6, 0.3 + 1e-6)]
    np.testing.assert_allclose(slope, (ends[1] - ends[0]) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize("depth", [1, 3])
def test_the_smallest_class_is_where_one_is_given_up(depth):
    decays = {"weight_decay": 6e-3, "feature_decay": 2e-3}
    size = float(theory.smallest_class(40.0, depth, **decays))
    assert 0 < size < 20

    def survives(minority):
        counts = jnp.array([minority, (40 - minority) / 2, (40 - minority) / 2])
        task = tasks.DecayedClasses(jnp.eye(3), **decays, weight=counts)
        return bool(solve(task, depth).active[0])

    assert survives(1.001 * size) and not survives(0.999 * size)


def test_equal_classes_make_frames():
    y = np.repeat(np.eye(5), 4, axis=0)
    task = tasks.DecayedClasses(y, 5e-3, 1e-3)
    plain, biased = (solve(task, 2, bias=bias) for bias in (False, True))
    gram = np.asarray(plain.feature_gram)
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(5), atol=1e-12)
    gram = np.asarray(biased.feature_gram)
    np.testing.assert_allclose(gram, 5 / 4 * gram[0, 0] * (np.eye(5) - 1 / 5), atol=1e-12)
    assert biased.loss < plain.loss


def test_it_is_jitted_and_mapped_over_class_sizes():
    def least(minority):
        counts = jnp.array([minority, 10.0, 10.0])
        task = tasks.DecayedClasses(jnp.eye(3), 6e-3, 2e-3, weight=counts)
        return theory.collapse_solution(task, 2, bias=True).loss

    sizes, alone = jnp.array([0.5, 4.0]), jax.jit(least)
    np.testing.assert_allclose(jax.jit(jax.vmap(least))(sizes), [alone(size) for size in sizes], rtol=1e-12)


@pytest.mark.slow
def test_training_reaches_the_minimum():
    y, counts = jnp.eye(3), jnp.array([5.0, 4.0, 2.0])
    task = tasks.DecayedClasses(y, 1e-2, 1e-2, weight=counts)
    network = nn.fan_in()(
        nn.UnconstrainedFeatures(jnp.zeros((3, 4)), nn.DeepLinear((jnp.zeros((4, 4)), jnp.zeros((3, 4))))),
        key=jr.key(1),
    )
    found = learn.simulate(network, task, [0.0, 3000.0])
    solution = solve(task, 2)
    assert bool(jnp.all(solution.active))
    np.testing.assert_allclose(found["loss"][-1], solution.loss, rtol=1e-8)
    np.testing.assert_allclose(found.network.features @ found.network.features.T, solution.feature_gram, atol=1e-5)


def refuse(network, task, **settings):
    with pytest.raises(ValueError) as raised:
        learn.simulate(network, task, [0.0, 1.0], **settings)
    return str(raised.value)


def test_refusals_are_sentences():
    y = np.repeat(np.eye(3), 2, axis=0)
    task = tasks.DecayedClasses(y, 1e-2, 1e-2)
    head = nn.DeepLinear((jnp.ones((3, 4)),))
    network = nn.UnconstrainedFeatures(jnp.ones((6, 4)), head)
    assert "squared error" in refuse(network, task, loss=LpLoss(4.0))
    assert "UnconstrainedFeatures" in refuse(head, task)
    assert "5 examples, the task 6" in refuse(nn.UnconstrainedFeatures(jnp.ones((5, 4)), head), task)
    two = nn.UnconstrainedFeatures(jnp.ones((6, 4)), nn.DeepLinear((jnp.ones((2, 4)),)))
    assert "2 outputs, the task 3 classes" in refuse(two, task)
    assert "pass `inputs`" in refuse(nn.LinearHead(head, nn.DeepLinear((jnp.ones((3, 3)),))), task)
    assert "one for each of the 1" in refuse(network, tasks.DecayedClasses(y, [1e-2, 1e-2], 1e-2))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda task: theory.collapse_solution(task, 0), "at least 1 matrix"),
        (lambda task: theory.collapse_solution(task, 1, width=0), "width of at least 1"),
        (lambda task: solve(task, 2).network(task.y, [4], key=jr.key(0)), "2 matrices needs 2 widths, got 1"),
        (lambda task: solve(task, 2).network(task.y, [4, 2], key=jr.key(0)), "3 directions survive"),
        (lambda task: tasks.DecayedClasses(np.ones((3, 1)), 1e-2, 1e-2), "two classes or more"),
        (lambda task: tasks.DecayedClasses(np.eye(3), 1e-2, 1e-2, weight=jnp.ones(2)), "3 rows of y, but 2 of weight"),
        (
            lambda task: nn.UnconstrainedFeatures(jnp.ones((3, 4)), nn.DeepLinear((jnp.ones((3, 5)),))),
            "its head reads 5",
        ),
        (lambda task: nn.LinearHead(jnp.tanh, nn.DeepLinear((jnp.ones((3, 5)),)), jnp.ones(2)), "bias of shape"),
    ],
)
def test_what_does_not_fit_is_a_sentence(call, sentence):
    task = tasks.DecayedClasses(np.eye(3), 1e-3, 1e-3)
    with pytest.raises(ValueError, match=sentence):
        call(task)


def test_no_decay_has_no_minimum():
    with pytest.raises(Exception, match="only if all its decays are above 0"):
        jax.block_until_ready(theory.collapse_solution(tasks.DecayedClasses(np.eye(3), 0.0, 1e-3), 1).loss)


def test_features_and_classifiers_of_networks():
    x = jr.normal(jr.key(0), (3,))
    mlp = nn.MLP((3, 4, 2), jnp.tanh, key=jr.key(1))
    head = nn.LinearHead(
        nn.MLP((3, 4), key=jr.key(2)), nn.DeepLinear((jnp.ones((2, 4)), jnp.ones((2, 2)))), jnp.ones(2)
    )
    for network in (mlp, head):
        bias = {"MLP": lambda n: n.biases[-1], "LinearHead": lambda n: n.bias}[type(network).__name__]
        read, whole = eqx.filter_jit(lambda net: (nn.classifier(net) @ nn.last_features(net, x), net(x)))(network)
        np.testing.assert_allclose(read + bias(network), whole, rtol=1e-12)
    with pytest.raises(ValueError, match="got a GRU"):
        nn.classifier(nn.GRU((2, 2, 2), key=jr.key(0)))
