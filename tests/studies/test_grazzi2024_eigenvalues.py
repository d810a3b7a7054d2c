"""The constructions of the study of eigenvalues, and one small run of it."""

import jax
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies
from linnet.studies._grazzi2024_eigenvalues import (
    alternation,
    answers,
    counted,
    counting_layer,
    sums_by_reflections,
)
from linnet.studies._state_tracking import transitions


def test_a_layer_set_by_hand_counts_only_with_a_negative_eigenvalue():
    bits = np.random.default_rng(0).integers(0, 2, 300)
    assert counted(counting_layer(True), bits) == 1.0
    # Within [0, 1] it knows whether there was any one so far, and no more.
    assert np.array_equal(answers(counting_layer(False), bits), np.cumsum(bits) > 0)
    assert alternation(answers(counting_layer(True), np.ones(50, int))) == 1.0
    assert alternation(np.array([0, 1, 0, 1, 1, 1, 1, 1])) == 0.0


@pytest.mark.parametrize("modulus", [3, 5, 7])
def test_alternating_reflections_are_sums(modulus):
    numbers = np.random.default_rng(1).integers(0, modulus, 200)
    assert np.array_equal(sums_by_reflections(numbers, modulus), np.cumsum(numbers) % modulus)
    assert np.mean(sums_by_reflections(numbers, modulus, False) == np.cumsum(numbers) % modulus) < 2 / modulus


@pytest.mark.parametrize("rank", [1, 2])
def test_transitions_of_tokens_are_what_the_layer_does_to_its_memory(rank):
    model = nn.sequence_model(
        "delta-product", vocab_size=4, num_classes=2, hidden_size=6, num_heads=2, num_layers=1, num_householder=rank,
        expand_v=1.0, use_forget_gate=False, use_output_gate=False, use_short_conv=False, mlp=None, key=jr.key(0),
    )  # fmt: skip
    found, block = transitions(model), model.blocks[0]
    # The memory is linear in what it was: the difference of two runs is the transition of the difference.
    start = block.layer.init_state()
    other = start._replace(memory=jr.normal(jr.key(1), start.memory.shape))
    for token in range(4):
        x = jax.vmap(block.norm)(model.embedding.weight[token : token + 1])
        gap = block.layer(x, other)[1].memory - block.layer(x, start)[1].memory
        np.testing.assert_allclose(gap, found[token] @ np.asarray(other.memory), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("grazzi2024-eigenvalues", "quick")
    found = studies.STUDIES["grazzi2024-eigenvalues"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ("mamba",)}, "--layers needs delta-net"),
        ({"modulus": 2}, "--modulus must be at least 3"),
        ({"test_length": 20}, "--test-length must be at least 4 times"),
        ({"num_heads": 3}, "--num-heads must divide"),
        ({"learning_rate": 0.0}, "--learning-rate must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("grazzi2024-eigenvalues", "quick", **settings)
