"""The divergence in state space against dense histograms in NumPy, closed forms and brute force over all pairs."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from linnet import analyse
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(3)
TRUTH = RNG.standard_normal((3000, 3)) @ np.array([[1.0, 0.4, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.5]]) + 2.0
GENERATED = RNG.standard_normal((2500, 3)) * 1.4 + 2.3


def dense(truth, generated, low, high, bins, alpha, outside):
    """The definition, with a dense histogram."""
    edges = [np.linspace(a, b, bins + 1) for a, b in zip(low, high, strict=True)]
    p, q = (np.histogramdd(points, bins=edges)[0].ravel() for points in (truth, generated))
    if outside == "cell":
        p, q = np.append(p, len(truth) - p.sum()), np.append(q, len(generated) - q.sum())
    p, q = ((counts + alpha) / (counts.sum() + alpha * len(counts)) for counts in (p, q))
    return np.sum(p * np.log(p / q))


def span(truth, binning):
    spread, mean = truth.std(axis=0), truth.mean(axis=0)
    return {
        "gtf": (truth.min(axis=0) - 0.1 * spread, truth.max(axis=0) + 0.1 * spread),
        "range": (truth.min(axis=0), truth.max(axis=0)),
        "std": (mean - 2 * spread, mean + 2 * spread),
    }[binning]


@pytest.mark.parametrize("outside", ["cell", "drop"])
@pytest.mark.parametrize("binning", ["gtf", "range", "std"])
@pytest.mark.parametrize("bins", [1, 30])
def test_it_is_the_definition_with_a_dense_histogram(binning, bins, outside):
    found = analyse.state_space_divergence(TRUTH, GENERATED, binning=binning, bins=bins, outside=outside)
    low, high = span(TRUTH, binning)
    assert_close(found.value, dense(TRUTH, GENERATED, low, high, bins, 1e-5, outside), "closed_form")
    out = np.mean(np.any((GENERATED < low) | (GENERATED > high), axis=1))
    assert_close(found.outside, out, "exact")
    assert 0 < out < 1


def test_no_bin_is_dropped():
    """Points of the first bins count: the published code gives 0 here, for it drops them from both histograms."""
    truth = np.array([[0.0], [0.0], [0.0], [1.0]])
    generated = np.array([[0.0], [1.0], [1.0], [1.0]])
    found = analyse.state_space_divergence(truth, generated, binning="range", bins=2, smoothing=1e-12)
    assert_close(found.value, 0.75 * np.log(3) - 0.25 * np.log(3), "closed_form")


def test_an_orbit_is_at_no_distance_from_itself_in_any_dimension():
    points = RNG.standard_normal((500, 200))
    assert_close(analyse.state_space_divergence(points, points).value, 0.0, "exact")


@pytest.mark.parametrize("size", [4, 64])
def test_many_dimensions_are_what_their_cells_say(size):
    """Points on a line fill as many cells as in one dimension; the empty ones differ, by the smoothing alone."""
    first, second = (np.repeat(np.linspace(0, 1, 400)[:, None] ** power, size, axis=1) for power in (1, 2))
    found = analyse.state_space_divergence(first, second, binning="range", bins=10, smoothing=1e-70, outside="drop")
    p, q = (np.histogram(points[:, 0], bins=10, range=(0, 1))[0] / 400 for points in (first, second))
    assert_close(found.value, np.sum(p * np.log(p / q)), "closed_form")


def test_smoothing_says_where_there_are_too_many_bins():
    few = analyse.state_space_divergence(TRUTH, GENERATED)
    inside = round(len(GENERATED))
    assert_close(few.smoothing, 1e-5 * (30**3 + 1) / (inside + 1e-5 * (30**3 + 1)), "closed_form")
    wide = RNG.standard_normal((2, 1000, 12))
    many = analyse.state_space_divergence(*wide)
    assert float(many.smoothing) > 0.999999
    assert float(many) < 1e-3  # two clouds that share no cell, and yet


def test_points_that_left_the_range_are_counted_and_cost():
    half = np.concatenate([TRUTH[:1500], np.full((1500, 3), 1e30)])
    half[2000:2100] = np.nan
    lost = analyse.state_space_divergence(TRUTH, half)
    assert_close(lost.outside, 0.5, "exact")
    kept = analyse.state_space_divergence(TRUTH, TRUTH[:1500])
    dropped = analyse.state_space_divergence(TRUTH, half, outside="drop")
    np.testing.assert_allclose(dropped.value, kept.value, rtol=1e-3)  # what the published form does not see
    np.testing.assert_allclose(lost.value, kept.value + np.log(2), rtol=0.02)


def test_a_divergent_orbit_is_far_away_and_never_not_a_number():
    gone = np.full((100, 3), np.nan)
    found = analyse.state_space_divergence(TRUTH, gone)
    low, high = span(TRUTH, "gtf")
    assert_close(found.value, dense(TRUTH, np.full((100, 3), 1e9), low, high, 30, 1e-5, "cell"), "closed_form")
    assert float(found.outside) == 1
    assert float(analyse.state_space_divergence(TRUTH, gone, outside="drop")) == np.inf


def test_float32_agrees_and_nothing_compiles_twice():
    with count_compilations() as first:
        single = analyse.state_space_divergence(TRUTH.astype(np.float32), GENERATED.astype(np.float32))
    assert single.value.dtype == jnp.float32
    np.testing.assert_allclose(single.value, analyse.state_space_divergence(TRUTH, GENERATED).value, rtol=2e-3)
    with count_compilations() as second:
        analyse.state_space_divergence(TRUTH[::-1].astype(np.float32), GENERATED.astype(np.float32))
    assert len(first) > 0 and len(second) == 0


def brute_log_density(samples, points, variance):
    kernel = multivariate_normal(np.zeros(points.shape[1]), variance * np.eye(points.shape[1]))
    return np.log(np.mean(kernel.pdf(samples[:, None] - points[None]), axis=1))


def test_mixture_is_the_divergence_of_all_pairs():
    """Against SciPy's densities at other samples, within the errors of both."""
    truth, generated = TRUTH[:400], GENERATED[:300]
    found = analyse.state_space_divergence(
        truth, generated, method="mixture", variance=0.3, num_samples=4000, key=jr.key(1)
    )
    samples = truth[RNG.integers(0, 400, 4000)] + np.sqrt(0.3) * RNG.standard_normal((4000, 3))
    ratios = brute_log_density(samples, truth, 0.3) - brute_log_density(samples, generated, 0.3)
    error = np.hypot(ratios.std() / np.sqrt(4000), float(found.standard_error))
    assert abs(float(found) - ratios.mean()) < 4 * error
    assert error < 0.1 * float(found)


