"""Layers with a matrix for a state: the closed forms of their papers, their options, and gates out of all bounds."""

import functools as ft

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

from linnet import nn
from tests.nn import oracles_matrix as oracles
from tests.tolerances import assert_close

WIDTH, STEPS = 6, 21


def shaken(layer, seed=0, scale=0.3):
    """The layer with noise on all parameters, so that none is 0 or 1."""
    rng = np.random.default_rng(seed)
    return jtu.tree_map(
        lambda leaf: (
            leaf + scale * jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype) if eqx.is_inexact_array(leaf) else leaf
        ),
        layer,
    )


def inputs(num=STEPS, seed=1):
    return np.random.default_rng(seed).normal(size=(num, WIDTH))


def outputs_of(layer, read, xs):
    return np.stack([oracles.read_out(layer.outputs, r, x) for r, x in zip(read, xs)])


def test_linear_attention_is_a_masked_quadratic_form():
    layer, xs = shaken(nn.LinearAttention(WIDTH, 2, feature_map="exp", key=jr.key(0))), inputs()
    queries, keys, values = oracles.projected(layer.inputs, xs)
    scores = np.tril(np.einsum("thk,shk->hts", np.exp(queries), np.exp(keys)))
    read = np.einsum("hts,shv->thv", scores / (scores.sum(-1, keepdims=True) + 1e-6), values)
    assert_close(layer(jnp.asarray(xs))[0], outputs_of(layer, read, xs), "exact")


def test_retention_is_a_quadratic_form_under_a_mask_of_decays():
    layer, xs = shaken(nn.RetNet(WIDTH, 3, expand_k=2.0, key=jr.key(0))), inputs()
    queries, keys, values = oracles.projected(layer.inputs, xs)
    distance = np.subtract.outer(np.arange(STEPS), np.arange(STEPS))
    read = np.empty((STEPS, 3, values.shape[2]))
    for head in range(3):
        # Scores by the distance alone: pairs of features as complex numbers, turned by it.
        half = keys.shape[2] // 2
        q = queries[:, head, :half] + 1j * queries[:, head, half:]
        k = keys[:, head, :half] + 1j * keys[:, head, half:]
        angles = distance[..., None] * 10_000.0 ** (-np.arange(half) / half)
        scores = np.einsum("tf,sf,tsf->ts", q, k.conj(), np.exp(1j * angles)).real / np.sqrt(keys.shape[2])
        mask = np.where(distance >= 0, (1 - 2.0 ** (-5 - head)) ** np.maximum(distance, 0.0), 0)
        read[:, head] = (scores * mask) @ values[:, head]
    assert_close(layer(jnp.asarray(xs))[0], outputs_of(layer, read, xs), "exact")


def test_mamba2_is_its_semiseparable_matrix():
    layer, xs = shaken(nn.Mamba2(WIDTH, head_dim=4, state_size=5, key=jr.key(0))), inputs()
    mixed = oracles.convolved(layer.convolution, xs @ np.asarray(layer.inputs).T)
    x, b, c = mixed[:, :-10].reshape(STEPS, 3, 4), mixed[:, -10:-5], mixed[:, -5:]
    steps = oracles.softplus(xs @ np.asarray(layer.step_size).T + np.asarray(layer.dt_bias))
    decays = np.exp(-steps * np.exp(np.asarray(layer.A_log)))
    read = np.empty_like(x)
    for head in range(3):
        mask = np.array([[np.prod(decays[s + 1 : t + 1, head]) * (s <= t) for s in range(STEPS)] for t in range(STEPS)])
        matrix = mask * (c @ b.T)
        read[:, head] = matrix @ (steps[:, head, None] * x[:, head]) + np.asarray(layer.D)[head] * x[:, head]
    gated = read.reshape(STEPS, -1) * oracles.silu(xs @ np.asarray(layer.gate).T)
    normed = np.asarray(layer.scale) * gated / np.sqrt(np.mean(gated**2, axis=1, keepdims=True) + 1e-5)
    assert_close(layer(jnp.asarray(xs))[0], normed @ np.asarray(layer.output).T, "exact")


