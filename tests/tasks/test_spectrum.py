"""Spectra of periodic sequences, against loops over time in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import LpLoss, SquaredError, learn, nn, tasks
from linnet.nn import sample_loss
from tests.tolerances import assert_close

STEPS = 24


LOSS = jax.jit(lambda data, net: tasks.Spectrum.of(data).loss(net))


def network(num=3, seed=0):
    rng = np.random.default_rng(seed)
    return nn.DiagonalSSM(rng.uniform(-0.5, 0.6, num), rng.normal(size=(num, 1)), rng.normal(size=(1, num)))


def batch(num=5, seed=1, weight=None):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num, STEPS, 1))
    return tasks.Batch(x, np.roll(x, 1, axis=1) + 0.3 * rng.normal(size=x.shape), None, weight)


def steady_outputs(net, x):
    """The outputs of a network in its steady state on periodic inputs, by a loop over 6 periods."""
    poles, b, c = (np.asarray(leaf) for leaf in (net.poles, net.input_weights[:, 0], net.output_weights[0]))
    state, outputs = np.zeros((x.shape[0], len(poles))), []
    for step in range(6 * STEPS):
        state = poles * state + x[:, step % STEPS] * b
        outputs.append(state @ c)
    return np.stack(outputs[-STEPS:], axis=1)


@pytest.mark.parametrize("weight", [None, jnp.array([1.0, 2.0, 0.5, 0.1, 3.0])])
def test_the_loss_is_that_of_the_steady_state(weight):
    data, net = batch(weight=weight), network()
    losses = 0.5 * np.sum((steady_outputs(net, np.asarray(data.x)) - np.asarray(data.y)[..., 0]) ** 2, axis=1)
    assert_close(LOSS(data, net), np.average(losses, weights=weight), "closed_form")


def test_scan_and_fft_give_one_gradient():
    data, net = batch(), network()
    in_time = tasks.unroll_periods(data, 3)
    slopes = jax.jit(jax.grad(lambda n: sample_loss(n, in_time, SquaredError())))(net)
    found = jax.jit(jax.grad(tasks.Spectrum.of(data).loss))(net)
    for mine, theirs in zip(jax.tree_util.tree_leaves(found), jax.tree_util.tree_leaves(slopes), strict=True):
        assert_close(mine, theirs, "closed_form")


def test_statistics_are_all_that_fixed_poles_see():
    task, net = tasks.Spectrum.of(batch()), network()
    sigma, eta = task.statistics(net.poles)
    gains = np.asarray(net.output_weights)[0] * np.asarray(net.input_weights)[:, 0]
    silent = float(task.output_power) / 2
    assert_close(task.loss(net), silent - gains @ sigma + gains @ eta @ gains / 2, "closed_form")


def test_the_transfer_function_is_the_transform_of_the_impulse_response():
    net = network()
    frequencies = jnp.array([0.0, 0.7, 2.0])
    lags = np.arange(200)
    expected = np.exp(-1j * np.outer(frequencies, lags)) @ np.asarray(net.impulse_response(200))[:, 0, 0]
    assert_close(net.transfer(frequencies)[:, 0, 0], expected, "closed_form")


def test_inputs_without_some_frequencies():
    x = np.cos(2 * np.pi * np.arange(STEPS) / STEPS)[None, :, None] * np.ones((1, 1, 1))
    data, net = tasks.Batch(x, 2 * x), network()
    losses = 0.5 * np.sum((steady_outputs(net, x) - 2 * x[..., 0]) ** 2)
    assert_close(LOSS(data, net), losses, "closed_form")
    assert_close(tasks.Spectrum.of(data).floor(), 0.0, "closed_form")


def test_what_does_not_fit_is_refused():
    task, ts = tasks.Spectrum.of(batch()), [0.0, 1.0]
    with pytest.raises(ValueError, match="transfer function, such as `DiagonalSSM`"):
        learn.simulate(nn.DeepLinear([jnp.eye(1)]), task, ts)
    with pytest.raises(ValueError, match=r"\(out, in\) = \(1, 2\)"):
        learn.simulate(nn.DiagonalSSM(jnp.zeros(3), jnp.ones((3, 2)), jnp.ones((1, 3))), task, ts)
    with pytest.raises(ValueError, match="squared error, got LpLoss"):
        learn.simulate(network(), task, ts, loss=LpLoss(4))
    with pytest.raises(ValueError, match=r"got \(5, 24, 2\) and \(5, 24, 1\)"):
        tasks.Spectrum.of(tasks.Batch(np.zeros((5, 24, 2)), np.zeros((5, 24, 1))))
    with pytest.raises(ValueError, match="with a mask"):
        tasks.unroll_periods(tasks.unroll_periods(batch()))
    with pytest.raises(ValueError, match="at least 1 period, got 0"):
        tasks.unroll_periods(batch(), 0)
    with pytest.raises(ValueError, match=r"shapes \(4,\), \(3, 2\) and \(\)"):
        tasks.Spectrum(np.ones(4), np.ones((3, 2)), 1.0)
    with pytest.raises(ValueError, match=r"got \(2,\), \(3, 1\) and \(1, 2\)"):
        nn.DiagonalSSM(jnp.zeros(2), jnp.ones((3, 1)), jnp.ones((1, 2)))
    for observer in (learn.Poles(), learn.StateStrengths()):
        with pytest.raises(ValueError, match="those of a DiagonalSSM, got a DeepLinear"):
            observer.measure(nn.DeepLinear([jnp.eye(1)]), initial=None, task=None, key=None)
