"""Identities of the delta family that hold whatever its layers' parameters are, and what it refuses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import nn, scan
from linnet.nn._delta_parts import delta_rule, write_strengths
from tests.nn import oracles_delta
from tests.tolerances import assert_close

WIDTH = 6


def inputs(num, width=WIDTH, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num, width)))


def unit_keys(num, size, seed=0):
    keys = np.random.default_rng(seed).normal(size=(num, size))
    return jnp.asarray(keys / np.linalg.norm(keys, axis=1, keepdims=True))


@eqx.filter_jit
def call(layer, xs):
    return layer(xs)[0]


@pytest.mark.parametrize("gated", [True, False])
def test_delta_product_is_the_delta_rule_on_a_longer_sequence(key, gated):
    layer = nn.DeltaProduct(WIDTH, 2, 5, 1.0, num_householder=3, use_forget_gate=gated, key=key)
    xs, rank = inputs(21), 3
    queries, keys, values, _ = layer.inputs(xs, layer.inputs.init_state().tail, None)
    queries, keys = (part / jnp.sqrt(jnp.sum(part**2, -1, keepdims=True) + 1e-6) for part in (queries, keys))
    betas = jnp.swapaxes(write_strengths(xs @ layer.b_proj.T, True).reshape(21, rank, 2), 1, 2)
    log = None if layer.decay is None else layer.decay(xs @ layer.a_proj.T)
    assert (log is not None) == gated
    # Every correction a token of its own; the decay before the first of each three, the query after the last.
    longer = [jnp.swapaxes(part, 1, 2).reshape(21 * rank, 2, -1) for part in (keys, values, betas[..., None])]
    query = jnp.zeros((21, rank, 2, 5)).at[:, -1].set(queries).reshape(-1, 2, 5)
    logs = None if log is None else jnp.zeros((21, rank, 2)).at[:, 0].set(log).reshape(-1, 2)
    keys, values, betas = longer[0][:, :, None], longer[1][:, :, None], longer[2]
    start = jnp.zeros((2, 5, 5))
    read, _ = delta_rule(query, keys, values, betas, logs, start, mode="scan", chunk_size=None, resets=None)
    assert_close(call(layer, xs), layer.outputs(read[rank - 1 :: rank], xs), "exact")


@pytest.mark.parametrize("mode", scan.LowRank.attend_modes)
def test_a_strength_of_two_is_a_reflection(mode):
    keys = unit_keys(40, 5)[:, None]
    transition = scan.LowRank(-keys, 2 * keys)
    matrices = jax.vmap(lambda step: step.matrix())(transition)
    np.testing.assert_allclose(np.linalg.det(matrices), -1, rtol=1e-12)
    np.testing.assert_allclose(matrices @ jnp.swapaxes(matrices, 1, 2), np.tile(np.eye(5), (40, 1, 1)), atol=1e-13)
    # So nothing that is stored is lost, however long the sequence: S'S stays what it was.
    start = inputs(5, 4, seed=1)
    _, last = scan.attend(transition, keys[:, 0], None, jnp.zeros((40, 4)), start, mode=mode)
    np.testing.assert_allclose(last.T @ last, start.T @ start, rtol=1e-11)


def test_the_largest_strength_of_a_layer_is_a_reflection(key):
    layer = nn.DeltaNet(WIDTH, 1, allow_neg_eigval=True, use_beta=False, use_short_conv=False, key=key)
    layer = eqx.tree_at(lambda la: la.inputs.weight, layer, layer.inputs.weight.at[2 * WIDTH :].set(0))
    start = inputs(WIDTH, WIDTH, seed=2)[None]
    _, state = layer(inputs(300), layer.init_state()._replace(memory=start))
    # Layers divide by the root of |k|^2 + 1e-6, so that keys are a little shorter than 1.
    np.testing.assert_allclose(state.memory[0].T @ state.memory[0], start[0].T @ start[0], rtol=1e-3, atol=1e-3)


def test_without_a_decay_the_gated_layer_is_delta_net(key):
    plain = nn.DeltaNet(WIDTH, 2, allow_neg_eigval=True, use_output_gate=True, key=key)
    gated = nn.GatedDeltaNet(WIDTH, 2, expand_v=1.0, allow_neg_eigval=True, key=jr.key(1))
    gated = eqx.tree_at(
        lambda la: (la.inputs, la.b_proj, la.outputs, la.decay.A_log),
        gated,
        (plain.inputs, plain.b_proj, plain.outputs, jnp.full(2, -1000.0)),
    )
    assert_close(call(gated, inputs(30)), call(plain, inputs(30)), "exact")


def test_with_one_decay_for_all_features_kimi_delta_is_gated_delta_net(key):
    gated = nn.GatedDeltaNet(WIDTH, 2, 5, 1.0, key=key)
    kimi = nn.KimiDelta(WIDTH, 2, 5, gate_low_rank_dim=2, key=jr.key(1))
    # The low-rank map is the gate of each head, repeated over its features.
    kimi = eqx.tree_at(
        lambda la: (la.inputs, la.b_proj, la.f_down, la.f_up, la.decay.A_log, la.decay.dt_bias),
        kimi,
        (
            gated.inputs,
            gated.b_proj,
            gated.a_proj,
            jnp.repeat(jnp.eye(2), 5, axis=0),
            gated.decay.A_log,
            jnp.repeat(gated.decay.dt_bias[:, None], 5, axis=1),
        ),
    )
    xs = inputs(30)
    states = [layer(xs)[1] for layer in (gated, kimi)]
    assert_close(states[0].memory, states[1].memory, "exact")


@pytest.mark.parametrize("chunk", [16, 64])
def test_repeated_keys_stay_accurate_in_chunks_of_single_precision(chunk):
    # All rows of the triangular system are alike: powers of its matrix, if anything made them, would grow as binomials.
    rng = np.random.default_rng(0)
    num, size = 257, 8
    key = np.asarray(unit_keys(1, size)[0])
    queries, values = rng.normal(size=(2, num, size))
    memory, expected = np.zeros((size, size)), []
    for query, value in zip(queries, values):
        memory = memory + 2 * np.outer(key, value - memory.T @ key)
        expected.append(memory.T @ query)
    keys = jnp.tile(jnp.asarray(key, "float32"), (num, 1, 1))
    queries, values = jnp.asarray(queries, "float32"), jnp.asarray(values, "float32")
    read, _ = scan.attend(scan.LowRank(-keys, 2 * keys), queries, None, values, mode="chunk", chunk_size=chunk)
    # The sums of a chunk of 64 reflections alternate; those of the default 16 lose half as much.
    assert np.sqrt(np.mean((read - np.stack(expected)) ** 2) / np.mean(np.stack(expected) ** 2)) <= (
        1e-5 if chunk == 16 else 2e-5
    )


VARIANTS = {
    "delta net, signed, without convolution": (
        lambda key: nn.DeltaNet(WIDTH, 1, use_output_gate=True, use_short_conv=False, allow_neg_eigval=True, key=key),
        oracles_delta.delta_net,
    ),
    "delta net without betas": (lambda key: nn.DeltaNet(WIDTH, 2, use_beta=False, key=key), oracles_delta.delta_net),
    "rwkv7, signed": (lambda key: nn.RWKV7(WIDTH, 1, allow_neg_eigval=True, key=key), oracles_delta.rwkv7),
    "kimi delta, bounded": (lambda key: nn.KimiDelta(WIDTH, 1, lower_bound=-5.0, key=key), oracles_delta.kimi_delta),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_their_formulas(name):
    make, oracle = VARIANTS[name]
    layer, xs = make(jr.key(3)), inputs(20)
    assert_close(call(layer, xs), oracle(layer, np.asarray(xs)), "exact")


def test_rwkv7_mixes_the_first_layers_values_in(key):
    layer = nn.RWKV7(WIDTH, 2, value_residual=True, layer_idx=1, num_hidden_layers=2, key=key)
    assert layer.v_lora is not None
    layer = eqx.tree_at(lambda la: la.v_lora.down, layer, inputs(32, seed=5))
    xs, first = inputs(20), inputs(20, seed=6)
    ys, values, _ = layer.mix(xs, layer.init_state(), first)
    assert_close(ys, oracles_delta.rwkv7(layer, np.asarray(xs), np.asarray(first)), "exact")
    assert values.shape == (20, WIDTH)


LAYERS = {
    "DeltaNet": lambda **options: nn.DeltaNet(WIDTH, 2, **options),
    "GatedDeltaNet": lambda **options: nn.GatedDeltaNet(WIDTH, 2, **options),
    "DeltaProduct": lambda **options: nn.DeltaProduct(WIDTH, 2, **options),
    "KimiDelta": lambda **options: nn.KimiDelta(WIDTH, 2, **options),
}


@pytest.mark.parametrize("name", LAYERS)
def test_keys_that_would_make_the_memory_grow_are_caught(name, key):
    layer = LAYERS[name](qk_norm=None, key=key)
    xs = inputs(12)
    short = eqx.tree_at(lambda la: la.inputs.weight, layer, 0.1 * layer.inputs.weight)
    assert np.all(np.isfinite(call(short, xs)))
    long = eqx.tree_at(lambda la: la.inputs.weight, layer, 100 * layer.inputs.weight)
    with pytest.raises(Exception, match=rf"{name} needs beta \* \|k\|\^2 of at most 2.*qk_norm='l2'"):
        call(long, xs)


def test_the_check_of_keys_survives_transformations_and_costs_nothing_where_keys_are_unit(key):
    layer = nn.DeltaNet(WIDTH, 2, qk_norm=None, key=key)
    long = eqx.tree_at(lambda la: la.inputs.weight, layer, 100 * layer.inputs.weight)
    short = eqx.tree_at(lambda la: la.inputs.weight, layer, 0.1 * layer.inputs.weight)
    batch = jnp.stack([inputs(5), inputs(5, seed=1)])

    @eqx.filter_jit
    def gradient(layer):
        return eqx.filter_grad(lambda la: jnp.sum(jax.vmap(lambda xs: la(xs)[0])(batch) ** 2))(layer)

    assert np.all(np.isfinite(gradient(short).inputs.weight))
    with pytest.raises(Exception, match="needs beta"):
        gradient(long)
    normed = nn.DeltaNet(WIDTH, 2, key=key)
    assert "callback" not in str(jax.make_jaxpr(lambda xs: normed(xs)[0])(inputs(5)))
    assert "callback" in str(jax.make_jaxpr(lambda xs: layer(xs)[0])(inputs(5)))


def test_what_does_not_fit_is_refused(key):
    with pytest.raises(ValueError, match="num_heads to divide hidden_size \\* expand_k .* got 4 for 3 and 6"):
        nn.DeltaNet(WIDTH, 4, 0.5, key=key)
    with pytest.raises(ValueError, match="qk_norm of 'l2' or None, got 'sum'"):
        nn.GatedDeltaNet(WIDTH, 2, qk_norm="sum", key=key)
    with pytest.raises(ValueError, match="num_householder of at least 1, got 0"):
        nn.DeltaProduct(WIDTH, 2, num_householder=0, key=key)
    with pytest.raises(ValueError, match="head_dim \\* expand_v to be a positive integer, got 5 \\* 0.5"):
        nn.DeltaProduct(WIDTH, 2, 5, 0.5, key=key)
    with pytest.raises(ValueError, match="lower_bound below 0"):
        nn.KimiDelta(WIDTH, 2, lower_bound=5.0, key=key)
    with pytest.raises(ValueError, match="num_heads \\* head_dim to be hidden_size, got 2 \\* 4 for 6"):
        nn.RWKV7(WIDTH, 2, 4, key=key)
    with pytest.raises(ValueError, match="layer_idx from 0 to 1, got 2"):
        nn.RWKV7(WIDTH, 2, layer_idx=2, num_hidden_layers=2, key=key)


def test_decays_begin_as_published(key):
    decay = nn.GatedDeltaNet(2000, 1000, 2, key=key).decay
    rates, steps = np.exp(decay.A_log), np.log1p(np.exp(decay.dt_bias))
    # The mean of a uniform number within 5 of its standard errors; quantiles of a log-uniform one.
    assert abs(rates.mean() - 8) < 5 * 16 / np.sqrt(12 * 1000) and rates.max() < 16
    assert 1e-3 <= steps.min() and steps.max() <= 0.1 and abs(np.median(np.log10(steps)) + 2) < 0.2
