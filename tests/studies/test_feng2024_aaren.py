"""The numerics of the study of attention as a recurrence, and one small run of it."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies
from linnet.studies._feng2024_aaren import attention_at_last, masked_attention, numbers, plain_sums


def test_references_are_attention_over_all_steps_so_far():
    layer = nn.Aaren(6, 2, dtype=jnp.float64, key=jr.key(0))
    xs = np.random.default_rng(0).normal(size=(9, 6))
    query, keys, values, output = map(
        np.asarray, (layer.query, layer.key_weights, layer.value_weights, layer.output_weights)
    )
    expected = []
    for t in range(1, 10):  # one step after the other, softmax written out
        heads = []
        for head in range(2):
            part = slice(3 * head, 3 * head + 3)
            weights = [np.exp(query[head] @ (keys[part] @ x) / np.sqrt(3)) for x in xs[:t]]
            heads.append(sum(w * (values[part] @ x) for w, x in zip(weights, xs)) / sum(weights))
        expected.append(output @ np.concatenate(heads))
    np.testing.assert_allclose(masked_attention(layer, xs), expected, rtol=1e-12)
    np.testing.assert_allclose(attention_at_last(layer, xs), expected[-1], rtol=1e-12)
    np.testing.assert_allclose(plain_sums(layer, jnp.asarray(xs)), expected, rtol=1e-10)
    assert numbers(layer.init_state()) == 2 * (2 + 3)


@pytest.mark.slow
def test_the_quick_study_holds_and_sees_its_controls():
    found = studies.STUDIES["feng2024-aaren"](config.load("feng2024-aaren", "quick"), key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 5}, "--num-heads must divide --hidden-size, got 5 and 32"),
        ({"recall_pairs": 32}, "--recall-tokens must be even and more than twice --recall-pairs, got 64 and 32"),
        ({"learning_rate": 0.0}, "--learning-rate must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("feng2024-aaren", "quick", **settings)
