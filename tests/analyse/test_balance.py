"""What gradient flow conserves, checked along flows that SciPy integrates from hand-written gradients."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from linnet import analyse, nn
from tests.tolerances import assert_close

OPTIONS = {"rtol": 1e-11, "atol": 1e-13}


def random(*shapes, seed=0, scale=0.5):
    rng = np.random.default_rng(seed)
    return [scale * rng.normal(size=shape) for shape in shapes]


def flow(gradients, weights, time=3.0):
    """The weights at a few times under dW/dt = -gradient, as lists of matrices."""
    shapes = [w.shape for w in weights]
    ends = np.cumsum([w.size for w in weights])[:-1]

    def unpack(flat):
        return [part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes)]

    def field(_, flat):
        return -np.concatenate([g.ravel() for g in gradients(*unpack(flat))])

    start = np.concatenate([w.ravel() for w in weights])
    path = solve_ivp(field, (0, time), start, t_eval=np.linspace(0, time, 4), **OPTIONS)
    return [unpack(flat) for flat in path.y.T]


def deep_gradients(xx, yx):
    def gradients(first, second, third):
        error = third @ second @ first @ xx - yx
        return (third @ second).T @ error, third.T @ error @ first.T, error @ (second @ first).T

    return gradients


def rnn_gradients(yx):
    """The gradients of half the squared distance of impulse responses, by backpropagation through time by hand."""

    def gradients(w_x, w_h, w_y):
        steps = len(yx)
        powers = [np.linalg.matrix_power(w_h, k) for k in range(steps)]
        g_x, g_h, g_y = np.zeros_like(w_x), np.zeros_like(w_h), np.zeros_like(w_y)
        for i in range(steps):
            k = steps - 1 - i
            error = w_y @ powers[k] @ w_x - yx[i]
            g_x += powers[k].T @ w_y.T @ error
            g_y += error @ (powers[k] @ w_x).T
            for r in range(k):
                g_h += powers[r].T @ w_y.T @ error @ w_x.T @ powers[k - 1 - r].T
        return g_x, g_h, g_y

    return gradients


def test_deep_linear_balance_is_conserved():
    """For correlated inputs too, and while the weights move a lot."""
    root, yx = random((4, 4), (3, 4), scale=1.0)
    weights = random((5, 4), (6, 5), (3, 6), seed=1)
    path = flow(deep_gradients(root @ root.T / 4, yx), weights)
    assert np.linalg.norm(path[-1][0] - path[0][0]) > 0.3
    first = analyse.balance_matrices(nn.DeepLinear(tuple(path[0])))
    assert [matrix.shape for matrix in first] == [(5, 5), (6, 6)]
    for weights in path[1:]:
        net = nn.DeepLinear(tuple(weights))
        for before, after in zip(first, analyse.balance_matrices(net)):
            np.testing.assert_allclose(after, before, atol=1e-8)


def test_linear_rnn_balance_is_conserved_with_its_recurrent_part_only():
    yx = random((5, 2, 3))[0]
    path = flow(rnn_gradients(yx), random((4, 3), (4, 4), (2, 4), seed=1))
    (first,) = analyse.balance_matrices(nn.LinearRNN(*path[0]))
    for w_x, w_h, w_y in path[1:]:
        (now,) = analyse.balance_matrices(nn.LinearRNN(*map(jnp.asarray, (w_x, w_h, w_y))))
        np.testing.assert_allclose(now, first, atol=1e-8)
    # Negative control: without the recurrent part it moves, as W_h is not normal here; its trace does not.
    outer = [w_y.T @ w_y - w_x @ w_x.T for w_x, _, w_y in path]
    assert np.abs(outer[-1] - outer[0]).max() > 0.01
    np.testing.assert_allclose(np.trace(outer[-1]), np.trace(outer[0]), atol=1e-8)


def test_relu_networks_conserve_the_diagonal():
    """By finite differences of the loss of a two-layer ReLU network: the diagonal of the rate of change vanishes."""
    rng = np.random.default_rng(0)
    first, last = random((5, 3), (2, 5), seed=1)
    xs, ys = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    hidden = np.maximum(xs @ first.T, 0)
    error = (hidden @ last.T - ys) / len(xs)
    d_last, d_first = error.T @ hidden, ((error @ last) * (hidden > 0)).T @ xs
    rate = last.T @ d_last + d_last.T @ last - first @ d_first.T - d_first @ first.T
    np.testing.assert_allclose(np.diag(rate), 0, atol=1e-12)
    assert np.abs(rate).max() > 1e-3


def test_balancedness_is_the_norm(key):
    first, second, third = random((5, 4), (6, 5), (3, 6))
    net = nn.DeepLinear((first, second, third))
    expected = [
        np.linalg.norm(second.T @ second - first @ first.T),
        np.linalg.norm(third.T @ third - second @ second.T),
    ]
    assert_close(analyse.balancedness(net), expected, "exact")
    assert analyse.balancedness(nn.DeepLinear((first,))).shape == (0,)
    mlp = nn.MLP((4, 5, 3), key=key)
    assert_close(analyse.balancedness(mlp), analyse.balancedness(nn.DeepLinear(mlp.weights)), "exact")
    with pytest.raises(ValueError, match="one after the other"):
        analyse.balancedness(nn.GRU((2, 3, 1), key=key))
