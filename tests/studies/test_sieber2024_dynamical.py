"""The numerics of the study of the common form, and one small run of it."""

import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies
from linnet.studies._sieber2024_dynamical import gap, masked_map, softmax_map


def test_maps_written_out():
    rng = np.random.default_rng(0)
    q, k, gates = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.uniform(size=5)
    values, state = rng.normal(size=5), np.zeros(3)
    for i in range(5):
        state = gates[i] * state + k[i] * values[i]
        assert masked_map(q, k, gates)[i] @ values == pytest.approx(q[i] @ state)
    np.testing.assert_allclose(masked_map(q, k), np.tril(q @ k.T))
    weights = softmax_map(q @ k.T)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights[3, 1] / weights[3, 0] == pytest.approx(np.exp(q[3] @ (k[1] - k[0])))
    assert gap(np.array([1.0, 2.5]), np.array([1.0, 2.0])) == pytest.approx(0.25)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("sieber2024-dynamical", "quick", seeds=1)
    found = studies.STUDIES["sieber2024-dynamical"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 3}, "--hidden-size must be an even multiple of --num-heads, got 16 and 3"),
        ({"orders": (0, 1, 2)}, "--orders needs two or more rising even numbers"),
        ({"layers": ()}, "--layers needs at least one layer"),
        ({"key_size": 10}, "make 10\\^6 features, at most 100000"),
        ({"spread": 0.0}, "--spread must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("sieber2024-dynamical", "quick", **settings)
