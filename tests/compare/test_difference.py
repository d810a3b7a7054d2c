"""Differences are computed by hand here, and unlike conditions are refused."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import linnet as ln


def _trajectory(ts, values, task=None, rule=None, name="loss", **labels):
    dims = {name: ("time", "mode") if values.ndim == 2 else ("time",)}
    rule = ln.learn.GradientFlow() if rule is None else rule
    return ln.Trajectory(jnp.asarray(ts), {name: jnp.asarray(values)}, dims, task=task, rule=rule, **labels)


def _task(seed=0):
    yx = jr.normal(jr.key(seed), (2, 3))
    return ln.tasks.Moments(jnp.eye(3), yx, yx @ yx.T)


def test_the_second_is_interpolated_to_the_first_within_its_range():
    task = _task()
    a = _trajectory(np.linspace(0, 3, 13), np.linspace(0, 3, 13) + 0.25, task)
    b = _trajectory(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]), task)
    found = ln.compare.difference(a, b)
    assert float(found.ts[-1]) == 2.0
    np.testing.assert_allclose(found.absolute["loss"], 0.25, atol=1e-12)
    np.testing.assert_allclose(found.relative["loss"], 0.25 / 2.25, atol=1e-12)


@pytest.mark.slow
def test_half_times_are_compared():
    task, ts = _task(), np.linspace(0, 10, 2001)
    curves = [1 / (1 + np.exp(-4 * (ts[:, None] - shift))) for shift in (np.array([3.0, 5.0]), np.array([3.3, 5.0]))]
    a, b = (_trajectory(ts, curve, task, name="mode_strengths") for curve in curves)
    compared = ln.compare.difference(a, b).half_times
    assert compared is not None
    first, second = compared
    np.testing.assert_allclose(first, [3, 5], atol=1e-4)
    np.testing.assert_allclose(second, [3.3, 5], atol=1e-4)
    assert "half times: at most 10 % apart" in str(ln.compare.difference(a, b))


@pytest.mark.parametrize("what", ["task", "rule", "loss"])
def test_unlike_conditions_are_refused_unless_allowed(what):
    ts, values = np.linspace(0, 1, 5), np.ones(5)
    other = {"task": _task(1), "rule": ln.learn.Descent(0.1), "loss": ln.LpLoss(4)}
    alike = {"task": _task(), "rule": ln.learn.GradientFlow(), "loss": ln.SquaredError()}
    a, b = _trajectory(ts, values, **alike), _trajectory(ts, values, **{**alike, what: other[what]})
    with pytest.raises(ValueError, match=f"different {what}"):
        ln.compare.difference(a, b)
    assert ln.compare.difference(a, b, allow=(what,)).relative["loss"] == 0


def test_samples_and_their_moments_are_one_task():
    batch = ln.tasks.Batch(jr.normal(jr.key(0), (20, 3)), jr.normal(jr.key(1), (20, 2)))
    other = ln.tasks.Batch(batch.x, -batch.y)
    assert ln.compare.same_task(batch, batch.moments())
    assert not ln.compare.same_task(other, batch.moments())


def test_an_ensemble_is_compared_with_one_prediction_per_member():
    task, ts = _task(), np.linspace(0, 1, 5)
    a = _trajectory(ts, np.ones(5), task)
    with pytest.raises(ValueError, match="no quantity over a common time"):
        ln.compare.difference(a, _trajectory(ts + 2, np.ones(5), task))


def test_half_time_is_interpolated_and_nan_where_never_reached():
    ts = jnp.array([0.0, 1.0, 2.0])
    strengths = jnp.array([[0.0, 0.0, 2.0], [0.4, -1.0, 2.0], [1.0, -2.0, 2.0]])
    np.testing.assert_allclose(ln.half_times(ts, strengths), [1 + 1 / 6, 1.0, 0.0])
    assert np.isnan(ln.half_times(ts, strengths, jnp.array([4.0, -8.0, 5.0]))).all()