def test_lightnet_is_gated_linear_attention_with_its_cumulative_gate():
    layer, xs = shaken(nn.LightNet(WIDTH, 2, key=jr.key(0))), inputs()
    queries, keys, values = oracles.projected(layer.inputs, xs)
    sums = np.logaddexp.accumulate(keys)
    decays = np.exp(np.concatenate([np.full_like(sums[:1], -np.inf), sums[:-1]]) - sums)
    scaled = oracles.silu(queries) / np.sqrt(keys.shape[2])
    expected = oracles.decayed(layer, xs, scaled, np.exp(keys - sums), values, decays)
    assert_close(layer(jnp.asarray(xs))[0], expected, "exact")


@pytest.mark.parametrize(("gate", "cap"), [("sigmoid", None), ("exp", 2.0)])
def test_mlstm_is_its_formula_without_the_maximum(gate, cap):
    layer = nn.MLSTM(WIDTH, 2, expand_k=1.0, forget_gate=gate, gate_soft_cap=cap, key=jr.key(0))
    layer, xs = shaken(layer), inputs()
    assert_close(layer(jnp.asarray(xs))[0], oracles.mlstm_unstabilised(layer, xs), "exact")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mlstm_bears_gates_of_any_size(dtype):
    made = nn.MLSTM(WIDTH, 2, expand_k=1.0, forget_gate="exp", dtype=jnp.dtype(dtype), key=jr.key(0))
    xs, resets = jnp.asarray(inputs(), dtype), jnp.zeros(STEPS, bool).at[7].set(True)

    @eqx.filter_jit
    def both(layer, xs, resets):
        def objective(layer):
            ys, (memory, normalizer, _, _) = layer(xs, resets=resets)
            return jnp.sum(jnp.sin(ys)) + jnp.sum(memory) + jnp.sum(normalizer), ys

        return eqx.filter_value_and_grad(objective, has_aux=True)(layer)

    for write in (-500.0, -50.0, 50.0, 500.0):
        for keep in (-500.0, -50.0, 50.0, 500.0):
            where = lambda layer: (layer.input_bias, layer.forget_bias)  # noqa: E731
            biases = tuple(jnp.full(2, bias, dtype) for bias in (write, keep))
            (_, ys), gradient = both(eqx.tree_at(where, made, biases), xs, resets)
            assert np.all(np.isfinite(ys)), (write, keep)
            assert all(np.all(np.isfinite(leaf)) for leaf in jtu.tree_leaves(gradient)), (write, keep)


