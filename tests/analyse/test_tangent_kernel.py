"""Tangent kernels against the full Jacobian, finite differences and the closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import analyse, nn
from tests.compilations import count_compilations
from tests.tolerances import assert_close


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def outputs(network, xs, output=nn.apply):
    """The parameters as a vector, and all outputs as a function of it."""
    params, rest = eqx.partition(network, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    return flat, lambda vector: jax.vmap(lambda x: output(eqx.combine(unravel(vector), rest), x))(xs).reshape(-1)


def by_jacobian(network, xs, others, output=nn.apply):
    """Brute force: the whole Jacobian at once."""
    flat, first = outputs(network, xs, output)
    _, second = outputs(network, others, output)
    return jax.jacfwd(first)(flat) @ jax.jacfwd(second)(flat).T


@pytest.mark.parametrize("block_size", [None, 1, 3, 5, 99])
def test_mlp_kernel_is_that_of_the_whole_jacobian(key, block_size):
    net, xs, others = nn.MLP((4, 6, 3), key=key), draw(7, 4), draw(5, 4, seed=1)
    kernel = analyse.tangent_kernel(net, xs, block_size=block_size)
    assert kernel.shape == (7, 3, 7, 3)
    assert_close(kernel.reshape(21, 21), by_jacobian(net, xs, xs), "exact")
    kernel = analyse.tangent_kernel(net, xs, others, block_size=block_size)
    assert kernel.shape == (7, 3, 5, 3)
    assert_close(kernel.reshape(21, 15), by_jacobian(net, xs, others), "exact")


def test_mlp_kernel_by_finite_differences(key):
    net, xs = nn.MLP((3, 4, 2), key=key), draw(3, 3)
    flat, function = outputs(net, xs)
    function, flat, step = jax.jit(function), np.asarray(flat), 1e-5
    columns = [
        (np.asarray(function(flat + step * e)) - np.asarray(function(flat - step * e))) / (2 * step)
        for e in np.eye(flat.size)
    ]
    jacobian = np.stack(columns, axis=1)
    assert_close(analyse.tangent_kernel(net, xs).reshape(6, 6), jacobian @ jacobian.T, "finite_difference")


@pytest.mark.slow
@pytest.mark.parametrize("output", [nn.apply, nn.apply_last])
def test_recurrent_kernel_at_all_steps_and_at_the_last(key, output):
    net, xs = nn.GRU((2, 4, 2), key=key), draw(5, 6, 2)
    kernel = analyse.tangent_kernel(net, xs, output=output, block_size=2)
    assert kernel.shape == ((5, 6, 2, 5, 6, 2) if output is nn.apply else (5, 2, 5, 2))
    rows = kernel.size // (5 * np.prod(kernel.shape[1 : kernel.ndim // 2]))
    assert_close(kernel.reshape(rows, rows), by_jacobian(net, xs, xs, output), "exact")


def test_linear_rnn_kernel_is_the_sum_over_steps(key):
    """Theta = sum_kl (x_k.x_l + h_k.h_l) B_k B_l^T + (h.h) I, in loops over pairs of steps (the corrected equation)."""
    net, xs, steps = nn.fan_in(0.8)(nn.LinearRNN, (3, 4, 2), key=key), draw(3, 5, 3), 5
    w_x, w_h, w_y = (np.asarray(w) for w in nn.chained_weights(net))
    states = np.zeros((3, steps + 1, 4))
    for k in range(steps):
        states[:, k + 1] = states[:, k] @ w_h.T + np.asarray(xs)[:, k] @ w_x.T
    backs = [w_y @ np.linalg.matrix_power(w_h, steps - 1 - k) for k in range(steps)]
    expected = np.einsum("ph,qh,ab->paqb", states[:, -1], states[:, -1], np.eye(2))
    for k in range(steps):
        for m in range(steps):
            gram = np.asarray(xs)[:, k] @ np.asarray(xs)[:, m].T + states[:, k] @ states[:, m].T
            expected += np.einsum("pq,ab->paqb", gram, backs[k] @ backs[m].T)
    assert_close(analyse.tangent_kernel(net, xs, output=nn.apply_last), expected, "exact")


@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3), (4, 2, 6, 3)])
def test_closed_form_of_linear_networks(key, sizes):
    net, xs, others = nn.fan_in()(nn.DeepLinear, sizes, key=key), draw(5, 4), draw(3, 4, seed=1)
    closed = analyse.linear_tangent_kernel(net, xs, others)
    assert_close(closed.reshape(15, 9), by_jacobian(net, xs, others), "exact")


def test_closed_form_of_two_layers_is_the_published_one(key):
    """With vec stacking columns of the "out num" output matrix: (X^T X) kron W2 W2^T + (X^T W1^T W1 X) kron I."""
    net, xs = nn.fan_in()(nn.DeepLinear, (4, 5, 3), key=key), draw(6, 4)
    first, last = (np.asarray(w) for w in net.weights)
    x = np.asarray(xs).T
    expected = np.kron(x.T @ x, last @ last.T) + np.kron(x.T @ first.T @ first @ x, np.eye(3))
    assert_close(analyse.linear_tangent_kernel(net, xs).reshape(18, 18), expected, "exact")


def test_kernel_distance_is_an_angle():
    first, second = draw(4, 4), draw(4, 4, seed=1)
    expected = 1 - np.sum(first * second) / (np.linalg.norm(first) * np.linalg.norm(second))
    assert_close(analyse.kernel_distance(first, second), expected, "exact")
    assert_close(analyse.kernel_distance(first, 7 * first), 0.0, "exact")
    assert_close(analyse.kernel_distance(first, -first), 2.0, "exact")
    tiny = (1e-25 * first).astype(jnp.float32)  # its squares are no float32
    np.testing.assert_allclose(analyse.kernel_distance(tiny, tiny), 0.0, atol=1e-6)


def test_a_second_network_compiles_nothing(key):
    xs = draw(5, 3)
    first, second = (nn.MLP((3, 4, 2), key=k) for k in jax.random.split(key))
    analyse.tangent_kernel(first, xs)
    with count_compilations() as compiled:
        analyse.tangent_kernel(second, xs + 1)
    # Adding one compiles one program of its own; the kernel none.
    assert len(compiled) <= 1


def test_what_cannot_be_is_refused(key):
    net, xs = nn.MLP((3, 4, 2), key=key), draw(5, 3)
    with pytest.raises(ValueError, match="same shape after the first axis"):
        analyse.tangent_kernel(net, xs, draw(5, 2))
    with pytest.raises(ValueError, match="block_size of at least 1"):
        analyse.tangent_kernel(net, xs, block_size=0)
