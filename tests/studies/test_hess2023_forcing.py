"""The numerics of the study of teacher forcing, and one small run of it."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, reconstruct, studies
from linnet.studies._hess2023_forcing import jacobians, product_growth


def test_jacobians_are_those_of_the_network():
    network = nn.ShallowPLRNN(3, 7, key=jr.key(0))
    zeros = jnp.zeros(3)
    seen = nn.IdentityObservation(3, 3, key=jr.key(1))
    one = reconstruct.Reconstruction(network, seen, zeros, zeros + 1, zeros[None])
    states = np.asarray(jr.normal(jr.key(2), (5, 3)))
    expected = jax.vmap(jax.jacfwd(lambda z: network.step(z, jnp.zeros(0))[0]))(states)
    np.testing.assert_allclose(jacobians(one, states), expected, rtol=1e-12, atol=1e-12)


def test_growth_is_that_of_the_whole_product():
    parts = np.random.default_rng(0).normal(size=(30, 3, 3))
    product = np.eye(3)
    for part in parts:
        product = 0.8 * part @ product
    np.testing.assert_allclose(product_growth(parts, 0.2)[-1], np.log10(np.linalg.norm(product, 2)), rtol=1e-10)


@pytest.mark.slow
def test_a_small_study_holds():
    found = studies.STUDIES["hess2023-forcing"](config.load("hess2023-forcing", "quick"), key=jr.key(0))
    assert found.hold, [claim for claim in found.claims if not claim.holds]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strengths": (0.1, 0.5, 1.0)}, "--strengths needs three or more numbers from 0 to 1"),
        ({"intervals": (8, 4)}, "--intervals needs rising numbers"),
        ({"noise": 0.0}, "--noise must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("hess2023-forcing", "quick", **settings)
