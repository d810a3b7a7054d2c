"""The numerics under the study of chaos, against closed forms."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies
from linnet.studies._saxe2014_chaos import gaussian_product, propagate


def test_jacobian_singular_values_of_a_linear_network_are_powers_of_the_gain():
    _, values = propagate(jr.key(0), jnp.asarray(0.8), 12, 7, linear=True)
    np.testing.assert_allclose(values, 0.8**7, rtol=1e-10)


def test_activity_of_a_linear_network_is_a_power_of_the_gain():
    activity, _ = propagate(jr.key(0), jnp.asarray(1.3), 12, 7, linear=True)
    np.testing.assert_allclose(activity[1:] / activity[:-1], 1.3**2, rtol=1e-10)


def test_squared_singular_values_of_gaussian_products_have_mean_one():
    """E tr(M M^T) / N = 1 for products of Gaussian matrices of variance 1 / N."""
    means = np.array([np.mean(np.asarray(gaussian_product(jr.key(i), 60, 3)[0]) ** 2) for i in range(20)])
    assert abs(means.mean() - 1) < 4 * means.std() / np.sqrt(20)


def test_the_quick_study_holds():
    found = studies.saxe2014_chaos(config.load("saxe2014-chaos", "quick", seeds=2, width=60, layers=40), key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)


@pytest.mark.parametrize(
    ("relation", "measured", "holds"),
    [("close", 1.1, True), ("close", 1.3, False), ("at least", 0.9, True), ("at least", 0.7, False),
     ("at most", 1.1, True), ("at most", 1.3, False), ("close", float("nan"), False)],
)  # fmt: skip
def test_claims_hold_within_their_tolerance(relation, measured, holds):
    assert studies.Claim("a claim", 1.0, measured, 0.2, relation).holds is holds
