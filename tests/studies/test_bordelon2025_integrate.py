"""The numerics of the study of learning to integrate, and one small run of it."""

import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

from linnet import analyse, config, nn, studies, tasks
from linnet.studies._bordelon2025_integrate import _members, best_single_mode, passing, solution_sharpness


@pytest.mark.parametrize(("decay", "frequency"), [(0.3, 0.0), (0.25, 1.5), (0.8, 0.6)])
def test_the_best_single_mode_is_that_of_a_grid(decay, frequency):
    """Integrals of the target and of exponentials by quadrature, the best amplitude and rate by a grid."""
    lags = np.linspace(0, 60, 60001)
    target = np.exp(-decay * lags) * np.cos(frequency * lags)

    def integral(values):
        return scipy.integrate.simpson(values, x=lags)

    power, best = integral(target**2), np.inf
    for rate in np.geomspace(0.05, 20, 200):
        mode = np.exp(-rate * lags)
        best = min(best, power - integral(mode * target) ** 2 / integral(mode**2))
    assert best_single_mode(decay, frequency) == pytest.approx(best / power, abs=1e-3)


@pytest.mark.slow
def test_the_sharpness_of_the_solution_is_that_of_a_network():
    network = nn.LeakyLinearRNN([[1.0]], [[1 - 0.2]], [[1.0]])
    found = analyse.sharpness(network, tasks.ContinuousIntegration(0.2), num_iterations=3)
    assert solution_sharpness(0.2) == pytest.approx(float(found), rel=1e-8)


def test_passing():
    ts, losses = np.arange(4.0), np.array([1.0, 0.8, 0.4, 0.0])
    assert passing(ts, losses, 0.6) == pytest.approx(1.5)
    assert passing(ts, losses, 1.0) == 0
    assert passing(ts, losses[:2], 0.5) == np.inf


def test_bulks_have_their_radius():
    settings = config.load("bordelon2025-integrate", "quick")
    members = _members(settings, np.random.default_rng(0))
    for name, radius in (("zero", 0.0), ("small", settings.small), ("large, frozen", settings.large)):
        found = np.linalg.eigvals(members.recurrent[members.groups == name])
        np.testing.assert_allclose(np.max(np.abs(found), axis=1), radius, atol=1e-12)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("bordelon2025-integrate", "quick", seeds=1)
    found = studies.STUDIES["bordelon2025-integrate"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"large": 1.0}, "--large must be below 1"),
        ({"decay": 0.99}, "--decay must be below 1 - 0.02"),
        ({"timescales": (8.0, 4.0)}, "--timescales needs two or more rising"),
        ({"timescales": (0.5, 4.0)}, "--timescales must be above 1"),
        ({"hidden": 2}, "--hidden must be at least 3"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("bordelon2025-integrate", "quick", **settings)
