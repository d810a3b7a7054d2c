"""The flow of the moments of a quadratic network against SciPy's integration of all of its weights."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

import linnet as ln
from linnet import theory as T
from tests.tolerances import assert_close

TS = np.array([0.0, 20.0, 90.0, 400.0])


def output(weights, scale, curvature, x):
    """The network neuron by neuron: `"hidden in"`, `"sample in"` to `"sample"`."""
    hidden = x @ weights.T
    return scale * np.mean(hidden + curvature / 2 * hidden**2, axis=1)


def problem(seed, hidden, inputs, samples, scale, curvature, centred):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(hidden, inputs)) + 0.3
    x = rng.normal(size=(samples, inputs)) / np.sqrt(inputs)
    linear, root = rng.normal(size=inputs), rng.normal(size=(inputs, 2))
    task = ln.tasks.PolynomialRegression(x, linear, root @ root.T)
    y = x @ linear + 0.5 * np.sum((x @ root) ** 2, axis=1)
    network = ln.nn.QuadraticNetwork(weights, scale, curvature)
    if centred:
        task, y = task.centred(network), y + output(weights, scale, curvature, x)
    return network, task, weights, x, y, linear, root


# Shapes are repeated, so that few programs are compiled.
CASES = [
    # seed, hidden, inputs, samples, scale, curvature, centred
    (0, 7, 5, 9, 1.5, 0.7, False),
    (1, 3, 4, 30, 0.4, 2.0, True),  # fewer neurons than inputs
    (2, 7, 5, 9, 4.0, 0.2, True),
    (3, 7, 5, 9, 1.0, 0.0, False),  # a linear network
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_all_weights(case):
    _, hidden, inputs, samples, scale, curvature, centred = case
    network, task, weights, x, y, linear, root = problem(*case)

    def field(t, flat):
        w = flat.reshape(hidden, inputs)
        error = output(w, scale, curvature, x) - y
        slope = scale / hidden * (1 + curvature * (w @ x.T))
        return -((slope * error) @ x / samples).ravel()

    solved = scipy.integrate.solve_ivp(field, (0, TS[-1]), weights.ravel(), "DOP853", TS, rtol=1e-11, atol=1e-13)
    assert solved.success, solved.message
    over = solved.y.T.reshape(-1, hidden, inputs)
    predicted = T.predict(network, task, TS, theory=T.PolynomialGrokking())
    assert int(predicted.result) == 0 and not predicted.assumptions
    losses = [0.5 * np.mean((output(w, scale, curvature, x) - y) ** 2) for w in over]
    assert_close(predicted["loss"], losses, "ode")
    assert_close(jnp.sum(predicted["test_loss_parts"], axis=1), predicted["test_loss"], "exact")
    # The kernel of SciPy's weights by its Jacobian, neuron by neuron.
    wanted, alignments = y - output(weights, scale, curvature, x), []
    for w in over:
        jacobian = (scale / hidden * (1 + curvature * (x @ w.T)))[:, :, None] * x[:, None]
        jacobian = jacobian.reshape(samples, -1)
        kernel = jacobian @ jacobian.T
        alignments.append(wanted @ kernel @ wanted / np.linalg.norm(kernel) / np.sum(wanted**2))
    assert_close(predicted["label_alignment"], alignments, "ode")
    # The parts, from their definition.
    shift = scale * weights.mean(0) if centred else 0
    bend = scale * curvature * weights.T @ weights / hidden if centred else 0
    for w, parts in zip(over, np.asarray(predicted["test_loss_parts"])):
        apart = scale * curvature * w.T @ w / hidden - root @ root.T - bend
        off = scale * w.mean(0) - linear - shift
        expected = [np.trace(apart) ** 2 / 8 / inputs**2, np.sum(apart**2) / 4 / inputs**2, off @ off / 2 / inputs]
        assert_close(parts, expected, "ode")


def test_simulation_records_the_same_quantities():
    network, task, *_ = problem(*CASES[0])
    observe = (ln.learn.PolynomialTestLoss(), ln.learn.PolynomialTestLoss(by_part=True), ln.learn.LabelAlignment())
    simulated = ln.learn.simulate(network, task, TS, observe=observe)
    predicted = T.predict(network, task, TS)
    assert predicted.theory == "PolynomialGrokking"
    assert set(simulated.names()) == set(predicted.names())
    for name in predicted.names():
        assert simulated.dims[name] == predicted.dims[name]
        assert_close(simulated[name], predicted[name], "ode")
    # What is not trained stays.
    assert float(simulated.network.scale) == 1.5 and float(simulated.network.curvature) == 0.7


def test_the_test_loss_is_that_of_fresh_samples():
    network, task, weights, _, _, linear, root = problem(4, 6, 5, 8, 1.3, 0.6, False)
    rng = np.random.default_rng(9)
    x = rng.normal(size=(200_000, 5)) / np.sqrt(5)
    squares = 0.5 * (output(weights, 1.3, 0.6, x) - x @ linear - 0.5 * np.sum((x @ root) ** 2, axis=1)) ** 2
    exact = float(jnp.sum(task.test_parts(*network.polynomial())))
    assert abs(exact - squares.mean()) < 4 * squares.std() / np.sqrt(squares.size)


def test_the_task_draws_what_it_says():
    task = ln.tasks.PolynomialRegression.random(4, 30_000, key=jr.key(0))
    values, vectors = np.linalg.eigh(task.quadratic)
    assert_close(values[:3], np.zeros(3), "closed_form")
    assert_close(task.targets(), 0.5 * values[3] * (np.asarray(task.x) @ vectors[:, 3]) ** 2, "closed_form")
    covariance = np.cov(np.asarray(task.x).T)
    np.testing.assert_allclose(covariance, np.eye(4) / 4, atol=5 * 0.25 / np.sqrt(30_000) * 1.5)
    network = ln.nn.QuadraticNetwork.random((4, 3), 2.0, 0.5, key=jr.key(1))
    assert network.weights.shape == (3, 4)
    # Before training a centred task has the loss of a network that puts out nothing.
    assert_close(task.centred(network).loss(network), 0.5 * np.mean(np.asarray(task.targets()) ** 2), "closed_form")


def test_limits_of_the_alignment():
    y = jnp.array([1.0, -2.0, 0.5])
    assert_close(T.label_alignment(jnp.outer(y, y), y), 1.0, "exact")
    assert_close(T.label_alignment(jnp.eye(3), y), 3**-0.5, "exact")
    assert float(T.label_alignment(jnp.zeros((3, 3)), y)) == 0.0
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2)))
    kernel = T.polynomial_kernel(jnp.zeros(2), jnp.eye(2), 0.5, x)
    assert_close(kernel, x @ x.T + 0.25 * (x @ x.T) ** 2, "closed_form")


def test_refusals_are_sentences():
    network, task, *_ = problem(*CASES[0])
    flow, square = ln.learn.GradientFlow(), ln.SquaredError()
    theory = T.PolynomialGrokking()
    wide = ln.nn.QuadraticNetwork(jnp.ones((3, 6)), 1.0, 1.0)
    for net, setting, loss, message in [
        (ln.nn.DeepLinear([jnp.ones((1, 5))]), task, square, "about a QuadraticNetwork, got a DeepLinear"),
        (network, ln.tasks.Batch(jnp.ones((2, 5)), jnp.ones((2, 1))), square, "PolynomialRegression, got a Batch"),
        (wide, task, square, "the network has 6 inputs, the task 5"),
        (network, task, ln.LpLoss(4.0), "holds squared error, got LpLoss"),
    ]:
        reason = theory.applies(net, setting, flow, loss)
        assert reason is not None and message in reason, reason
    assert "one output, got outputs of shape" in str(task.applies(ln.nn.DeepLinear([jnp.ones((2, 5))]), square))
    with pytest.raises(ValueError, match="small steps fails"):
        T.predict(network, task, TS, rule=ln.learn.Descent(50.0), theory=theory)
    with pytest.raises(ValueError, match=r"shapes \(4,\) and \(4, 4\), got \(3,\)"):
        ln.tasks.PolynomialRegression(jnp.ones((2, 4)), jnp.ones(3), jnp.ones((4, 4)))
    with pytest.raises(ValueError, match="at least one input and sample"):
        ln.tasks.PolynomialRegression.random(0, 3, key=jr.key(0))
    with pytest.raises(ValueError, match=r"\(hidden, in\), got \(3,\)"):
        ln.nn.QuadraticNetwork(jnp.ones(3), 1.0, 1.0)
    with pytest.raises(ValueError, match="LabelAlignment needs a PolynomialRegression"):
        ln.learn.LabelAlignment().bind(network, None, square)


def test_float32_and_members():
    network, task, *_ = problem(*CASES[1])
    theory, ts = T.PolynomialGrokking(), jnp.asarray(TS)
    scales = jnp.array([0.4, 1.1])
    solve = jax.jit(jax.vmap(lambda a: theory.solve(ln.nn.QuadraticNetwork(network.weights, a, 2.0), task, ts)["loss"]))
    assert_close(solve(scales)[0], T.predict(network, task, TS)["loss"], "ode")
    low = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), (network, task))
    predicted = T.predict(*low, jnp.asarray(TS, jnp.float32))
    assert predicted["test_loss"].dtype == jnp.float32
    assert_close(predicted["test_loss"], T.predict(network, task, TS)["test_loss"], "ode", jnp.float32)
