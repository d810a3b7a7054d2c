"""Sharpness against the whole Hessian, and stable rates against gradient descent itself."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import analyse, nn, tasks
from linnet._loss import CrossEntropy
from tests.compilations import count_compilations
from tests.tolerances import assert_close


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def some_task(num_in=5, num_out=3, white=True):
    yx, root = draw(num_out, num_in), draw(num_in, num_in, seed=1)
    xx = np.eye(num_in) if white else root @ root.T / num_in
    return tasks.Moments(xx, yx @ xx, yx @ xx @ yx.T + 0.3 * np.eye(num_out))


def hessian(objective, network):
    params, rest = eqx.partition(network, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    return np.asarray(jax.jit(jax.hessian(lambda v: objective(eqx.combine(unravel(v), rest))))(flat))


@pytest.mark.parametrize("scale", [1.0, 1e-2], ids=["large", "near a saddle"])
def test_sharpness_on_moments_is_the_largest_eigenvalue(key, scale):
    task, net = some_task(), nn.small(scale)(nn.DeepLinear, (5, 4, 3), key=key)
    eigenvalues = np.linalg.eigvalsh(hessian(task.loss, net))
    found = analyse.sharpness(net, task)
    assert_close(found, eigenvalues[-1], "closed_form")
    if scale < 1:  # where the largest modulus would be as large and power iteration would not settle
        assert -eigenvalues[0] > 0.99 * eigenvalues[-1]


def test_sharpness_on_samples_with_another_loss(key):
    xs, ys = draw(30, 4), np.eye(3)[np.random.default_rng(2).integers(0, 3, 30)]
    net, loss = nn.MLP((4, 6, 3), key=key), CrossEntropy()

    def objective(network):
        return jnp.mean(jax.vmap(lambda x, y: loss(network(x), y))(jnp.asarray(xs), jnp.asarray(ys)))

    expected = np.linalg.eigvalsh(hessian(objective, net))[-1]
    batch = tasks.Batch(xs, ys)
    for task in (batch, tasks.Split(batch)):
        assert_close(analyse.sharpness(net, task, loss=loss, num_iterations=200), expected, "closed_form")
    assert_close(analyse.sharpness(net, objective, num_iterations=200), expected, "closed_form")


def test_lanczos_survives_few_distinct_and_negative_eigenvalues():
    rotation = np.linalg.qr(draw(9, 9))[0]
    for values in ([3, 3, 3, 1, 1, 1, -5, -5, -5], [-4, -4, -4, -2, -2, -2, -1, -1, -1], [0] * 9, [7] * 9):
        matrix = jnp.asarray(rotation @ np.diag(np.array(values, float)) @ rotation.T)
        found = analyse.largest_eigenvalue(lambda v, matrix=matrix: matrix @ v, jnp.zeros(9), 9)
        assert_close(found, max(values), "closed_form")


@pytest.mark.slow
def test_lanczos_approaches_from_below():
    values = np.linspace(0, 1, 400) ** 2
    found = [analyse.largest_eigenvalue(lambda v: jnp.asarray(values) * v, jnp.zeros(400), n) for n in (4, 16, 64)]
    assert found[0] < found[1] < found[2] <= 1 + 1e-12
    assert found[2] > 1 - 1e-3


def descend(net, task, rate, steps):
    """The loss above its floor at every step of gradient descent."""
    form = task.residual_form()

    @eqx.filter_jit
    def run(net, rate):
        def step(net, _):
            excess, gradient = jax.value_and_grad(lambda n: form.excess(n.end_to_end()))(net)
            return jax.tree.map(lambda w, g: w - rate * g, net, gradient), excess

        return jax.lax.scan(step, net, length=steps)[1]

    return np.asarray(run(net, rate))


@pytest.mark.parametrize(("depth", "white"), [(1, False), (2, True), (3, True), (3, False), (5, True)])
def test_gradient_descent_converges_below_and_leaves_above(key, depth, white):
    """From a small displacement of the balanced minimum, at 0.97 and 1.03 of the predicted largest rate."""
    task = some_task(white=white)
    sizes = (5, *[5] * (depth - 1), 3)
    target = task.residual_form().target
    exact = nn.aligned(tasks.Moments(np.eye(5), target, target @ target.T), jnp.linalg.svd(target, compute_uv=False))
    net = exact(nn.DeepLinear, sizes, key=key)
    rate = analyse.largest_stable_rate_at_minimum(task, depth)
    assert_close(analyse.largest_stable_rate(net, task, num_iterations=200), rate, "closed_form")
    leaves, structure = jax.tree.flatten(net)
    near = jax.tree.unflatten(structure, [w + 1e-4 * draw(*w.shape, seed=7) for w in leaves])
    below, above = (descend(near, task, part * rate, 400) for part in (0.97, 1.03))
    assert below[-1] < 0.1 * below[0]
    # It leaves; with correlated inputs it may settle again, at a minimum that is flatter than the balanced one.
    assert np.nanmax(above) > 10 * above[0] or not np.all(np.isfinite(above))


def test_white_inputs_give_the_textbook_edge():
    task = some_task()
    s = np.linalg.svd(np.asarray(task.yx), compute_uv=False)[0]
    for depth in (1, 2, 4):
        expected = 2 / (depth * s ** (2 - 2 / depth))
        assert_close(analyse.largest_stable_rate_at_minimum(task, depth), expected, "exact")


def test_no_upward_curvature_stands_any_rate():
    net = nn.DeepLinear((jnp.ones((1, 1)),))
    rate = analyse.largest_stable_rate(net, lambda network: -jnp.sum(network.weights[0] ** 2))
    assert np.isinf(rate)


def test_a_second_task_compiles_nothing(key):
    net, first, second = nn.fan_in()(nn.DeepLinear, (5, 4, 3), key=key), some_task(), some_task(white=False)
    analyse.largest_stable_rate(net, first)
    with count_compilations() as compiled:
        analyse.largest_stable_rate(net, second)
    assert not compiled


def test_what_cannot_be_is_refused(key):
    task = some_task()
    with pytest.raises(ValueError, match="pass samples"):
        analyse.sharpness(nn.MLP((5, 4, 3), key=key), task)
    with pytest.raises(ValueError, match="a function of a network"):
        analyse.sharpness(nn.MLP((5, 4, 3), key=key), 3.0)
    with pytest.raises(ValueError, match="depth 0"):
        analyse.largest_stable_rate_at_minimum(task, 0)
    with pytest.raises(ValueError, match="recurrent"):
        analyse.largest_stable_rate_at_minimum(tasks.TemporalMoments(None, draw(4, 2, 3), np.eye(2) * 9), 2)
