"""Half times to expect from random weights, against ensembles trained by NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

import linnet as ln
from tests.theory import reference
from tests.tolerances import assert_close

T = ln.theory


def task_of(values):
    num = len(values)
    yx = jnp.diag(jnp.asarray(values))
    return ln.tasks.Moments(xx=jnp.eye(num), yx=yx, yy=yx @ yx.T)


def measure(values, sizes, std, members, step, num_steps):
    """The half times of every member, "member mode", from Gaussian weights of one standard deviation."""
    rng = np.random.default_rng(0)
    weights = [std * rng.normal(size=(members, after, before)) for before, after in zip(sizes[:-1], sizes[1:])]
    ts, maps = reference.train_ensemble(weights, np.diag(values), step, num_steps)
    strengths = np.moveaxis(np.diagonal(maps, axis1=2, axis2=3), 1, 0)
    return np.array([reference.half_time(ts, member, values) for member in strengths])


def within(measured, expected, sigmas=4, rest=0.0):
    """The median of the members within some standard errors (1.25 sigma / sqrt(n)) and a systematic part."""
    median = np.median(measured, axis=0)
    error = 1.2533 * np.std(measured, axis=0) / np.sqrt(len(measured))
    assert np.all(np.abs(expected - median) < sigmas * error + rest * median), (expected / median, error / median)


VALUES = 1.3 ** -np.arange(6.0)


def test_two_layers():
    measured = measure(VALUES, (6, 24, 6), 1e-3, 64, 0.1, 400)
    within(measured, T.expected_half_times(task_of(VALUES), std=1e-3, hidden_size=24), rest=0.01)


def test_three_layers_are_good_to_a_tenth():
    measured = measure(VALUES, (6, 24, 24, 6), 5e-3, 24, 0.4, 900)
    within(measured, T.expected_half_times(task_of(VALUES), std=5e-3, hidden_size=24, depth=3), sigmas=3, rest=0.1)


def test_one_layer_begins_at_zero():
    assert_close(
        T.expected_half_times(task_of(VALUES), std=1e-3, hidden_size=1, depth=1), np.full(6, np.log(2)), "exact"
    )


def test_modes_beyond_the_hidden_size_are_not_learned():
    for depth in (2, 3):
        times = np.asarray(T.expected_half_times(task_of(VALUES), std=1e-3, hidden_size=4, depth=depth))
        assert np.all(np.isfinite(times[:4])) and np.all(np.isnan(times[4:]))


def test_the_median_of_the_growing_part_is_that_of_its_law():
    """Two layers, first mode: u0 = |z|^2 with z of 12 components of variance sigma^2 / 2."""
    draws = np.sum(np.random.default_rng(0).normal(scale=np.sqrt(0.5), size=(200_000, 12)) ** 2, axis=1)
    expected = T.expected_strengths(1, std=1.0, hidden_size=12)[0]
    # The density at the median is about 0.16, so that its standard error is 1 / (2 * 0.16 * sqrt(n)) = 0.007.
    assert abs(float(expected) - np.median(draws)) < 0.028


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        T.expected_strengths(3, std=1.0, hidden_size=0)
