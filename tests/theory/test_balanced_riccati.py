"""The matrix solution of two balanced layers against SciPy's integration of their weights."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import linnet as ln
from tests.theory import reference
from tests.tolerances import assert_close

T = ln.theory
TS = np.array([0.0, 0.05, 0.6, 1.5, 4.0, 12.0, 30.0])


def balanced(rng, num_in, hidden, num_out, balance, scale):
    """Weights with W2^T W2 - W1 W1^T = balance * I, from the singular values of a random map."""
    left, values, right_t = np.linalg.svd(scale * rng.normal(size=(num_out, num_in)))
    rotation = reference.orthonormal(rng, hidden, hidden)
    first, last = np.zeros((hidden, num_in)), np.zeros((num_out, hidden))
    for unit in range(hidden):
        value = values[unit] if unit < len(values) else 0.0
        root = np.sqrt(balance**2 + 4 * value**2)
        if unit < num_in:
            first += np.sqrt((root - balance) / 2) * np.outer(rotation[:, unit], right_t[unit])
        if unit < num_out:
            last += np.sqrt((root + balance) / 2) * np.outer(left[:, unit], rotation[:, unit])
    return [first, last]


def task_of(xx, yx, yy):
    return ln.tasks.Moments(xx=jnp.asarray(xx), yx=jnp.asarray(yx), yy=jnp.asarray(yy))


CASES = [
    # inputs, hidden, outputs, balance, scale of the map, variance of the inputs, rank of the task
    (5, 3, 4, 0.0, 1e-3, 1.0, None),
    (5, 3, 4, 0.7, 1.0, 1.0, None),
    (5, 3, 4, -5.0, 0.1, 2.5, None),
    (6, 4, 4, 3.0, 1e-3, 0.3, 2),
    (6, 4, 4, -0.5, 1.0, 1.0, 3),
    (3, 4, 5, 0.7, 1.0, 1.0, None),
    (3, 2, 7, 3.0, 1.0, 1.0, None),
    (4, 9, 3, 0.0, 0.5, 1.7, None),
    (1, 1, 1, -2.0, 0.3, 1.0, None),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_integration(case):
    num_in, hidden, num_out, balance, scale, variance, rank = case
    rng = np.random.default_rng(num_in + hidden)
    xx, yx, yy = reference.white_task(rng, num_in, num_out, variance, rank)
    weights = balanced(rng, num_in, hidden, num_out, balance, scale)
    task, net = task_of(xx, yx, yy), ln.nn.DeepLinear(weights)
    predicted = T.predict(net, task, TS, theory=T.BalancedRiccati())
    solved = T.balanced_representations(net, task, TS)
    modes = task.singular_modes()
    for index, (first, last) in enumerate(reference.integrate(weights, xx, yx, TS)):
        linear_map = last @ first
        assert_close(solved.maps[index], linear_map, "closed_form")
        assert_close(solved.inputs[index], first.T @ first, "closed_form")
        assert_close(solved.outputs[index], last @ last.T, "closed_form")
        assert_close(predicted["loss"][index], reference.loss(linear_map, xx, yx, yy), "closed_form")
        strengths = np.diag(np.asarray(modes.left).T @ linear_map @ np.asarray(modes.right))
        assert_close(predicted["mode_strengths"][index], strengths, "closed_form")


def test_long_times_reach_the_solution():
    rng = np.random.default_rng(1)
    xx, yx, yy = reference.white_task(rng, 7, 4)
    ts = np.array([0.0, 1e2, 1e4, 1e8])
    for balance in (0.0, 2.0, -2.0):
        net = ln.nn.DeepLinear(balanced(rng, 7, 4, 4, balance, 1e-2))
        solved = T.balanced_representations(net, task_of(xx, yx, yy), ts)
        assert_close(solved.maps[2:], np.stack([yx, yx]), "closed_form")
        # The limits of Domine et al. for the representations: (sqrt(lambda^2 + 4 s^2) -+ lambda) / 2.
        root = np.sqrt(balance**2 + 4 * np.linalg.svd(yx)[1] ** 2)
        assert_close(np.linalg.eigvalsh(solved.inputs[-1])[::-1][:4], (root - balance) / 2, "closed_form")
        assert_close(np.linalg.eigvalsh(solved.outputs[-1])[::-1], (root + balance) / 2, "closed_form")


def test_narrow_networks_end_at_the_best_approximation():
    rng = np.random.default_rng(2)
    xx, yx, yy = reference.white_task(rng, 6, 5)
    weights = balanced(rng, 6, 2, 5, 0.0, 0.1)
    solved = T.balanced_representations(ln.nn.DeepLinear(weights), task_of(xx, yx, yy), np.array([0.0, 1e4]))
    left, values, right_t = np.linalg.svd(yx, full_matrices=False)
    assert_close(solved.maps[-1], (left[:, :2] * values[:2]) @ right_t[:2], "closed_form")


def test_reversal_from_the_separatrix():
    """Zero-balanced weights at -U S V^T decay to the saddle at 0; with a balance they escape it and learn."""
    rng = np.random.default_rng(3)
    xx, yx, yy = reference.white_task(rng, 4, 4)
    left, values, right_t = np.linalg.svd(yx)
    rotation = reference.orthonormal(rng, 4, 4)
    task = task_of(xx, yx, yy)
    root = np.sqrt(values)
    stuck = ln.nn.DeepLinear([(rotation * root) @ right_t, -(left * root) @ rotation.T])
    solved = T.balanced_representations(stuck, task, np.array([0.0, 5.0]))
    assert float(jnp.max(jnp.sum(solved.maps[1] * yx))) < 1e-3
    large, little = (np.sqrt((np.sqrt(1 + 4 * values**2) + sign) / 2) for sign in (1, -1))
    free = ln.nn.DeepLinear([(rotation * little) @ right_t, -(left * large) @ rotation.T])
    assert_close(T.balanced_representations(free, task, np.array([0.0, 200.0])).maps[1], yx, "closed_form")


@pytest.mark.slow
def test_riccati_flow_of_any_symmetric_matrix():
    """Against the formula with matrix exponentials, where that is well-conditioned."""
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(6, 6))
    matrix = (matrix + matrix.T) / 4
    start = rng.normal(size=(6, 3))
    rates, basis = np.linalg.eigh(matrix)
    flow, places = T.riccati_flow(jnp.asarray(rates), jnp.asarray(basis.T @ start))
    for t in (0.0, 0.3, 2.0):
        factor = basis @ np.asarray(flow.factor(jnp.asarray(t))[places])
        grown = scipy.linalg.expm(matrix * t) @ start
        inner = np.eye(3) + start.T @ (grown_square(matrix, t)) @ start
        assert_close(factor @ factor.T, grown @ np.linalg.solve(inner, grown.T), "closed_form")


def grown_square(matrix, t):
    """The integral of e^{2 F s} from 0 to t, by the exponential of a block matrix."""
    num = len(matrix)
    blocks = np.zeros((2 * num, 2 * num))
    blocks[:num, :num], blocks[:num, num:] = 2 * matrix, np.eye(num)
    return scipy.linalg.expm(blocks * t)[:num, num:]


def test_tangent_kernel_and_its_distance():
    rng = np.random.default_rng(5)
    xx, yx, yy = reference.white_task(rng, 5, 3)
    weights = balanced(rng, 5, 3, 3, 0.6, 0.5)
    xs = jnp.asarray(rng.normal(size=(7, 5)))
    solved = T.balanced_representations(ln.nn.DeepLinear(weights), task_of(xx, yx, yy), TS)
    kernels = solved.tangent_kernel(xs)
    trained = [ln.nn.DeepLinear(w) for w in reference.integrate(weights, xx, yx, TS)]
    expected = [ln.analyse.tangent_kernel(net, xs) for net in trained]
    distances = [float(ln.analyse.kernel_distance(expected[0], kernel)) for kernel in expected]
    assert_close(kernels, np.stack(expected), "closed_form")
    np.testing.assert_allclose(solved.kernel_distance(xs), distances, rtol=1e-8, atol=1e-9)


def test_unbalanced_weights_are_refused_with_the_number():
    rng = np.random.default_rng(6)
    task = task_of(*reference.white_task(rng, 5, 3))
    weights = [rng.normal(size=(4, 5)), rng.normal(size=(3, 4))]
    matrix = weights[1].T @ weights[1] - weights[0] @ weights[0].T
    balance = np.trace(matrix) / 4
    strongest = np.linalg.svd(np.asarray(task.yx))[1][0]
    expected = np.linalg.norm(matrix - balance * np.eye(4), 2) / np.hypot(2 * strongest, balance)
    with pytest.raises(ValueError, match="balanced layers fails"):
        T.predict(ln.nn.DeepLinear(weights), task, TS, theory=T.BalancedRiccati())
    loose = T.predict(ln.nn.DeepLinear(weights), task, TS, theory=T.BalancedRiccati(), strict=False)
    (failed,) = [a for a in loose.assumptions if not bool(a.holds)]
    assert_close(failed.value, expected, "exact")


@pytest.mark.slow
def test_float32():
    rng = np.random.default_rng(7)
    xx, yx, yy = reference.white_task(rng, 6, 3)
    weights = balanced(rng, 6, 3, 3, 0.5, 1e-2)
    low, high = (
        jax.tree.map(lambda a, d=d: jnp.asarray(a, d), (ln.nn.DeepLinear(weights), task_of(xx, yx, yy)))
        for d in (jnp.float32, jnp.float64)
    )
    solve = eqx.filter_jit(T.BalancedRiccati().solve)
    a, b = (solve(*pair, jnp.asarray(TS)) for pair in (low, high))
    assert a["loss"].dtype == jnp.float32
    assert_close(a["loss"], b["loss"], "closed_form", jnp.float32)
    assert_close(a["mode_strengths"], b["mode_strengths"], "closed_form", jnp.float32)
