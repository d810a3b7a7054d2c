"""Networks against the same equations in plain NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import nn
from tests.tolerances import assert_close


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


def arrays(*leaves):
    return [np.asarray(leaf) for leaf in leaves]


def randomised(network):
    """The same network with all parameters random, biases too."""
    params, rest = eqx.partition(network, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    return eqx.combine(unravel(jnp.asarray(0.5 * np.random.default_rng(1).normal(size=flat.shape))), rest)


def test_deep_linear_is_the_product_of_its_weights(key):
    net = nn.fan_in()(nn.DeepLinear, (4, 6, 5, 3), key=key)
    first, second, third = arrays(*net.weights)
    x = draw(4)
    assert_close(net(jnp.asarray(x)), third @ (second @ (first @ x)), "exact")
    assert_close(net.end_to_end(), third @ second @ first, "exact")


@pytest.mark.parametrize("sizes", [(2, 5, 3), (3, 5, 2)], ids=["narrow in", "narrow out"])
def test_impulse_response_is_powers_of_the_recurrent_weights(key, sizes):
    net = nn.fan_in()(nn.LinearRNN, sizes, key=key)
    first, recurrent, last = arrays(net.input_weights, net.recurrent_weights, net.output_weights)
    expected = [last @ np.linalg.matrix_power(recurrent, k) @ first for k in range(6)]
    assert_close(net.impulse_response(6), np.stack(expected), "exact")


def loop_vanilla(weights, xs, activation, state):
    w_x, w_h, w_y, b, c = weights
    outputs = []
    for x in xs:
        state = activation(w_h @ state + w_x @ x + b)
        outputs.append(w_y @ state + c)
    return np.stack(outputs), state


@pytest.mark.parametrize("kind", ["linear", "tanh"])
def test_rnn_is_a_loop(key, kind):
    xs, start = draw(7, 3), draw(5)
    if kind == "linear":
        net = nn.fan_in()(nn.LinearRNN, (3, 5, 2), key=key)
        biases, activation = (np.zeros(5), np.zeros(2)), lambda z: z
    else:
        net = randomised(nn.VanillaRNN((3, 5, 2), key=key))
        biases, activation = arrays(net.hidden_bias, net.output_bias), np.tanh
    weights = [*arrays(net.input_weights, net.recurrent_weights, net.output_weights), *biases]
    for state in (None, start):
        expected, final = loop_vanilla(weights, xs, activation, np.zeros(5) if state is None else state)
        ys, end = net(jnp.asarray(xs), None if state is None else jnp.asarray(state))
        assert_close(ys, expected, "exact")
        assert_close(end, final, "exact")


def test_mlp_is_layers(key):
    net = randomised(nn.MLP((3, 6, 4, 2), key=key))
    x = draw(3)
    expected = x
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases)):
        expected = np.asarray(weight) @ (np.tanh(expected) if layer else expected) + np.asarray(bias)
    assert_close(net(jnp.asarray(x)), expected, "exact")


def test_mlp_of_the_identity_is_deep_linear(key):
    net = nn.MLP((3, 6, 2), lambda x: x, use_bias=False, key=key)
    x = jnp.asarray(draw(3))
    assert_close(net(x), nn.DeepLinear(net.weights)(x), "exact")


def test_gru_is_its_equations(key):
    net = randomised(nn.GRU((3, 5, 2), key=key))
    w, u, b, b_n, w_y, c = arrays(
        net.cell.weight_ih, net.cell.weight_hh, net.cell.bias, net.cell.bias_n, net.output_weights, net.output_bias
    )
    xs, state, expected = draw(7, 3), np.zeros(5), []
    for x in xs:
        (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(w @ x + b, 3), np.split(u @ state, 3)
        reset, keep = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        new = np.tanh(n_x + reset * (n_h + b_n))
        state = (1 - keep) * new + keep * state
        expected.append(w_y @ state + c)
    assert_close(net(jnp.asarray(xs))[0], np.stack(expected), "exact")


def test_lstm_is_its_equations(key):
    net = randomised(nn.LSTM((3, 5, 2), key=key))
    w, u, b, w_y, c = arrays(net.cell.weight_ih, net.cell.weight_hh, net.cell.bias, net.output_weights, net.output_bias)
    xs, state, memory, expected = draw(7, 3), np.zeros(5), np.zeros(5), []
    for x in xs:
        i, f, g, o = np.split(w @ x + u @ state + b, 4)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(g)
        state = sigmoid(o) * np.tanh(memory)
        expected.append(w_y @ state + c)
    assert_close(net(jnp.asarray(xs))[0], np.stack(expected), "exact")


class Leaky(eqx.Module):
    """A cell of the user's own, with a state of two arrays."""

    weights: jax.Array

    def __call__(self, x, state):
        fast, slow = state
        fast = jnp.tanh(self.weights @ x + fast)
        return fast, 0.9 * slow + 0.1 * fast


