"""The numerics under the study of critical periods, against closed forms; the study itself, small."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies, tasks
from linnet.studies._kleinman2024_critical import HiddenError, time_to_half


def test_the_time_to_half_is_that_of_closed_forms():
    """One layer decays exponentially, two balanced ones are logistic: twice the rate for two pathways."""
    value, start = 3.0, 0.01
    np.testing.assert_allclose(
        time_to_half(value, start, 1, 0.0), np.log((value - 2 * start) / (value / 2)) / 2, rtol=1e-8
    )
    odds = (value / 2) / (2 * start) * (value - 2 * start) / (value / 2)
    np.testing.assert_allclose(time_to_half(value, start, 2, 0.0), np.log(odds) / (2 * value), rtol=1e-8)


def test_the_hidden_error_is_that_of_hidden_entries():
    seen = jnp.array([[True, False], [False, True]])
    task = tasks.EntryTransfer(jnp.zeros((2, 2)), jnp.array([[5.0, 3.0], [4.0, 7.0]]), seen, 1.0)
    network = nn.DeepLinear([jnp.array([[9.0, 3.0], [0.0, 1.0]])])
    found = HiddenError().measure(network, initial=network, task=task, key=None)
    np.testing.assert_allclose(found, 4.0 / 5.0)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("kleinman2024-critical", "quick", depths=(1, 3), seeds=2)
    found = studies.STUDIES["kleinman2024-critical"](settings, key=jr.key(1))
    assert [claim for claim in found.claims if not claim.holds] == []
    assert sum(claim.control for claim in found.claims) == 6
