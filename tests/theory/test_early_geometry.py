"""The first geometry of hidden units against SciPy's integration of each unit, and against training; its scores."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from linnet import analyse, learn, nn, tasks, theory as T
from tests.tolerances import assert_close


def problem():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7, 4))
    return x, np.tanh(x @ rng.normal(size=(4, 2))), rng.uniform(0.5, 2, 7)


def units(activation, scale):
    network = nn.MLP((4, 6, 2), activation, use_bias=False, key=jr.key(1), dtype=jnp.float64)
    return nn.small(scale)(network, key=jr.key(2))


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_units_learn_each_for_itself(name):
    """Every unit's own equation by SciPy, at slopes of the activation as they are for small units."""
    x, y, weight = problem()
    network = units({"tanh": jnp.tanh, "relu": jax.nn.relu}[name], 1e-3)
    ts = np.array([0.0, 1.0, 3.0])
    found = T.representational_geometry(network, tasks.Batch(x, y, weight=jnp.asarray(weight)), jnp.asarray(ts))
    share = weight / weight.sum()
    start, borders = [np.asarray(m).T for m in network.weights], (4 * 6, 6 * 6)

    def field(t, state):
        w, a = state[: borders[0]].reshape(4, 6), state[borders[0] :].reshape(6, 2)
        drive = x @ w
        active = np.ones((7, 6)) if name == "tanh" else (drive > 0).astype(float)
        wanted = share[:, None] * y
        return np.concatenate([(x.T @ (active * (wanted @ a.T))).ravel(), ((active * drive).T @ wanted).ravel()])

    # Jumps of the field are passed in small steps.
    path = scipy.integrate.solve_ivp(
        field, (0, 3), np.concatenate([m.ravel() for m in start]), t_eval=ts, rtol=1e-8, atol=1e-12,
        max_step=np.inf if name == "tanh" else 0.02,
    )  # fmt: skip
    for index in range(3):
        drive = x @ path.y[: borders[0], index].reshape(4, 6)
        expected = drive if name == "tanh" else np.maximum(drive, 0)
        np.testing.assert_allclose(found.hidden[index], expected, rtol=1e-3, atol=1e-7)
    alignment = float(analyse.centred_kernel_alignment(found.hidden[2], jnp.asarray(y)))
    assert_close(found.target_alignment[2], alignment, "exact")


@pytest.mark.parametrize("activation", [pytest.param(jnp.tanh, marks=pytest.mark.slow), jax.nn.relu])
def test_training_from_small_weights_begins_so(activation):
    x, y, _ = problem()
    network, batch = units(activation, 1e-4), tasks.Batch(x, y)
    trained = learn.simulate(network, batch, [0.0, 2.0], rule=learn.Descent(2e-3)).network
    predicted = T.representational_geometry(network, batch, jnp.array([0.0, 2.0])).hidden[-1]
    hidden = np.asarray(activation(x @ trained.weights[0].T))
    np.testing.assert_allclose(predicted, hidden, rtol=2e-2, atol=1e-2 * np.max(np.abs(hidden)))


SIGNS = np.array([[a, b, c] for c in (1, -1) for a in (1, -1) for b in (-1, 1)])


def test_scores_by_brute_force():
    h = np.random.default_rng(3).normal(size=(8, 5))
    rows = {tuple(sign): row for sign, row in zip(SIGNS, h)}
    scores = analyse.parallelism_score(jnp.asarray(h), SIGNS)
    found = analyse.cross_condition_generalization(jnp.asarray(h), SIGNS, 0.7)
    for variable in range(3):
        others = list({tuple(np.delete(sign, variable)) for sign in SIGNS})
        low, high = ([rows[tuple(np.insert(o, variable, side))] for o in others] for side in (-1, 1))
        steps = [b - a for a, b in zip(low, high)]
        cosines = [steps[i] @ steps[j] / np.linalg.norm(steps[i]) / np.linalg.norm(steps[j])
                   for i in range(4) for j in range(i)]  # fmt: skip
        assert_close(scores[variable], np.mean(cosines), "exact")
        spread, right = np.sqrt(np.mean(np.sum((h - h.mean(0)) ** 2, axis=1))), []
        for held in range(4):
            means = [np.mean([v for i, v in enumerate(side) if i != held], axis=0) for side in (low, high)]
            w, middle = means[1] - means[0], (means[0] + means[1]) / 2
            for side, row in ((-1, low[held]), (1, high[held])):
                right.append(scipy.stats.norm.cdf(side * w @ (row - middle) / np.linalg.norm(w) / (0.7 * spread)))
        assert_close(found[variable], np.mean(right), "closed_form")


def test_scores_of_a_cube_and_of_corners_apart():
    cube = jnp.asarray(SIGNS.astype(float))
    np.testing.assert_allclose(analyse.parallelism_score(cube, SIGNS), 1.0)
    np.testing.assert_allclose(analyse.cross_condition_generalization(cube, SIGNS, 1e-3), 1.0)
    np.testing.assert_allclose(analyse.parallelism_score(jnp.eye(8), SIGNS), 0.0, atol=1e-12)


def test_what_does_not_fit_is_refused():
    x, y, _ = problem()
    batch, ts = tasks.Batch(x, y), jnp.array([0.0, 1.0])
    with pytest.raises(ValueError, match="without biases"):
        T.representational_geometry(nn.MLP((4, 6, 2), key=jr.key(0)), batch, ts)
    with pytest.raises(ValueError, match="2 hidden layers"):
        T.representational_geometry(nn.MLP((4, 6, 6, 2), use_bias=False, key=jr.key(0)), batch, ts)
    with pytest.raises(ValueError, match=r"\(2, 5\), the samples need \(2, 4\)"):
        T.representational_geometry(nn.MLP((5, 6, 2), use_bias=False, key=jr.key(0)), batch, ts)
    with pytest.raises(ValueError, match="another one"):
        T.representational_geometry(nn.MLP((4, 6, 2), jax.nn.sigmoid, use_bias=False, key=jr.key(0)), batch, ts)
    with pytest.raises(ValueError, match="two or more variables"):
        analyse.parallelism_score(jnp.eye(2), SIGNS[:2, :1])
    with pytest.raises(ValueError, match="8 combinations"):
        analyse.parallelism_score(jnp.eye(4), SIGNS[:4])
