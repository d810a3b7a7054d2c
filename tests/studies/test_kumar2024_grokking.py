"""The numerics underneath the study, and the study itself at a tiny size."""

import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies
from linnet.studies._kumar2024_grokking import fresh_losses, time_below


def test_times_are_between_records():
    times = np.array([0.0, 1.0, 4.0, 16.0])
    losses = np.array([[2.0, 2.0, 1.2, 0.2], [2.0, 0.1, 0.1, 0.1], [2.0, 2.0, 2.0, 1.9]])
    # From 0.6 to 0.1 of the start, 0.35 is halfway, also between 4 and 16 in logarithms.
    np.testing.assert_allclose(time_below(times, losses, 0.35), [8.0, 1.0, 16.0])
    np.testing.assert_allclose(time_below(times, losses[None], 0.6)[0], [4.0, 1.0, 16.0])


def test_losses_on_fresh_inputs_are_those_of_the_network_by_hand():
    weights, x = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 1.0], [2.0, -1.0]])
    # Neurons see 1 and 2, then 2 and -2; with phi(h) = h + h^2 / 4 they give 1.25 and 3, then 3 and -1.
    outputs = 3.0 * np.array([(1.25 + 3.0) / 2, (3.0 - 1.0) / 2])
    targets = np.array([1.0 + 0.5 * 3.0, 2.0 + 0.5 * (4.0 + 2.0)])
    found = fresh_losses(weights, 3.0, 0.5, (np.array([1.0, 0.0]), np.diag([1.0, 2.0])), x)
    np.testing.assert_allclose(found, (outputs - targets) ** 2 / 2)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="must rise"):
        config.Kumar2024Grokking(few=200)
    with pytest.raises(ValueError, match="--scales needs two or more rising"):
        config.Kumar2024Grokking(scales=(2.0, 1.0))


@pytest.mark.slow
def test_the_quick_study_holds():
    found = studies.STUDIES["kumar2024-grokking"](config.load("kumar2024-grokking", "quick", seed=3), key=jr.key(3))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 3
