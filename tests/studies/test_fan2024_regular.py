"""The parts of the study of regular languages, and one small run of it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import pytest

from linnet import config, nn, studies
from linnet.studies._token_table import TokenTable
from tests.tolerances import assert_close


def model(name="block-diagonal-lrnn", layers=1, **settings):
    return nn.sequence_model(
        name, vocab_size=4, num_classes=3, hidden_size=8, num_layers=layers, norm="layer", mlp=1.0, residual=False,
        dtype=jnp.float64, key=jr.key(0), **settings,
    )  # fmt: skip


def test_a_table_of_tokens_is_the_model_with_its_gradient():
    whole, tokens = model(block_size=4), jr.randint(jr.key(1), (9,), 0, 3)
    table = TokenTable(whole)
    ys, state = whole(tokens)
    found, last = table(tokens)
    assert_close(found, ys, "exact")
    assert_close(table(tokens[4:], table(tokens[:4])[1])[0], ys[4:], "exact")
    for ours, theirs in zip(jtu.tree_leaves(last), jtu.tree_leaves(state), strict=True):
        assert_close(ours, theirs, "exact")

    def gradient(network):
        return jtu.tree_leaves(eqx.filter_grad(lambda net: jnp.sum(jax.nn.log_softmax(net(tokens)[0])[:, 0]))(network))

    for ours, theirs in zip(gradient(table), gradient(whole), strict=True):
        assert_close(ours, theirs, "closed_form")


@pytest.mark.parametrize(
    "other", [lambda: model("mingru"), lambda: model(layers=2, block_size=4), lambda: model(short_conv=2, block_size=4)]
)
def test_a_table_is_of_one_layer_that_sees_tokens(other):
    with pytest.raises(ValueError, match="needs a model of one BlockDiagonalLRNN"):
        TokenTable(other())


@pytest.mark.slow
def test_the_quick_study_holds_and_sees_its_control():
    found = studies.STUDIES["fan2024-regular"](config.load("fan2024-regular", "quick"), key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"languages": ("dyck",)}, "--languages must be of sum, even_pairs, modular_arithmetic"),
        ({"block_size": 7}, "--block-size must divide --hidden-size, got 7 and 32"),
        ({"test_length": 30}, "--test-length must be at least twice --length"),
        ({"steps": 5}, "--steps must be at least --tests"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("fan2024-regular", "quick", **settings)
