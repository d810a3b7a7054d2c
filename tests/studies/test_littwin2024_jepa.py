"""The numerics under the study of predicted codes and views, against samples, brute force and finite differences."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies, tasks
from linnet.studies._littwin2024_jepa import (
    Unstopped,
    in_order,
    integrated_time,
    passing_times,
    two_frames,
    two_noisy_views,
)


@pytest.mark.parametrize("views", [two_frames, two_noisy_views])
def test_views_have_their_covariances(views):
    lam, rho = np.array([1.0, 0.5]), np.array([0.4, 1.0 if views is two_noisy_views else 0.9])
    x, y = views(np.random.default_rng(0), 100_000, lam, rho)
    # Within five standard errors; successive frames count about ten times less.
    np.testing.assert_allclose(y.T @ x / len(x), np.diag(lam), atol=0.08)
    for view in (x, y):
        np.testing.assert_allclose(view.T @ view / len(x), np.diag(lam / rho), atol=0.08)


def test_passing_times_and_order():
    ts = np.concatenate([[0], np.geomspace(0.1, 10, 400)])
    rates = np.array([2.0, 1.0, 0.5])
    curves = 1 - np.exp(-ts[:, None] * rates)
    found = passing_times(ts, curves[None], np.full((1, 3), 0.5))
    np.testing.assert_allclose(found[0], np.log(2) / rates, rtol=1e-4)
    assert np.isnan(passing_times(ts, curves, np.full(3, 1.5))).all()
    assert in_order(found, rates) == 1 and in_order(found, -rates) == 0
    assert in_order(np.array([[1.0, 3.0, 2.0]]), np.array([3.0, 2.0, 1.0])) == pytest.approx(2 / 3)


def test_integrated_time_of_one_layer_is_logistic():
    """Reconstruction by one layer and a decoder: w^2 of a logistic curve."""
    lam, rho, start = 0.8, 0.5, 1e-3
    end = rho
    logit = [np.log(u / (end - u)) for u in (start**2, 0.25 * end)]
    np.testing.assert_allclose(
        integrated_time("views", lam, rho, start, 1), (logit[1] - logit[0]) / (2 * lam), rtol=1e-6
    )


def test_without_the_stop_the_loss_is_the_same():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 6))
    joint = root @ root.T
    moments = tasks.Moments(joint[:3, :3], joint[3:, :3], joint[3:, 3:])
    network = nn.EncoderDecoder(
        nn.DeepLinear([jnp.asarray(rng.normal(size=(2, 3)))]), jnp.asarray(rng.normal(size=(2, 2)))
    )
    np.testing.assert_allclose(
        Unstopped(moments).loss(network), tasks.SelfDistillation(moments).loss(network), rtol=1e-10
    )


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("littwin2024-jepa", "quick", modes=3, seeds=1, depths=(1, 2))
    found = studies.STUDIES["littwin2024-jepa"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 4
