"""The numerics under the study of depth as a preconditioner, against SciPy, finite differences and closed forms."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize

from linnet import analyse, config, studies
from linnet.studies._arora2018_acceleration import (
    ObservedError,
    least_power_loss,
    step_of_layers,
    steps_to,
)


@pytest.mark.parametrize("power", [2, 4])
def test_the_least_loss_is_that_of_scipy(power):
    rng = np.random.default_rng(power)
    x = rng.normal(size=(60, 5))
    y = x @ rng.normal(size=5) + rng.normal(size=60)
    found = scipy.optimize.minimize(lambda w: np.mean(np.abs(y - x @ w) ** power) / power, np.zeros(5), tol=1e-12)
    np.testing.assert_allclose(least_power_loss(x, y, power), found.fun, rtol=1e-9)


def test_a_step_of_layers_descends_on_each_of_them():
    """Every entry of every layer moves against the finite difference of the loss."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((3, 4), (2, 3), (3, 2))]
    target = rng.normal(size=(3, 4))

    def product(layers):
        return layers[2] @ layers[1] @ layers[0]

    moved = []
    for index, weight in enumerate(weights):
        slope = np.zeros_like(weight)
        for entry in np.ndindex(*weight.shape):
            change = np.zeros_like(weight)
            change[entry] = 1e-6
            high, low = ([*weights[:index], weight + s * change, *weights[index + 1 :]] for s in (1, -1))
            losses = [0.5 * np.sum((product(layers) - target) ** 2) for layers in (high, low)]
            slope[entry] = (losses[0] - losses[1]) / 2e-6
        moved.append(weight - 0.05 * slope)
    found = step_of_layers(weights, product(weights) - target, 0.05)
    np.testing.assert_allclose(found, product(moved), rtol=1e-7, atol=1e-8)


def test_effective_rank_and_steps():
    rng = np.random.default_rng(1)
    left, right = (np.linalg.qr(rng.normal(size=(6, 6)))[0] for _ in range(2))
    equal = (left[:, :3] * 0.2) @ right[:3]
    uneven = (left[:, :2] * np.array([0.75, 0.25])) @ right[:2]
    entropy = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    np.testing.assert_allclose(analyse.effective_rank(jnp.stack([equal, uneven])), [3, np.exp(entropy)], rtol=1e-10)
    losses = np.array([[[5.0, 2.0, 1.2, 1.03], [5.0, 3.0, 2.0, 1.5], [5.0, np.nan, np.nan, np.nan]]])
    np.testing.assert_array_equal(steps_to(losses, np.array([1.0]), 0.1), [[2, np.inf, np.inf]])


def test_only_seen_entries_count():
    prediction, target = jnp.array([1.0, 2.0, 3.0]), jnp.array([0.0, 4.0, 0.0])
    assert float(ObservedError()(prediction, target)) == 2.0


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("arora2018-acceleration", "quick", seeds=3, depths=(3,), rates=9, steps=250, size=12, rank=1)
    found = studies.STUDIES["arora2018-acceleration"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 3
