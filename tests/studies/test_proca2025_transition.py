"""The numerics under the study of the transition."""

import jax.random as jr
import numpy as np
from scipy.integrate import solve_ivp

from linnet.studies._proca2025_transition import _crossing, _least_energy, _train


def test_trained_networks_end_where_the_mode_equations_of_the_paper_lead():
    """a, b, c by SciPy from the printed sums, from a = b = c = 0.6, for s = (1.3, 0, 0, 1)."""
    window, importances, start = 4, np.array([1.3, 0, 0, 1.0]), 0.6

    def field(t, state):
        a, b, c = state
        lags = window - np.arange(1, window + 1)
        gap = importances - c * b**lags * a
        slope = np.where(lags > 0, lags * b ** np.maximum(lags - 1, 0), 0)
        return np.sum(c * b**lags * gap), np.sum(slope * a * c * gap), np.sum(a * b**lags * gap)

    expected = solve_ivp(field, (0, 20), [start] * 3, rtol=1e-10, atol=1e-12).y[:, -1]
    b, u = _train(jr.key(0), [3, window], {"early": np.array([1.3]), "strength": np.array([start])}, 20.0)
    b, u = b[1, 0, 0], u[1, 0, 0]
    np.testing.assert_allclose(b, expected[1], rtol=1e-3)  # descent in steps of 0.004
    np.testing.assert_allclose(u, expected[0] * expected[2], rtol=1e-3)


def test_least_energy_of_three_steps_is_feedforward_up_to_one_half():
    found = _least_energy(3, np.array([0.3, 0.49, 0.52, 1.0]), 3.0)
    assert (found[:2] == 0).all() and (found[2:] > 0).all()


def test_crossing_counts_divergence_as_recurrent():
    ratios = np.array([1.0, 2.0, 4.0, 8.0])
    assert _crossing(ratios, np.array([0.0, 0.05, 0.5, np.nan])) == np.sqrt(8)
    assert _crossing(ratios, np.array([0.0, 0.0, 0.0, np.nan])) == np.sqrt(32)
    assert _crossing(ratios, np.zeros(4)) == np.inf
