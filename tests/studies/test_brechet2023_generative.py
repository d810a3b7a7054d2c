"""The numerics under the study of generated covariances, against SciPy, finite differences and closed forms."""

import jax.random as jr
import numpy as np
import pytest
import scipy.linalg

from linnet import config, studies
from linnet.studies._brechet2023_generative import differences, distance, late_rate, root_of, slope


def problem():
    rng = np.random.default_rng(0)
    inner = rng.normal(size=(3, 3))
    return inner @ inner.T + 0.1 * np.eye(3), rng.normal(size=(3, 4))


def test_roots_and_distances_are_those_of_scipy():
    covariance, linear_map = problem()
    root = scipy.linalg.sqrtm(covariance)
    np.testing.assert_allclose(root_of(covariance), root, rtol=1e-9, atol=1e-10)
    made = linear_map @ linear_map.T
    cross = scipy.linalg.sqrtm(root @ made @ root)
    np.testing.assert_allclose(distance(linear_map, covariance), np.trace(covariance + made - 2 * cross), rtol=1e-9)
    # Of commuting covariances it is the distance of standard deviations.
    np.testing.assert_allclose(distance(np.diag([1.0, 2.0]), np.diag([4.0, 9.0])), 2.0)


@pytest.mark.parametrize(("smoothing", "rank"), [(0.0, 4), (0.2, 4), (0.0, 2), (0.2, 2)])
def test_the_slope_is_a_finite_difference(smoothing, rank):
    covariance, linear_map = problem()
    linear_map = linear_map[:, :rank]
    found = differences(lambda at: np.array(distance(at, covariance, smoothing)), linear_map, 1e-5)
    np.testing.assert_allclose(found.ravel(), slope(linear_map, covariance, smoothing).ravel(), rtol=1e-6, atol=1e-7)


def test_rates_of_an_exponential_are_found_above_its_floor():
    ts = np.linspace(0, 20, 400)
    curve = np.exp(-1.7 * ts) + 1e-3 * np.exp(-9 * ts) + 1e-13 * (1 + np.sin(ts))
    np.testing.assert_allclose(late_rate(ts, curve, 1e-9, 1e-3), 1.7, rtol=1e-3)
    assert np.isnan(late_rate(ts, np.ones(400), 1e-9, 1e-3))


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("brechet2023-generative", "quick", seeds=2, smallest=(0.3, 0.6))
    found = studies.STUDIES["brechet2023-generative"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 5
