"""The numerics under the study of stability, against SciPy and brute force."""

import jax.random as jr
import numpy as np
import pytest
from scipy.optimize import minimize

from linnet import config, studies
from linnet.studies._proca2025_stability import fixed_output_loss, importances, largest_curvature, least_energy


def energy(weights, values):
    a, b, c = weights
    lags = len(values) - 1 - np.arange(len(values))
    return 0.5 * np.sum((values - c * b**lags * a) ** 2)


def test_importances_count_from_the_end_or_from_the_beginning():
    np.testing.assert_allclose(importances("inverse-exponential", 3, [0.5]), [[0.25], [0.5], [1]])
    np.testing.assert_allclose(importances("exponential", 3, [0.5]), [[0.5], [0.25], [0.125]])
    np.testing.assert_allclose(importances("late", 3, [1.0])[:, 0], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(np.linalg.norm(importances("other", 5, [1, 1, 1]), axis=0), 1)


def test_the_least_energy_on_a_grid_is_that_of_an_optimiser():
    values = importances("other", 5, [1, 1, 1, 1])
    found, best = least_energy(values)
    for mode in range(4):
        starts = [(1, b, 0.5) for b in (0.2, 0.7, 1.3, 2.0)]
        results = [minimize(energy, start, values[:, mode], tol=1e-14) for start in starts]
        lowest = min(results, key=lambda result: result.fun)
        np.testing.assert_allclose(found[mode], lowest.fun, atol=1e-7)
        np.testing.assert_allclose(best[mode], lowest.x[1], atol=1e-3)


def test_the_largest_curvature_is_that_of_the_hessian_by_finite_differences():
    window, strength, step = 4, 1.7, 1e-4
    solution, values = np.array([np.sqrt(strength), 1, np.sqrt(strength)]), np.full(window, strength)
    hessian = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        first, second = step * np.eye(3)[i], step * np.eye(3)[j]
        corners = [(first + second, 1), (first - second, -1), (second - first, -1), (-first - second, 1)]
        hessian[i, j] = sum(sign * energy(solution + move, values) for move, sign in corners) / (4 * step**2)
    np.testing.assert_allclose(largest_curvature(strength, window), np.linalg.eigvalsh(hessian)[-1], rtol=1e-5)


def test_the_loss_of_a_fixed_output_is_summed_by_hand():
    rates, length = np.array([0.8, 1.2]), 5
    expected = 0.0
    for rate in rates:
        asked, given = importances("exponential", length, [rate])[:, 0], (1 / rate) ** np.arange(length)[::-1] * rate**3
        expected += 0.5 * np.sum((asked - given) ** 2)
    np.testing.assert_allclose(fixed_output_loss(rates, 3, length), expected)
    np.testing.assert_allclose(fixed_output_loss(rates, 3, 3), 0, atol=1e-30)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("proca2025-stability", "quick", rates=(0.8, 1.25), hidden=6, points=12, extrapolate=2)
    found = studies.STUDIES["proca2025-stability"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)
