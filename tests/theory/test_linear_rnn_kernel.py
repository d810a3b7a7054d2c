"""The closed-form kernel of a linear recurrent network against brute-force Jacobians, and how it moves."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import linnet as ln
from tests.tolerances import assert_close

STEPS, IN, OUT = 4, 3, 2


def random_network(key, hidden, scale=0.7):
    keys = jr.split(key, 3)
    shapes = (hidden, IN), (hidden, hidden), (OUT, hidden)
    return ln.nn.LinearRNN(*(scale * jr.normal(k, s) / np.sqrt(s[1]) for k, s in zip(keys, shapes)))


def jacobian_kernel(network, xs, others, every_step):
    """Rows of all outputs by central differences of every weight, in NumPy."""

    def outputs(weights, batch):
        w_in, w_rec, w_out = weights
        state, found = np.zeros((len(batch), len(w_in))), []
        for t in range(batch.shape[1]):
            state = state @ w_rec.T + batch[:, t] @ w_in.T
            found.append(state @ w_out.T)
        return np.stack(found, axis=1).ravel() if every_step else found[-1].ravel()

    weights = [np.array(w) for w in (network.input_weights, network.recurrent_weights, network.output_weights)]
    rows = []
    for batch in (np.asarray(xs), np.asarray(others)):
        columns = []
        for which, weight in enumerate(weights):
            for index in np.ndindex(weight.shape):
                ends = []
                for sign in (1, -1):
                    moved = [w.copy() for w in weights]
                    moved[which][index] += sign * 1e-5
                    ends.append(outputs(moved, batch))
                columns.append((ends[0] - ends[1]) / 2e-5)
        rows.append(np.stack(columns, axis=1))
    return rows[0] @ rows[1].T


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("hidden", [3, 12])
def test_kernel_is_that_of_the_jacobian(every_step, hidden, keys):
    network = random_network(keys(), hidden)
    xs, others = jr.normal(keys(), (5, STEPS, IN)), jr.normal(keys(), (3, STEPS, IN))
    kernel = ln.theory.linear_rnn_tangent_kernel(network, xs, others, every_step=every_step)
    shape = (STEPS, OUT) if every_step else (OUT,)
    assert kernel.shape == (5, *shape, 3, *shape)
    expected = jacobian_kernel(network, xs, others, every_step)
    np.testing.assert_allclose(kernel.reshape(expected.shape), expected, rtol=1e-6, atol=1e-8)
    empirical = ln.analyse.tangent_kernel(network, xs, others, output=ln.nn.apply if every_step else ln.nn.apply_last)
    assert_close(kernel, empirical, "exact")


@pytest.mark.slow
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("hidden", [2, 40])
def test_kernel_in_blocks_and_either_order_of_sums(every_step, hidden, keys, monkeypatch):
    """Wide networks take the double sum over steps, narrow ones features; blocks of examples change nothing."""
    from linnet.theory import _linear_rnn_kernel as module

    network, xs = random_network(keys(), hidden), jr.normal(keys(), (7, STEPS, IN))
    whole = ln.theory.linear_rnn_tangent_kernel(network, xs, every_step=every_step)
    monkeypatch.setattr(module, "_BLOCK_SIZE", 400)
    jax.clear_caches()
    blocks = ln.theory.linear_rnn_tangent_kernel(network, xs, every_step=every_step)
    assert_close(blocks, whole, "exact")
    assert_close(
        whole,
        jnp.moveaxis(whole, (0, 1), (-2, -1)) if not every_step else jnp.moveaxis(whole, (0, 1, 2), (-3, -2, -1)),
        "exact",
    )


def test_kernel_refuses_sequences_of_other_lengths(keys):
    with pytest.raises(ValueError, match="one shape"):
        ln.theory.linear_rnn_tangent_kernel(random_network(keys(), 3), jnp.ones((2, 4, 3)), jnp.ones((2, 5, 3)))


def aligned_task(key, num_steps):
    profile = ln.tasks.InverseExponential(jnp.array([1.0, 0.7]), jnp.array([0.8, 0.5]))
    return ln.tasks.TaskDynamics.random(profile, num_steps, inputs=IN, outputs=OUT, key=key)


@pytest.mark.slow
def test_kernel_distance_over_time(keys):
    """Along the modes, against the kernels of the networks that training passes through."""
    task = aligned_task(keys(), STEPS).moments()
    network = ln.nn.aligned(task, (0.2, 0.3, 0.2))(ln.nn.LinearRNN, (IN, 4, OUT), key=keys())
    ts = jnp.array([0.0, 1.0, 3.0, 6.0])
    predicted = ln.theory.predict(network, task, ts, theory=ln.theory.LinearRNNTangentKernel())
    # White inputs: unit vectors of all steps and channels.
    units = jnp.eye(STEPS * IN).reshape(-1, STEPS, IN)
    trained = ln.learn.simulate(network, task, ts).network
    kernels = [ln.analyse.tangent_kernel(net, units, output=ln.nn.apply_last) for net in (network, trained)]
    np.testing.assert_allclose(predicted["kernel_distance"][-1], ln.analyse.kernel_distance(*kernels), rtol=1e-4)
    assert float(predicted["kernel_distance"][-1]) > 0.05
    assert abs(float(predicted["kernel_distance"][0])) < 1e-12


@pytest.mark.slow
def test_kernel_distance_of_any_network_on_samples(keys):
    task = aligned_task(keys(), STEPS)
    batch = task.sample(20, key=keys())
    network, ts = random_network(keys(), 4), jnp.array([0.0, 2.0])
    theory = ln.theory.LinearRNNTangentKernel(along=ln.theory.MomentFlow())
    predicted = ln.theory.predict(network, batch, ts, theory=theory)
    trained = ln.learn.simulate(network, batch, ts)
    kernels = [ln.analyse.tangent_kernel(net, batch.x, output=ln.nn.apply_last) for net in (network, trained.network)]
    np.testing.assert_allclose(predicted["kernel_distance"][1], ln.analyse.kernel_distance(*kernels), rtol=1e-4)
    np.testing.assert_allclose(predicted["loss"], trained["loss"], rtol=1e-6)


def test_one_step_of_equal_modes_only_rescales_the_kernel(keys):
    """Without recurrence (T = 1), modes that begin and end equal leave the kernel's shape as it is."""
    yx = jnp.eye(2)[None]
    task = ln.tasks.TemporalMoments(None, yx, jnp.eye(2))
    network = ln.nn.aligned(task, (0.1, 0.0, 0.1))(ln.nn.LinearRNN, (2, 3, 2), key=keys())
    theory = ln.theory.LinearRNNTangentKernel()
    predicted = ln.theory.predict(network, task, jnp.array([0.0, 20.0]), theory=theory)
    assert float(predicted["kernel_distance"][-1]) < 1e-10