def test_adapt_reads_the_first_array_of_any_state(key):
    cell = Leaky(jnp.asarray(draw(4, 3)))
    net = nn.adapt(cell, 2, state=(jnp.zeros(4), jnp.zeros(4)), key=key)
    xs = jnp.asarray(draw(6, 3))
    fast, expected = np.zeros(4), []
    for x in np.asarray(xs):
        fast = np.tanh(np.asarray(cell.weights) @ x + fast)
        expected.append(np.asarray(net.output_weights) @ fast)
    assert_close(net(xs)[0], np.stack(expected), "exact")
    with pytest.raises(ValueError, match="pass an array"):
        nn.adapt(cell, 2, key=key)


def test_adapt_of_a_gru_cell_is_the_gru(key):
    gru = nn.GRU((3, 5, 2), key=key)
    net = eqx.tree_at(lambda n: n.output_weights, nn.adapt(gru.cell, 2, key=key), gru.output_weights)
    xs = jnp.asarray(draw(6, 3))
    assert_close(net(xs)[0], gru(xs)[0], "exact")


def test_constructors_draw_glorot_weights_and_zero_biases(key):
    net = nn.MLP((200, 300, 100), key=key)
    for weight in net.weights:
        # The sample variance of n normal numbers has the relative standard deviation sqrt(2 / n).
        expected = 2 / sum(weight.shape)
        assert abs(float(jnp.mean(weight**2)) / expected - 1) < 5 * np.sqrt(2 / weight.size)
    assert all(not np.any(bias) for bias in net.biases)
    assert not np.any(nn.GRU((3, 5, 2), key=key).cell.bias)


@pytest.mark.parametrize(
    ("function", "kinks"),
    [
        *((f, True) for f in (jax.nn.relu, jax.nn.leaky_relu, jax.nn.hard_tanh, jax.nn.hard_sigmoid, jax.nn.relu6)),
        *((f, True) for f in (jax.nn.selu, jnp.abs, jnp.sign, lambda x: jnp.maximum(x, 0.0), jax.nn.hard_silu)),
        *((f, False) for f in (jnp.tanh, jax.nn.gelu, jax.nn.elu, jax.nn.softplus, jax.nn.silu, jnp.sin)),
        *((f, False) for f in (jax.nn.sigmoid, lambda x: x, lambda x: jnp.tanh(50 * x))),
    ],
)
def test_kinks_are_found(function, kinks):
    assert nn.has_kinks([function]) is kinks


def test_kinks_are_known_while_tracing(key):
    def known(key):
        return jnp.asarray([nn.has_kinks(nn.MLP((2, 1), f, key=key)) for f in (jax.nn.relu, jnp.tanh)])

    assert list(jax.jit(known)(key)) == [True, False]


def test_linear_networks_are_known(key):
    assert nn.is_linear(nn.small(1.0)(nn.DeepLinear, (2, 3), key=key))
    assert nn.is_linear(nn.small(1.0)(nn.LinearRNN, (2, 3, 1), key=key))
    assert not nn.is_linear(nn.MLP((2, 3, 1), key=key))
    assert not nn.is_linear(nn.GRU((2, 3, 1), key=key))


@pytest.mark.parametrize("sizes", [(3,), (3, 0, 2), (3, -1)])
def test_impossible_sizes_are_refused(key, sizes):
    with pytest.raises(ValueError, match="positive integers"):
        nn.MLP(sizes, key=key)


def test_recurrent_networks_need_three_sizes_and_real_parameters(key):
    for kind in (nn.VanillaRNN, nn.GRU, nn.LSTM):
        with pytest.raises(ValueError, match=r"\(in, hidden, out\)"):
            kind((3, 4), key=key)
    with pytest.raises(ValueError, match="floating"):
        nn.GRU((3, 4, 2), dtype=jnp.complex64, key=key)
    with pytest.raises(ValueError, match="floating"):
        nn.MLP((3, 4, 2), dtype=int, key=key)


def test_shapes_that_do_not_chain_are_refused():
    with pytest.raises(ValueError, match="the in of the next"):
        nn.DeepLinear((jnp.ones((3, 2)), jnp.ones((2, 4))))
    with pytest.raises(ValueError, match="hidden, hidden"):
        nn.LinearRNN(jnp.ones((3, 2)), jnp.ones((3, 4)), jnp.ones((1, 3)))