@pytest.mark.parametrize(
    "mode", ["chunk", pytest.param("scan", marks=pytest.mark.slow), pytest.param("associative", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", [nn.LightNet, ft.partial(nn.MLSTM, expand_k=1.0)])
def test_normalisers_that_have_seen_nothing_leave_gradients_finite(kind, mode):
    layer, xs = shaken(kind(WIDTH, 2, mode=mode, chunk_size=4, key=jr.key(0))), jnp.asarray(inputs(11))
    resets = jnp.zeros(11, bool).at[jnp.array([0, 4, 5])].set(True)

    def objective(layer, xs):
        return jnp.sum(jnp.sin(layer(xs, resets=resets)[0]))

    gradient = jtu.tree_leaves(eqx.filter_jit(eqx.filter_grad(objective))(layer, xs))
    assert all(np.all(np.isfinite(leaf)) and np.any(leaf) for leaf in gradient)


OPTIONS = {
    "relu": (nn.LinearAttention, {"feature_map": "relu"}, oracles.linear_attention),
    "square": (nn.LinearAttention, {"feature_map": "square", "use_short_conv": True}, oracles.linear_attention),
    "no normaliser": (nn.LinearAttention, {"use_normalizer": False}, oracles.linear_attention),
    "identity": (nn.LinearAttention, {"feature_map": "identity"}, oracles.linear_attention),
    "silu": (nn.LinearAttention, {"feature_map": "silu"}, oracles.linear_attention),
    "retnet, no gate": (nn.RetNet, {"use_output_gate": False}, oracles.retnet),
    "tnl in a stack": (nn.TNL, {"layer_idx": 1, "num_layers": 3, "use_short_conv": True}, oracles.tnl),
    "gla, conv": (nn.GLA, {"use_short_conv": True, "use_output_gate": False, "expand_k": 1.0}, oracles.gla),
    "hgrn2, conv": (nn.HGRN2, {"use_short_conv": True, "conv_size": 2}, oracles.hgrn2),
    "lightnet, conv": (nn.LightNet, {"use_short_conv": True}, oracles.lightnet),
    "mlstm, cap": (nn.MLSTM, {"gate_soft_cap": 1.5, "use_short_conv": True, "expand_k": 1.0}, oracles.mlstm),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_in_the_formula(name):
    kind, options, oracle = OPTIONS[name]
    layer, xs = shaken(kind(WIDTH, 2, **options, key=jr.key(0))), inputs(9)
    assert_close(layer(jnp.asarray(xs))[0], oracle(layer, xs), "exact")


def test_mamba2_begins_with_step_sizes_in_their_range():
    layer = nn.Mamba2(64, head_dim=1, time_step_min=1e-3, time_step_max=0.1, key=jr.key(0))
    steps = np.log(np.log1p(np.exp(np.asarray(layer.dt_bias))))
    low, high = np.log(1e-3), np.log(0.1)
    assert low <= steps.min() and steps.max() <= high
    # Uniform in the logarithm: the mean of 128 lies within 4 standard errors of the middle.
    assert abs(steps.mean() - (low + high) / 2) < 4 * (high - low) / np.sqrt(12 * 128)
    decays = np.exp(np.asarray(layer.A_log))
    assert decays.min() >= 1 and decays.max() <= 16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda **k: nn.GLA(6, 4, **k),
            r"GLA needs hidden_size \* expand_k to be a multiple of num_heads, got 6 \* 0.5",
        ),
        (lambda **k: nn.RetNet(0, **k), "RetNet needs a hidden_size of at least 1, got 0"),
        (lambda **k: nn.LinearAttention(6, 2, feature_map="cosine", **k), "no feature_map 'cosine': choose from elu"),
        (
            lambda **k: nn.LinearAttention(6, 2, feature_map="silu", use_normalizer=True, **k),
            "features that are not negative for its normaliser, got 'silu'",
        ),
        (lambda **k: nn.TNL(6, 2, layer_idx=3, num_layers=3, **k), "layer_idx from 0 to num_layers - 1, got 3 of 3"),
        (lambda **k: nn.HGRN2(6, 2, lower_bound=1.0, **k), "lower_bound of at least 0 and less than 1, got 1.0"),
        (lambda **k: nn.LightNet(6, 2, gate_low_rank_dim=0, **k), "gate_low_rank_dim of at least 1, got 0"),
        (lambda **k: nn.GLA(6, 2, expand_k=1.0, gate_logit_normalizer=0, **k), "positive gate_logit_normalizer"),
        (lambda **k: nn.Mamba2(6, head_dim=5, **k), "to be a multiple of head_dim, got 6 [*] 2.0 and 5"),
        (lambda **k: nn.Mamba2(6, head_dim=4, n_groups=2, **k), "heads that n_groups divides, got 3 heads and 2"),
        (lambda **k: nn.Mamba2(6, time_step_min=0.2, **k), "positive ranges for its step sizes"),
        (lambda **k: nn.MLSTM(6, 2, forget_gate="tanh", **k), "forget_gate sigmoid or exp, got 'tanh'"),
        (lambda **k: nn.MLSTM(6, 2, gate_soft_cap=0.0, **k), "positive gate_soft_cap, or None, got 0.0"),
        (lambda **k: nn.GLA(6, 2, expand_k=1.0, mode="fft", **k), "GLA does not admit the mode 'fft'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(key=jr.key(0))
