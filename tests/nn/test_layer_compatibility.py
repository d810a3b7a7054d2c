"""What the rest of linnet does to every layer of sequence models without knowing it: training, ensembles, observers,
kernels, curvature, initialisers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import analyse, learn, nn, tasks
from tests.nn.layers import LAYERS, WIDTH
from tests.nn.test_layer_contract import inputs, made
from tests.tolerances import assert_close

STEPS = 5


def batch():
    xs = jnp.stack([inputs(STEPS, seed=seed) for seed in range(3)])
    return tasks.Batch(np.asarray(xs), np.asarray(0.3 * xs[:, ::-1] ** 2))


def parameters(network):
    return ravel_pytree(eqx.filter(network, eqx.is_inexact_array))[0]


def check_descent(name):
    """Two steps of gradient descent, with observers, are those written down."""
    layer, data, rate = made(name), batch(), 1e-3
    observers = (learn.KernelDistance(data.x[:2]), learn.WeightNorms())
    run = learn.simulate(layer, data, np.array([0, rate, 2 * rate]), rule=learn.Descent(rate), observe=observers)

    def loss(flat, unravel, rest):
        network = eqx.combine(unravel(flat), rest)
        found = jax.vmap(lambda x: network(x)[0])(data.x)
        return jnp.sum((found - data.y) ** 2) / (2 * len(data.x))

    params, rest = eqx.partition(layer, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    value = jax.jit(jax.value_and_grad(lambda flat: loss(flat, unravel, rest)))
    losses = []
    for _ in range(3):
        now, slope = value(flat)
        losses.append(now)
        flat, last = flat - rate * slope, flat
    assert_close(run["loss"], losses, "closed_form")
    assert_close(parameters(run.network), last, "closed_form")
    distance = np.asarray(run["kernel_distance"])
    assert abs(distance[0]) < 1e-12 and np.all(np.isfinite(distance)) and np.all(distance[1:] > 0)


@pytest.mark.parametrize("name", ["mingru"])
def test_layer_descends_under_observation(name):
    check_descent(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_descends_under_observation(name):
    check_descent(name)


def check_ensemble(name):
    """Members of an ensemble are runs by themselves."""
    data, rate = batch(), 1e-3

    def make(key):
        return LAYERS[name].make(key, jnp.float64), data, learn.Descent(rate)

    ts = np.array([0, 2 * rate])
    together = learn.ensemble(make, ts, {"seed": 2}, key=jr.key(1))
    for seed in range(2):
        network, task, rule = make(jr.fold_in(jr.key(1), seed))
        alone = learn.simulate(network, task, ts, rule=rule)
        assert_close(together["loss"][seed], alone["loss"], "closed_form")


@pytest.mark.parametrize("name", ["lru"])
def test_layer_trains_in_an_ensemble(name):
    check_ensemble(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_trains_in_an_ensemble(name):
    check_ensemble(name)


def check_curvature(name):
    """The tangent kernel is that of Jacobians, and the sharpness an eigenvalue of the Hessian; a flow lowers the
    loss at the rate of the squared gradient, where the layer is smooth."""
    layer, data = made(name), batch()
    params, rest = eqx.partition(layer, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)

    def outputs(flat, xs):
        return eqx.combine(unravel(flat), rest)(xs)[0].ravel()

    def loss(flat):
        found = jax.vmap(lambda x: outputs(flat, x))(data.x)
        return jnp.sum((found - data.y.reshape(len(data.y), -1)) ** 2) / (2 * len(data.x))

    kernel = analyse.tangent_kernel(layer, data.x[:2])
    jacobian = jax.jit(jax.vmap(jax.jacrev(outputs), (None, 0)))(flat, data.x[:2]).reshape(-1, flat.size)
    assert_close(np.reshape(kernel, (len(jacobian), -1)), jacobian @ jacobian.T, "closed_form")

    # Lanczos approaches from below: it is no less than the curvature along the gradient.
    slope = jax.jit(jax.grad(loss))(flat)
    unit, step = slope / jnp.linalg.norm(slope), 1e-4
    value = jax.jit(loss)
    curved = (value(flat + step * unit) - 2 * value(flat) + value(flat - step * unit)) / step**2
    sharp = analyse.sharpness(layer, data, num_iterations=8)
    assert np.isfinite(sharp) and sharp >= curved * (1 - 1e-4) - 1e-4

    if not nn.has_kinks(layer):
        time = 1e-3 / max(1, sharp)  # in which no direction is learned
        run = learn.simulate(layer, data, np.array([0, time / 2, time]))  # gradient flow
        fall = (run["loss"][2] - run["loss"][0]) / time
        np.testing.assert_allclose(fall, -(slope @ slope), rtol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_a_kernel_a_sharpness_and_a_flow(name):
    check_curvature(name)


def test_initialisers_draw_the_weights_of_a_layer():
    layer = made("gla")
    found = nn.small(0.01)(layer, key=jr.key(0))
    assert jtu.tree_structure(found) == jtu.tree_structure(layer) and found.hidden_size == WIDTH
    shapes = [[leaf.shape for leaf in jtu.tree_leaves(eqx.filter(net, eqx.is_array))] for net in (found, layer)]
    assert shapes[0] == shapes[1] and np.std(np.asarray(found.inputs.query)) < 0.02
