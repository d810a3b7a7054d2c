"""Layers whose state is a vector, against closed forms and in the limits that their papers name."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest
from scipy.linalg import expm

from linnet import nn
from tests.nn.oracles_vector import aaren, rglru, sigmoid, softplus
from tests.tolerances import assert_close

SIZE, STEPS = 4, 30
DTYPE = jnp.float64


def inputs(num=STEPS, size=SIZE, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num, size)), DTYPE)


def arrays(*leaves):
    return [np.asarray(leaf, np.float64) for leaf in leaves]


# --- Aaren ------------------------------------------------------------------------------------------------------------


def test_aaren_is_masked_softmax_attention_with_its_query():
    layer, xs = nn.Aaren(SIZE, 2, dtype=DTYPE, key=jr.key(0)), inputs()
    query, keys, values, output = arrays(layer.query, layer.key_weights, layer.value_weights, layer.output_weights)
    x, mask = np.asarray(xs), np.tril(np.ones((STEPS, STEPS), bool))
    heads = []
    for head in range(2):
        part = slice(2 * head, 2 * head + 2)
        scores = np.where(mask, (query[head] @ (keys[part] @ x.T)) / np.sqrt(2), -np.inf)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        heads.append(weights / weights.sum(axis=1, keepdims=True) @ (x @ values[part].T))
    assert_close(layer(xs)[0], np.concatenate(heads, axis=1) @ output.T, "exact")


def test_aaren_bears_scores_that_float32_cannot_exponentiate():
    layer = nn.Aaren(SIZE, 2, dtype=jnp.float32, key=jr.key(0))
    layer = eqx.tree_at(lambda net: net.query, layer, 1e3 * layer.query)
    xs = inputs().astype(jnp.float32)
    wide = jtu.tree_map(lambda leaf: leaf.astype(DTYPE), eqx.filter(layer, eqx.is_array))
    np.testing.assert_allclose(layer(xs)[0], aaren(wide, np.asarray(xs, np.float64)), rtol=1e-3, atol=1e-4)

    def total(layer, state):
        return jnp.sum(layer(xs, state)[0] ** 2)

    found = eqx.filter_grad(lambda both: total(*both))((layer, layer.init_state()))
    assert all(np.all(np.isfinite(leaf)) for leaf in jtu.tree_leaves(found))


def test_aaren_does_not_depend_on_how_its_sums_are_scaled():
    layer, xs = nn.Aaren(SIZE, 1, dtype=DTYPE, key=jr.key(0)), inputs()
    largest, sums = layer(inputs(seed=1))[1]
    shifted = layer(xs, (largest + 2.0, sums * jnp.exp(-2.0)))[0]
    assert_close(shifted, layer(xs, (largest, sums))[0], "exact")


# --- MinGRU -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["scan", "associative"])
def test_min_gru_of_logarithms_is_the_plain_recurrence(mode):
    layer, xs = nn.MinGRU(SIZE, log_space=True, mode=mode, dtype=DTYPE, key=jr.key(0)), 3 * inputs()
    gates, candidates = arrays(layer.gate_weights, layer.candidate_weights)
    h, expected = np.zeros(SIZE), []
    for x in np.asarray(xs):
        z, new = sigmoid(gates @ x), candidates @ x
        h = (1 - z) * h + z * np.where(new >= 0, new + 0.5, sigmoid(new))
        expected.append(h)
    ys, final = layer(xs)
    assert_close(ys, np.stack(expected), "closed_form")
    assert_close(jnp.exp(final), expected[-1], "closed_form")


def test_min_gru_of_one_constant_input_relaxes_exponentially():
    layer = nn.MinGRU(SIZE, dtype=DTYPE, key=jr.key(0))
    x = inputs(1)[0]
    z, goal = sigmoid(np.asarray(layer.gate_weights @ x)), np.asarray(layer.candidate_weights @ x)
    times = np.arange(1, STEPS + 1)[:, None]
    assert_close(layer(jnp.tile(x, (STEPS, 1)))[0], goal * (1 - (1 - z) ** times), "closed_form")


# --- Mamba ------------------------------------------------------------------------------------------------------------


def frozen(layer, rng):
    """The layer with a selection that does not look at the input, and its step sizes, input and output maps."""
    rank, size = layer.step_weights.shape[1], layer.log_poles.shape[1]
    selection = np.zeros(layer.selection_weights.shape)
    # One inner feature is held at a constant, and all of the selection reads that one.
    maps = rng.normal(size=(2, size))
    selection[rank:, 0] = maps.ravel()
    return eqx.tree_at(lambda net: net.selection_weights, layer, jnp.asarray(selection)), *maps


def test_mamba_of_frozen_selection_is_a_held_linear_system():
    """A diagonal system with inputs held over each step: its states by the matrix exponential."""
    rng = np.random.default_rng(0)
    layer = nn.Mamba(SIZE, 3, expand=1, conv_size=1, dtype=DTYPE, key=jr.key(0))
    layer, write, read = frozen(layer, rng)
    # The first inner feature is 1 at all steps: SiLU(b) = 1 at b = 1.2784645427610738.
    kernel, bias = np.ones((SIZE, 1)), np.zeros(SIZE)
    kernel[0], bias[0] = 0.0, 1.2784645427610738
    layer = eqx.tree_at(lambda net: (net.conv.kernel, net.conv.bias), layer, (jnp.asarray(kernel), jnp.asarray(bias)))
    xs = inputs()
    weights, output, skip, step_bias, poles = arrays(
        layer.input_weights, layer.output_weights, layer.skip, layer.step_bias, jnp.exp(layer.log_poles)
    )
    both = np.asarray(xs) @ weights.T
    u = both[:, :SIZE] * sigmoid(both[:, :SIZE])
    u[:, 0] = 1.0
    gates = both[:, SIZE:] * sigmoid(both[:, SIZE:])
    total = np.zeros((STEPS, SIZE))
    for feature, dt in enumerate(softplus(step_bias)):
        # Mamba writes dt B u where the hold has A^-1 (e^(A dt) - 1) B u, which is the same to first order in dt.
        system = np.zeros((4, 4))
        system[:3, :3], system[:3, 3] = -np.diag(poles[feature]), write
        held = expm(dt * system)
        ratio = dt * write / held[:3, 3]
        state = np.zeros(3)
        for t in range(STEPS):
            state = held[:3, :3] @ state + ratio * held[:3, 3] * u[t, feature]
            total[t, feature] = read @ state
        assert np.all(np.abs(ratio - 1) <= dt * poles[feature])
    expected = ((total + skip * u) * gates) @ output.T
    assert_close(layer(xs)[0], expected, "closed_form")


def test_mamba_begins_as_published():
    layer = nn.Mamba(64, 16, dtype=DTYPE, key=jr.key(0))
    steps, poles = arrays(jax.nn.softplus(layer.step_bias), jnp.exp(layer.log_poles))
    assert poles.shape == (128, 16) and layer.step_weights.shape == (128, 4)
    assert_close(poles, np.tile(np.arange(1.0, 17), (128, 1)), "exact")
    assert 0.001 * (1 - 1e-9) <= steps.min() < 0.0015 and 0.07 < steps.max() <= 0.1 * (1 + 1e-9)
    low = nn.Mamba(64, 16, time_step_limit=(1e-7, 1e-6), dtype=DTYPE, key=jr.key(0))
    assert_close(jax.nn.softplus(low.step_bias), np.full(128, 1e-4), "closed_form")


def test_signed_mamba_counts_modulo_two():
    """A factor of -1 at a one and 1 at a zero is parity; a factor within [0, 1] cannot change the sign."""
    layer = nn.Mamba(2, 1, expand=1, conv_size=1, allow_neg_eigval=True, dtype=DTYPE, key=jr.key(0))
    eye = jnp.eye(2)
    layer = eqx.tree_at(
        lambda net: (
            net.conv.kernel,
            net.input_weights,
            net.selection_weights,
            net.step_weights,
            net.step_bias,
            net.log_poles,
        ),
        layer,
        (
            jnp.ones((2, 1)),
            jnp.concatenate([50 * eye, eye]),
            # Step sizes of about 50 at a one (the first feature) and of 0 else; nothing is written.
            jnp.zeros(layer.selection_weights.shape).at[0, 0].set(1.0),
            jnp.full((2, 1), 2.0),
            jnp.full(2, -50.0),
            jnp.zeros((2, 1)),
        ),
    )
    bits = np.random.default_rng(0).integers(0, 2, STEPS)
    xs = jnp.asarray(np.stack([bits, 1 - bits], axis=1), DTYPE)
    tail, _ = layer.init_state()
    for steps in (1, 7, STEPS):
        last = layer(xs[:steps], (tail, jnp.ones((2, 1))))[1][1]
        assert_close(last, np.full((2, 1), (-1.0) ** bits[:steps].sum()), "closed_form")


# --- RGLRU ------------------------------------------------------------------------------------------------------------


def test_rglru_begins_on_its_ring_and_keeps_the_size_of_white_inputs():
    layer = nn.RGLRU(512, 4, use_short_conv=False, use_output_gate=False, dtype=DTYPE, key=jr.key(0))
    radii = np.exp(-softplus(np.asarray(layer.decay)))
    assert 0.9 <= radii.min() and radii.max() <= 0.999
    # Uniform in area: squares are uniform, of this mean and variance; k-sigma bound of the mean.
    low, high = 0.9**2, 0.999**2
    assert abs(np.mean(radii**2) - (low + high) / 2) < 4 * (high - low) / np.sqrt(12 * 512)
    # With gates of their mean, a is constant, and a white input of variance 1 makes a state of variance i^2.
    zero = jnp.zeros_like(layer.decay_weights)
    layer = eqx.tree_at(
        lambda net: (net.decay_weights, net.write_weights, net.input_weights, net.output_weights),
        layer,
        (zero, zero, jnp.eye(512), jnp.eye(512)),
    )
    ys = np.asarray(layer(inputs(600, 512))[0])[300:]
    # 512 units times at least 300 (1 - a) / 2 independent values, a <= 0.996.
    assert abs(np.mean(ys**2) / 0.25 - 1) < 0.1


def test_rglru_writes_its_first_step_whole_and_has_gradients_where_nothing_decays():
    layer, xs = (
        nn.RGLRU(SIZE, 2, use_short_conv=False, use_output_gate=False, dtype=jnp.float32, key=jr.key(0)),
        inputs(),
    )
    still = eqx.tree_at(lambda net: net.decay_bias, layer, jnp.full(SIZE, -200.0, jnp.float32))
    xs = xs.astype(jnp.float32)
    ys, (_, state, begun) = still(xs)
    wide = jtu.tree_map(lambda leaf: leaf.astype(DTYPE), eqx.filter(still, eqx.is_array))
    np.testing.assert_allclose(ys, rglru(wide, np.asarray(xs, np.float64)), rtol=1e-4, atol=1e-5)
    assert int(begun) == 1
    first = still(xs[:1])[1][1]
    np.testing.assert_allclose(state, first, rtol=1e-5)  # what came first stays
    found = eqx.filter_grad(lambda layer: jnp.sum(layer(xs)[0] ** 2))(still)
    assert all(np.all(np.isfinite(leaf)) for leaf in jtu.tree_leaves(found))


# --- the blocks of a linear RNN ---------------------------------------------------------------------------------------


def test_blocks_have_columns_of_mean_zero_and_norm_at_most_one():
    layer = nn.BlockDiagonalLRNN(12, 4, dtype=DTYPE, key=jr.key(0))
    blocks = np.asarray(layer.blocks(inputs(5, 12)))
    assert blocks.shape == (5, 3, 4, 4)
    np.testing.assert_allclose(blocks.sum(axis=-2), 0, atol=1e-13)
    norms = np.sum(np.abs(blocks) ** 1.2, axis=-2) ** (1 / 1.2)
    assert_close(norms.max(axis=-1), np.ones((5, 3)), "exact")


def test_blocks_of_nothing_are_zero_with_a_gradient():
    dtype = jnp.float32
    layer = nn.BlockDiagonalLRNN(8, 4, dtype=dtype, key=jr.key(0))
    layer = eqx.tree_at(lambda net: net.block_weights[1], layer, jnp.zeros((32, 32), dtype))
    xs = inputs(5, 8).astype(dtype)
    assert not np.any(layer.blocks(xs))
    found = eqx.filter_grad(lambda layer: jnp.sum(layer(xs)[0] ** 2))(layer)
    assert all(np.all(np.isfinite(leaf)) for leaf in jtu.tree_leaves(found))


def test_a_new_sequence_begins_from_the_learned_state():
    layer, xs = nn.BlockDiagonalLRNN(8, 4, dtype=DTYPE, key=jr.key(0)), inputs(6, 8)
    ys = layer(xs, 0 * layer.start, resets=jnp.arange(6) == 3)[0]
    assert_close(ys[3:], layer(xs[3:])[0], "exact")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda key: nn.HGRN(4, lower_bound=1.0, key=key),
            "HGRN needs a lower_bound of at least 0 and below 1, got 1.0",
        ),
        (
            lambda key: nn.HGRN(4, 0.1, key=key),
            "HGRN needs expand_ratio times hidden_size to be at least 1 feature, got 0.1 times 4",
        ),
        (lambda key: nn.Mamba(4, 0, key=key), "Mamba needs a state_size of at least 1, got 0"),
        (
            lambda key: nn.Mamba(4, time_step_limit=(0.1, 0.01), key=key),
            "time_step_limit of two positive numbers in order",
        ),
        (lambda key: nn.RGLRU(4, 3, key=key), "RGLRU needs a num_heads that divides its lru_width, got 3 and 4"),
        (lambda key: nn.RGLRU(4, max_radius=1.0, key=key), "0 < min_radius <= max_radius < 1"),
        (lambda key: nn.MinGRU(0, key=key), "MinGRU needs a hidden_size of at least 1, got 0"),
        (lambda key: nn.Aaren(4, 3, key=key), "Aaren needs a hidden_size that num_heads divides"),
        (lambda key: nn.Aaren(4, 3, head_dim=0, key=key), "num_heads and head_dim of at least 1, got 3 and 0"),
        (lambda key: nn.BlockDiagonalLRNN(12, key=key), "hidden_size that block_size divides, got 12 and 8"),
        (lambda key: nn.BlockDiagonalLRNN(8, norm=0.5, key=key), "a norm of at least 1, got 0.5"),
    ],
)
def test_wrong_arguments_are_sentences(make, message):
    with pytest.raises(ValueError, match=message):
        make(jr.key(0))
