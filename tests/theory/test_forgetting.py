"""The forgetting formula against the paper's sums, Monte Carlo and gradient flow; continual tasks and their ends."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import analyse, learn, nn, tasks, theory as T
from tests.tolerances import assert_close


def teachers(seed, num, num_in):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num, num_in)) * rng.uniform(0.2, 2.0, size=(num, 1)) / np.sqrt(num_in)


def printed(w, n, sigma):
    """Forgetting and generalisation as they are printed, sums written out."""
    num, p = w.shape
    r, noise = 1 - n / p, p * sigma**2 / (p - n - 1)
    norm = np.sum(w**2, axis=1)
    apart = np.sum((w[:, None] - w) ** 2, axis=2)
    forgotten = 0.0
    for i in range(1, num):
        forgotten += (r**num - r**i) * norm[i - 1] + noise * (r**i - r**num)
        for j in range(i + 1, num + 1):
            c = (1 - r) * (r ** (num - i) - r ** (j - i) + r ** (num - j))
            forgotten += c * apart[i - 1, j - 1]
    known = r**num / num * norm.sum() + noise * (1 - r**num)
    for i in range(1, num + 1):
        known += (1 - r) / num * r ** (num - i) * apart[i - 1].sum()
    return forgotten / (num - 1), known


@pytest.mark.parametrize(("num", "num_in", "samples", "noise"), [(2, 20, 7, 0.0), (5, 31, 24, 0.4), (9, 12, 3, 0.1)])
def test_the_recursion_is_the_printed_formula(num, num_in, samples, noise):
    w = teachers(num, num, num_in)
    formula = T.expected_forgetting(tasks.ContinualRegression(w, samples, noise))
    forgotten, known = printed(w, samples, noise)
    assert_close(formula.forgetting, forgotten, "closed_form")
    assert_close(formula.generalization, known, "closed_form")


def test_weights_are_slopes_of_the_recursion():
    """Each weight is what a small change of one distance does to the recursion, distances taken as free numbers."""
    num, keep = 5, 0.4

    def forgetting(apart):
        errors = [np.ones(num)]
        for t in range(num):
            errors.append(keep * errors[-1] + (1 - keep) * apart[t])
        return np.mean([errors[-1][i] - errors[i + 1][i] for i in range(num - 1)])

    base = forgetting(np.zeros((num, num)))
    found = np.asarray(T.forgetting_weights(keep, num))
    for i in range(num):
        for j in range(i + 1, num):
            apart = np.zeros((num, num))
            apart[i, j] = apart[j, i] = 1.0
            np.testing.assert_allclose(found[i, j], forgetting(apart) - base, atol=1e-14)
    assert found[0, 1] < 0 < found[2, 3] and np.all(np.tril(found) == 0)


@pytest.mark.parametrize(("num_in", "samples"), [(14, 5), (6, 9)])
def test_monte_carlo_from_any_start(num_in, samples):
    """Also with more samples than inputs, which the paper leaves out."""
    task = tasks.ContinualRegression(teachers(3, 3, num_in), samples, 0.5)
    start = np.random.default_rng(4).normal(size=num_in) / 2
    keys = jr.split(jr.key(5), 2000)
    maps = jax.vmap(lambda key: learn.minimum_norm(task.draw(key=key), jnp.asarray(start)[None])[:, 0])(keys)
    errors = np.sum((np.asarray(maps)[:, :, None] - np.asarray(task.teachers)) ** 2, axis=-1)
    expected = np.asarray(T.expected_forgetting(task, start=jnp.asarray(start)).errors)
    gap = (errors.mean(0) - expected)[1:]
    scores = gap / (errors.std(0)[1:] / np.sqrt(len(keys)))
    # Nine numbers: four standard errors are passed by chance once in two thousand seeds.
    assert np.max(np.abs(scores)) < 4
    np.testing.assert_allclose(errors[:, 0].mean(0), expected[0], rtol=1e-12)


def test_minimum_norm_is_the_end_of_gradient_flow():
    task = tasks.ContinualRegression(teachers(6, 3, 6), 3, 0.3)
    sequence = task.draw(key=jr.key(7), duration=400.0)
    x, y = np.asarray(sequence.x), np.asarray(sequence.y)
    start = np.random.default_rng(8).normal(size=(1, 6))
    maps, w = [start], start
    for a, b in zip(x, y):
        w = w + (b - a @ w.T).T @ np.linalg.pinv(a).T
        maps.append(w)
    found = learn.minimum_norm(sequence, jnp.asarray(start))
    assert_close(found, np.stack(maps), "closed_form")
    network = nn.DeepLinear([jnp.asarray(start)])
    ts = 400.0 * np.arange(4)
    observe = (learn.Loss(), learn.TaskLosses())
    flow = learn.simulate(network, sequence, ts, observe=observe)
    errors = np.sum((np.stack(maps) - np.asarray(task.teachers)) ** 2, axis=-1)
    np.testing.assert_allclose(2 * flow["task_losses"], errors, rtol=1e-4, atol=1e-7)
    assert float(analyse.forgetting(2 * flow["task_losses"])) == pytest.approx(
        np.mean([errors[3, i] - errors[i + 1, i] for i in range(2)]), rel=1e-4
    )


def test_descent_learns_every_task_for_its_steps():
    """The step at a border is the first of the next task, whatever rounding makes of step times rate."""
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(3, 2, 4)), rng.normal(size=(3, 2, 1))
    w, rate, per_task = np.zeros((1, 4)), 0.1, 7
    for step in range(3 * per_task):
        a, b = x[step // per_task], y[step // per_task]
        w = w - rate * ((a @ w.T - b).T @ a) / 2
    sequence = tasks.TaskSequence(x, y, per_task * rate)
    network = nn.DeepLinear([jnp.zeros((1, 4))])
    end = learn.simulate(network, sequence, [0.0, 3 * per_task * rate], rule=learn.Descent(rate))
    assert_close(end.network.end_to_end(), w, "exact")


def test_what_does_not_fit_is_refused():
    w = teachers(0, 3, 6)
    for samples in (5, 6, 7):
        with pytest.raises(ValueError, match="infinite.*6 inputs"):
            T.expected_forgetting(tasks.ContinualRegression(w, samples, 0.1))
    with pytest.raises(ValueError, match="shape of a teacher"):
        T.expected_forgetting(tasks.ContinualRegression(w, 3), start=jnp.zeros(5))
    with pytest.raises(ValueError, match="teachers of shape"):
        tasks.ContinualRegression(w[0], 3)
    with pytest.raises(ValueError, match="two or more tasks"):
        analyse.forgetting(jnp.zeros((2, 1)))
    with pytest.raises(ValueError, match="two tasks"):
        T.forgetting_weights(0.5, 1)
    with pytest.raises(ValueError, match="as many tasks"):
        tasks.TaskSequence(np.zeros((3, 2, 4)), np.zeros((2, 2, 1)))
    with pytest.raises(ValueError, match="both"):
        tasks.TaskSequence(np.zeros((3, 2, 4)), np.zeros((3, 2, 1)), test_x=np.zeros((3, 2, 4)))
    sequence = tasks.ContinualRegression(w, 3).draw(key=jr.key(0))
    with pytest.raises(ValueError, match=r"output has the shape \(2,\), the targets \(1,\)"):
        learn.simulate(nn.DeepLinear([jnp.ones((2, 6))]), sequence, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"one input of shape \(6,\)"):
        learn.simulate(nn.DeepLinear([jnp.ones((1, 5))]), sequence, [0.0, 1.0])
