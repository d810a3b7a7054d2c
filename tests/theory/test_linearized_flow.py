"""Kernel gradient flow against linear models solved in NumPy and SciPy, and against training of wide networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg

import linnet as ln
from tests.tolerances import assert_close

TS = jnp.array([0.0, 0.3, 1.0, 4.0, 50.0])
FLOW = ln.theory.LinearizedFlow()


def samples(key, num, size, outputs, steps=None, every_step=False):
    first, second = jr.split(key)
    shape = (num, size) if steps is None else (num, steps, size)
    target = (num, steps, outputs) if every_step else (num, outputs)
    return ln.tasks.Batch(jr.normal(first, shape), jr.normal(second, target))


def linear_model(network, outputs, batch, weights, ts):
    """The linearised network's parameters over time, by a matrix exponential of its own normal equations.

    Args:
        outputs: of a network on inputs, flat.
        weights: of every row in the loss.

    Returns:
        A function from inputs to their outputs over time, and the training loss.
    """
    flat, unravel = jax.flatten_util.ravel_pytree(eqx.filter(network, eqx.is_inexact_array))
    static = eqx.filter(network, eqx.is_inexact_array, inverse=True)

    def model(vector, x):
        return outputs(eqx.combine(unravel(vector), static), x).reshape(-1)

    jacobian = lambda x: np.asarray(jax.jacfwd(model)(flat, x))  # noqa: E731
    first, design = np.asarray(model(flat, batch.x)), jacobian(batch.x)
    residual = first - np.asarray(batch.y).reshape(-1)
    size = flat.size
    # d(delta)/dt = -A delta - b, with a constant appended as one more component.
    matrix = np.zeros((size + 1, size + 1))
    matrix[:size, :size] = -design.T @ (weights[:, None] * design)
    matrix[:size, size] = -design.T @ (weights * residual)
    moves = np.stack([scipy.linalg.expm(matrix * t)[:size, size] for t in np.asarray(ts)])
    loss = 0.5 * np.sum(weights * (residual + moves @ design.T) ** 2, axis=1)
    return lambda x: np.asarray(model(flat, x)) + moves @ jacobian(x).T, loss


@pytest.mark.parametrize("num", [4, 40])  # fewer and more samples than parameters: the kernel is singular
def test_one_layer_is_linear_regression(num, keys):
    network = ln.nn.DeepLinear((0.3 * jr.normal(keys(), (2, 5)),))
    batch = samples(keys(), num, 5, 2)
    predicted = ln.theory.predict(network, batch, TS, theory=FLOW)
    x, y, first = np.asarray(batch.x), np.asarray(batch.y), np.asarray(network.weights[0])
    xx, yx = x.T @ x / num, y.T @ x / num
    end = yx @ np.linalg.pinv(xx)
    # directions without inputs stay as they are: their part of `first - end` does not decay, and nobody sees it
    maps = np.stack([end + (first - end) @ scipy.linalg.expm(-xx * t) for t in np.asarray(TS)])
    assert_close(predicted["loss"], 0.5 * np.mean(np.sum((y - x @ maps.swapaxes(1, 2)) ** 2, -1), -1), "closed_form")
    modes = batch.moments().singular_modes()
    strengths = np.einsum("om,toi,im->tm", modes.left, maps, modes.right)
    assert_close(predicted["mode_strengths"], strengths, "closed_form")
    assert all(float(a.value) < 1e-9 for a in predicted.assumptions)


@pytest.mark.parametrize("every_step", [False, True])
def test_recurrent_network_with_weights_and_a_mask(every_step, keys):
    """Small, so far from lazy: the linearised network itself is what is predicted."""
    batch, held_out = (samples(keys(), num, 2, 2, 3, every_step) for num in (6, 4))
    weight = jnp.array([1.0, 2.0, 0.5, 1.0, 0.0, 3.0])
    mask = jnp.array(np.random.default_rng(0).random((6, 3)) < 0.7) if every_step else None
    batch = ln.tasks.Batch(batch.x, batch.y, mask, weight)
    network = ln.nn.VanillaRNN((2, 4, 2), key=keys())
    rows = np.repeat(np.asarray(weight / weight.sum()), 2 * (3 if every_step else 1))
    rows = rows * np.repeat(np.asarray(mask).ravel(), 2) if every_step else rows

    def outputs(net, x):
        return jax.vmap(lambda xs: ln.nn.apply(net, xs) if every_step else ln.nn.apply_last(net, xs))(x)

    at, loss = linear_model(network, outputs, batch, rows, TS)
    predicted = ln.theory.predict(network, ln.tasks.Split(batch, held_out), TS, theory=FLOW, strict=False)
    assert_close(predicted["loss"], loss, "closed_form")
    expected = 0.5 * np.sum((at(held_out.x) - np.asarray(held_out.y).reshape(-1)) ** 2, axis=1) / 4
    assert_close(predicted["validation_loss"], expected, "closed_form")
    assert ("mode_strengths" in predicted) == (mask is None)


@pytest.mark.slow
def test_products_with_the_kernel_are_enough(keys):
    """Lanczos, which never forms the kernel, against the dense spectrum; and what it says about a space too small."""
    network, batch = ln.nn.MLP((4, 20, 3), key=keys()), samples(keys(), 25, 4, 3)
    split = ln.tasks.Split(batch, samples(keys(), 10, 4, 3))
    dense = FLOW.solve(network, split, TS)
    krylov = ln.theory.LinearizedFlow(dense_size=1, krylov_size=75).solve(network, split, TS)
    for name in dense.names():
        assert_close(krylov[name], dense[name], "closed_form")
    rule, loss = ln.learn.GradientFlow(), ln.SquaredError()
    resolved = []
    for size in (3, 75):
        theory = ln.theory.LinearizedFlow(dense_size=1, krylov_size=size).within(jnp.array(50.0))
        found = {a.name: a for a in theory.assumptions(network, batch, rule, loss)}
        resolved.append(bool(found["resolved spectrum"].holds))
    assert resolved == [False, True]


@pytest.mark.slow
def test_wide_networks_are_lazy(keys):
    """The error of the prediction falls with width, and with it both measured numbers."""
    batch, ts = samples(keys(), 12, 4, 1), jnp.linspace(0.0, 1.0, 11)
    widths, errors, numbers = np.array([16, 64, 256, 1024]), [], []
    for width in widths:
        # Kernels grow with width in this parametrisation; the learning time shrinks with them.
        network = ln.nn.fan_in(1.0)(ln.nn.MLP, (4, int(width), 1), key=jr.key(1))
        times = ts * 400 / width
        predicted = ln.theory.predict(network, batch, times, theory=FLOW, strict=False)
        simulated = ln.learn.simulate(network, batch, times)
        errors.append(ln.compare.difference(simulated, predicted).relative["loss"])
        numbers.append([float(a.value) for a in predicted.assumptions])
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert slope < -0.4, (slope, errors)
    assert np.all(np.diff(np.array(numbers), axis=0) < 0)
    assert all(a.holds for a in predicted.assumptions) and errors[-1] < 0.02
