"""The numerics under the study of recency, against SciPy on the printed equations."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from linnet import config, half_times, studies
from linnet.studies._proca2025_recency import _begin, _Member, equal_strengths, frozen_half_time, profile


@pytest.mark.parametrize("recurrent", [0.3, 1.0])
def test_half_times_with_frozen_recurrence_are_those_of_the_equations_of_the_paper(recurrent):
    """The printed equations for a and c, b being held, by SciPy."""
    importances = equal_strengths(5, (0.7, 1.0, 1.4))
    lags = 4 - np.arange(5)
    ts = np.linspace(0, 40, 4001)
    for mode, expected in enumerate(frozen_half_time(importances, recurrent, 0.1**2)):
        s = importances[:, mode]

        def field(t, state, s=s):
            error = recurrent**lags * (s - state[0] * state[1] * recurrent**lags)
            return state[1] * error.sum(), state[0] * error.sum()

        a, c = solve_ivp(field, (0, 40), [0.1, 0.1], t_eval=ts, rtol=1e-9, atol=1e-12).y
        measured = half_times(jnp.asarray(ts), jnp.asarray(a * c))
        np.testing.assert_allclose(measured, expected, rtol=1e-4)


def test_profiles_count_from_the_end():
    np.testing.assert_allclose(profile(3, 1.1, 0.5), [1.1 / 4, 1.1 / 2, 1.1])
    np.testing.assert_allclose(profile(2, [1, 2], [3, 4]), [[3, 8], [1, 2]])


def test_modes_of_equal_strength_differ_in_when_they_matter_only():
    values = equal_strengths(6, (0.8, 1.0, 1.25))
    np.testing.assert_allclose(np.linalg.norm(values, axis=0), 1, rtol=5e-3)
    np.testing.assert_allclose(values[::-1, 0], values[:, 2], rtol=5e-3)  # 1.25 = 1 / 0.8


def test_networks_begin_aligned_or_random_as_asked():
    importances = jnp.asarray(equal_strengths(4, (0.8, 1.0, 1.25)))
    members = _Member(
        jnp.stack([importances] * 2),
        *(jnp.array(values) for values in ([0.1, 0.0], [0.4, 0.0], [1.0, 1.0], [0.0, 0.01])),
    )
    networks, _ = _begin(members, jr.split(jr.key(0), 2), 6)
    values = np.linalg.svd(np.asarray(networks.recurrent_weights[0]), compute_uv=False)
    np.testing.assert_allclose(values, [0.4] * 3 + [0] * 3, atol=1e-12)
    np.testing.assert_allclose(np.linalg.svd(np.asarray(networks.input_weights[0]), compute_uv=False), 0.1)
    # 36 entries of standard deviation 0.01 / sqrt(6)
    assert 0.5 < np.std(np.asarray(networks.recurrent_weights[1])) / (0.01 / np.sqrt(6)) < 1.5


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("proca2025-recency", "quick", recurrent=(0.5,), seeds=2, hidden=8, duration=60.0)
    found = studies.STUDIES["proca2025-recency"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)
