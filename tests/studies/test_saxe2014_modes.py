"""The numerics under the study of modes, against closed forms."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies, tasks
from linnet.studies._saxe2014_modes import _crossings, _plain_half_times


def test_crossings_of_the_logistic_curve_are_its_inverse():
    ts = np.linspace(0, 20, 20001)
    curve = 3 / (1 + np.exp(-2 * (ts - 5)))
    expected = 5 + np.log([1 / 9, 1, 9]) / 2
    np.testing.assert_allclose(_crossings(ts, curve, 3.0, (0.1, 0.5, 0.9)), expected, atol=1e-5)


def test_crossings_count_the_first_passage_of_a_curve_that_falls_back():
    ts = np.arange(5.0)
    assert _crossings(ts, np.array([0.0, 0.6, 0.2, 0.4, 1.0]), 1.0, (0.5,))[0] == pytest.approx(5 / 6)


def test_plain_half_times_are_when_the_logistic_curve_passes_half():
    """u = s e^{2 s t} / (e^{2 s t} - 1 + s / u0) is s / 2 at the time given."""
    values = np.array([3.0, 1.0])
    moments = tasks.Moments(jnp.eye(2), jnp.diag(jnp.asarray(values)), jnp.diag(jnp.asarray(values**2)))
    start = np.array([0.02, 0.3])
    network = nn.DeepLinear((jnp.diag(jnp.asarray(start)), jnp.eye(2)))
    times = _plain_half_times(jax.tree.map(lambda w: w[None], network), moments.singular_modes(), 2)[0]
    growth = np.exp(2 * values * times)
    np.testing.assert_allclose(values * growth / (growth - 1 + values / start), values / 2)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("saxe2014-modes", "quick", levels=3, features=30, hidden=8, seeds=3, times=120)
    found = studies.STUDIES["saxe2014-modes"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)