def test_mixture_of_one_point_each_is_the_closed_form():
    """Two Gaussians of one variance: the squared distance over twice the variance."""
    truth, generated = np.zeros((2, 5)), np.full((3, 5), 2.0)
    truth[1] = 1e-9
    found = analyse.state_space_divergence(
        truth, generated, method="mixture", variance=2.0, num_samples=40_000, key=jr.key(0)
    )
    assert abs(float(found) - 5.0) < 4 * float(found.standard_error) < 0.1


def test_mixture_has_no_sample_of_density_zero():
    far = analyse.state_space_divergence(TRUTH, TRUTH + 1e4, method="mixture", key=jr.key(0))
    assert 1e7 < float(far) < 1e9
    gone = analyse.state_space_divergence(TRUTH, np.full((5, 3), np.nan), method="mixture", key=jr.key(0))
    assert float(gone) == np.inf and float(gone.outside) == 1


def test_mixture_forgets_points_that_are_no_numbers_with_their_weight():
    half = np.concatenate([TRUTH, np.full_like(TRUTH, np.nan)])
    found = analyse.state_space_divergence(TRUTH, half, method="mixture", key=jr.key(0))
    assert_close(found.value, np.log(2), "closed_form")
    assert_close(found.outside, 0.5, "exact")


CONSTANT = np.array(TRUTH)
CONSTANT[:, 1] = 4.0


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((TRUTH, GENERATED), {"method": "kernel"}, ["bins", "kernel"]),
        ((TRUTH, GENERATED), {"binning": "default"}, ["gtf", "default"]),
        ((TRUTH, GENERATED), {"outside": "keep"}, ["drop", "keep"]),
        ((TRUTH, GENERATED), {"bins": 0}, ["at least one bin", "0"]),
        ((TRUTH, GENERATED), {"method": "mixture"}, ["key"]),
        ((TRUTH, GENERATED), {"method": "mixture", "variance": 0.0, "key": jr.key(0)}, ["variance", "0.0"]),
        ((TRUTH, GENERATED[:, :2]), {}, ["(3000, 3)", "(2500, 2)"]),
        ((TRUTH[:1], GENERATED), {}, ["two points", "1"]),
        ((CONSTANT, GENERATED), {}, ["constant", "1"]),
        ((np.where(TRUTH > 4, np.nan, TRUTH), GENERATED), {}, ["finite"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(arguments, options, words):
    with pytest.raises(ValueError) as caught:
        analyse.state_space_divergence(*arguments, **options)
    for word in words:
        assert word in str(caught.value)
