"""A second call with new data of the same shape compiles nothing."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import linnet as ln
from tests.compilations import count_compilations
from tests.learn import references as ref


def data(seed):
    """New moments, samples and weights, made by NumPy so that nothing here compiles."""
    rng = np.random.default_rng(seed)
    task = ln.tasks.Moments(*ref.random_moments(rng, 3, 2))
    batch = ln.tasks.Batch(rng.standard_normal((10, 3)), rng.standard_normal((10, 2)))
    return task, batch, ref.deep_linear(ref.random_weights(rng, (3, 4, 2)))


def flow(seed):
    task, _, net = data(seed)
    ln.learn.simulate(net, task, np.linspace(0, 1 + seed, 5))


def descent(seed):
    task, _, net = data(seed)
    # Another learning rate, another instance of the same optimiser, other times.
    rule = ln.learn.Descent(0.01 * (seed + 1), optax.scale_by_adam(), weight_decay=0.1 * (seed + 1))
    ln.learn.simulate(net, task, np.linspace(0, 1 + seed, 5), rule=rule)


def mini_batches(seed):
    _, batch, net = data(seed)
    ln.learn.simulate(net, batch, np.linspace(0, 1, 5), rule=ln.learn.Descent(0.1, batch_size=3), key=jr.key(seed))


def members(seed):
    task, _, _ = data(seed)

    def make(key, scale):
        first, second = jr.split(key)
        weights = scale * jr.normal(first, (4, 3)), scale * jr.normal(second, (2, 4))
        return ln.nn.DeepLinear(weights), task, ln.learn.Descent(0.05)

    ln.learn.ensemble(make, 0.05 * np.arange(5), {"seed": 4, "scale": [0.1 + seed, 0.2]}, key=jr.key(seed))


@pytest.mark.parametrize("call", [flow, descent, mini_batches, members])
def test_a_second_call_compiles_nothing(call):
    with count_compilations() as first:
        call(0)
    with count_compilations() as second:
        call(1)
    assert first and not second, [entry.get("fun_name") for entry in second]


def test_a_new_shape_compiles_again():
    jax.block_until_ready(jnp.zeros(3))
    flow(0)
    rng = np.random.default_rng(0)
    task, net = ln.tasks.Moments(*ref.random_moments(rng, 4, 2)), ref.deep_linear(ref.random_weights(rng, (4, 2)))
    with count_compilations() as compiled:
        ln.learn.simulate(net, task, np.linspace(0, 1, 3), rule=ln.learn.Descent(0.1))
    assert compiled
