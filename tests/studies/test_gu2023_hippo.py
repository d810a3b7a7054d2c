"""The numerics of the study of memories, and one small run of it."""

import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from linnet import config, studies
from linnet.studies._gu2023_hippo import best_steps, explained, functions, kernels, power


def test_functions_are_orthonormal():
    nodes, weights = np.polynomial.legendre.leggauss(60)
    ts = (nodes + 1) / 2
    for kind in ("LegT", "FouT"):
        found = functions(kind, ts, 5)
        np.testing.assert_allclose((found * weights[:, None] / 2).T @ found, np.eye(5), atol=1e-12)
    # LegS on [0, inf) by s = e^-t: the weight e^-2t of two functions leaves ds s.
    found = functions("LegS", -np.log(ts), 5) / ts[:, None]
    np.testing.assert_allclose((found * weights[:, None] / 2).T @ found, np.eye(5), atol=1e-12)


def test_explained_variance_is_that_of_a_regression():
    kernel = kernels("LegT", 3, np.array([0.2]), 40)[0]
    inputs = np.random.default_rng(0).normal(size=20_000)
    states = np.stack([np.convolve(inputs, column)[40 : len(inputs)] for column in kernel.T], axis=1)
    for delay, expected in list(enumerate(explained(kernel)))[:6]:
        target = inputs[40 - delay : len(inputs) - delay]
        residual = target - states @ np.linalg.lstsq(states, target, rcond=None)[0]
        assert 1 - np.var(residual) / np.var(target) == pytest.approx(expected, abs=0.03)


def test_best_steps_are_maxima():
    steps = np.geomspace(0.01, 1, 21)
    curve = 1 - (np.log(steps) - np.log(0.13)) ** 2 / 20
    memory = xr.Dataset({"recalled": (("kind", "length", "dt"), curve[None, None])}, {"dt": steps})
    assert best_steps(memory)[0, 0] == pytest.approx(0.13, rel=1e-9)
    assert power([1, 2, 4], [3, 12, 48]) == pytest.approx(2)


@pytest.mark.slow
def test_a_small_study_holds():
    found = studies.STUDIES["gu2023-hippo"](config.load("gu2023-hippo", "quick"), key=jr.key(0))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lengths": (32, 64, 128)}, "--lengths must be at least four times --state-size, 64, got 32"),
        ({"fewer": (64, 32, 16)}, "--fewer needs three or more rising"),
        ({"state_size": 15}, "--state-size must be even"),
        ({"waves": 20}, "--waves must be at most the fewest states, 16, got 20"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("gu2023-hippo", "quick", **settings)
