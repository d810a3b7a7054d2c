"""Time-invariant layers as linear networks, trained on moments."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import learn, nn, tasks
from tests.tolerances import assert_close

IN, OUT, STEPS = 3, 2, 6
KINDS = ("lru", "s5", "s4d", "s4", "lssl")


def network(name):
    first, second, third = jr.split(jr.key(0), 3)
    layer = nn.layer(name, 4, output="none", dtype=jnp.float64, key=first)
    weights = 0.3 * jr.normal(second, (4, IN), jnp.float64), 0.3 * jr.normal(third, (OUT, 4), jnp.float64)
    return nn.LinearLayer(layer, *weights)


def check(name):
    net, rng = network(name), np.random.default_rng(0)
    kernel = np.asarray(net.impulse_response(STEPS))
    xs = jnp.asarray(rng.normal(size=(STEPS, IN)))
    expected = [sum(kernel[k] @ xs[t - k] for k in range(t + 1)) for t in range(STEPS)]
    assert_close(net(xs)[0], np.array(expected), "closed_form")
    # White inputs, a target at the last step: the loss is half of the distance of maps, beside what stays.
    yx = rng.normal(size=(STEPS, OUT, IN)) / 5
    task = tasks.TemporalMoments(None, jnp.asarray(yx), jnp.eye(OUT) * 20)
    run = learn.simulate(net, task, np.array([0, 0.5, 1.0]), rule=learn.Descent(0.05))
    floor = 0.5 * (20 * OUT - np.sum(yx**2))
    assert_close(run["loss"][0], floor + 0.5 * np.sum((yx - kernel[::-1]) ** 2), "closed_form")
    modes = task.singular_modes()
    learned = np.asarray(run.network.impulse_response(STEPS))[::-1]
    assert_close(run["mode_strengths"][-1], modes.mode_strengths(jnp.asarray(learned)), "closed_form")
    assert run["loss"][-1] < run["loss"][0]


@pytest.mark.parametrize("name", ["lru"])
def test_layer_learns_moments(name):
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_every_time_invariant_layer_learns_moments(name):
    check(name)


def test_layers_that_are_not_linear_are_refused():
    with pytest.raises(ValueError, match="with output='none', got LRU with output='glu'"):
        nn.LinearLayer(nn.LRU(4, key=jr.key(0)))
    with pytest.raises(ValueError, match="with output='none', got GLA"):
        nn.LinearLayer(nn.GLA(4, 2, key=jr.key(0)))
    with pytest.raises(ValueError, match=r"needs input_weights \(4, in\) and output_weights \(out, 4\), got \(3, 4\)"):
        nn.LinearLayer(nn.LRU(4, output="none", key=jr.key(0)), jnp.ones((3, 4)))
