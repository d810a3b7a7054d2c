"""The numerics under the study of depth, against quadrature."""

import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from linnet import config, studies
from linnet.studies._saxe2014_depth import _done, _infinite


def test_done_interpolates_between_records_and_is_infinite_if_never():
    ts = np.array([0.0, 1.0, 2.0, 3.0])
    loss = np.array([[4.0, 2.0, 1.0, 0.0], [4.0, 4.0, 3.0, 3.0]])
    np.testing.assert_allclose(_done(ts, loss, 0.375), [1.5, np.inf])  # 1.5 of 4, halfway between 2 and 1


def test_the_limit_of_infinite_depth_is_that_of_the_mode_equation_of_the_paper():
    """du / d(D t) = u^2 (s - u) for each mode, by SciPy."""
    settings, values = config.load("saxe2014-depth", "quick"), np.array([1.2, 0.8])

    def gap(t, u):
        return np.sum((u - values) ** 2) - settings.threshold * np.sum((settings.strength - values) ** 2)

    gap.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    found = solve_ivp(lambda t, u: u**2 * (values - u), (0, 100), [settings.strength] * 2, events=gap, rtol=1e-9)
    np.testing.assert_allclose(_infinite(settings, values), found.t[-1], rtol=2e-3)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("saxe2014-depth", "quick", size=16, seeds=3)
    found = studies.STUDIES["saxe2014-depth"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)
