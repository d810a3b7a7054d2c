"""The numerics of the study of linear state space layers, and one small run of it."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies
from linnet.studies._gu2021_lssl import VARIANTS, in_time, memories, token_loop, wave


def one_state(rate, dt):
    """A leaky integrator, whose output from the input 1 is known."""
    layer = nn.LSSL(1, 1, key=jr.key(0))
    parts = jnp.full((1, 1), -rate), jnp.ones(1), jnp.full(1, np.log(dt)), jnp.ones((1, 1, 1)), jnp.zeros((1, 1))
    return eqx.tree_at(lambda l: (l.transition, l.read_in, l.log_dt, l.read_out, l.skip), layer, parts)


def test_token_loop_of_a_leaky_integrator():
    step = (1 - 0.05) / (1 + 0.05)
    expected = [0.1 / 1.05 * sum(step**k for k in range(t + 1)) for t in range(5)]
    np.testing.assert_allclose(token_loop(one_state(1.0, 0.1), np.ones(5))[:, 0], expected, rtol=1e-12)


def test_the_continuous_view_of_a_leaky_integrator():
    ts = np.linspace(0.2, 1.0, 5)
    fine = np.linspace(0, 1, 20_001)
    drive = np.exp(2 * fine) * wave(fine)
    summed = np.concatenate([[0.0], np.cumsum((drive[1:] + drive[:-1]) / 2) * fine[1]])
    expected = np.exp(-2 * ts) * np.interp(ts, fine, summed)
    np.testing.assert_allclose(in_time(one_state(2.0, 0.1), ts)[:, 0], expected, atol=1e-7)


def test_one_thing_differs_between_variants():
    matrices, inputs, factors = memories(24, 100.0, np.random.default_rng(0))
    assert len(matrices) == len(inputs) == len(factors) == len(VARIANTS)
    assert np.array_equal(matrices[0], matrices[2]) and np.array_equal(matrices[0], matrices[3])
    assert np.max(np.linalg.eigvals(matrices[1]).real) < 0.3 and list(factors) == [1, 1, 100, 0.01]


@pytest.mark.slow
def test_a_small_study_holds():
    found = studies.STUDIES["gu2021-lssl"](config.load("gu2021-lssl", "quick"), key=jr.key(0))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"longest": 2.0}, "--longest must be above --shortest, got 2.0 and 4.0"),
        ({"misfit": 2.0}, "--misfit must be at least 10"),
        ({"view_steps": (64, 32, 16)}, "--view-steps needs three or more rising"),
        ({"view_steps": (32, 48, 64)}, "--view-steps needs multiples of its first number"),
        ({"learning_rate": 0.0}, "--learning-rate must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("gu2021-lssl", "quick", **settings)
