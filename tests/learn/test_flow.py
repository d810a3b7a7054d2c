"""Gradient flow against SciPy on gradients written by hand."""

import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

import linnet as ln
from tests.learn import references as ref


@pytest.mark.parametrize("sizes", [(5, 4), (4, 3, 6, 3)])
def test_flow_on_moments_is_that_of_scipy(sizes):
    rng = np.random.default_rng(len(sizes))
    xx, yx, yy = ref.random_moments(rng, sizes[0], sizes[-1])
    weights = ref.random_weights(rng, sizes)
    ts = np.concatenate([[0.0], np.sort(rng.uniform(0, 6, 17))])
    expected = ref.flow(lambda w: ref.moment_gradients(w, xx, yx), weights, ts)
    task = ln.tasks.Moments(xx, yx, yy)
    found = ln.learn.simulate(ref.deep_linear(weights), task, jnp.asarray(ts))
    assert int(found.result) == 0 and found.message == "The run was successful."
    np.testing.assert_allclose(found["loss"], [ref.moment_loss(w, xx, yx, yy) for w in expected], rtol=2e-6)
    u, _, vt = np.linalg.svd(yx, full_matrices=False)
    strengths = [np.einsum("om,oi,mi->m", u, ref.product(w), vt) for w in expected]
    np.testing.assert_allclose(found["mode_strengths"], strengths, atol=1e-6)
    for mine, theirs in zip(found.network.weights, expected[-1]):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_flow_of_a_recurrent_network_is_that_of_scipy():
    rng = np.random.default_rng(3)
    steps, num_in, num_out, hidden = 4, 2, 2, 3
    flat, teacher = rng.standard_normal((steps * num_in,) * 2), rng.standard_normal((steps, num_out, num_in))
    joint = flat @ flat.T / (steps * num_in) + 0.2 * np.eye(steps * num_in)
    xx = joint.reshape(steps, num_in, steps, num_in).swapaxes(1, 2)
    yx = np.einsum("joi,jkis->kos", teacher, xx)
    yy = 10 * np.eye(num_out)
    params = [0.5 * rng.standard_normal(s) for s in ((hidden, num_in), (hidden, hidden), (num_out, hidden))]
    ts = np.linspace(0, 3, 7)
    expected = ref.flow(lambda p: ref.rnn_gradients(p, xx, yx), params, ts)
    task, net = ln.tasks.TemporalMoments(xx, yx, yy), ln.nn.LinearRNN(*params)
    found = ln.learn.simulate(net, task, jnp.asarray(ts))
    for mine, theirs in zip(jtu.tree_leaves(found.network), expected[-1]):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    wide = [np.concatenate(ref.rnn_maps(p, steps), axis=1) for p in expected]
    side = np.concatenate(list(yx), axis=1)
    losses = [0.5 * np.trace(yy - 2 * m @ side.T + m @ joint @ m.T) for m in wide]
    np.testing.assert_allclose(found["loss"], losses, rtol=1e-6)


def test_flow_of_a_nonlinear_network_on_samples_is_that_of_scipy():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    net = ln.nn.MLP((3, 4, 2), key=jr.key(1), use_bias=False)
    params, form = jtu.tree_flatten(jax.tree.map(np.asarray, net.weights))
    assert [p.shape for p in params] == [(4, 3), (2, 4)]

    def gradients(p):
        hidden = np.tanh(x @ p[0].T)
        error = (hidden @ p[1].T - y) / len(x)
        return [((error @ p[1]) * (1 - hidden**2)).T @ x, error.T @ hidden]

    def loss(p):
        return 0.5 * np.sum((np.tanh(x @ p[0].T) @ p[1].T - y) ** 2) / len(x)

    ts = np.linspace(0, 8, 9)
    expected = ref.flow(gradients, params, ts)
    found = ln.learn.simulate(net, ln.tasks.Batch(x, y), jnp.asarray(ts))
    np.testing.assert_allclose(found["loss"], [loss(p) for p in expected], rtol=1e-6)


def test_flow_conserves_the_balance_of_layers_and_rates_break_it():
    rng = np.random.default_rng(7)
    xx, yx, yy = ref.random_moments(rng, 4, 3)
    first, second = ref.random_weights(rng, (4, 5, 3), 0.5)
    task, net, ts = ln.tasks.Moments(xx, yx, yy), ref.deep_linear([first, second]), jnp.array([0.0, 4.0])
    a, b = ln.learn.simulate(net, task, ts).network.weights
    np.testing.assert_allclose(a @ a.T - b.T @ b, first @ first.T - second.T @ second, atol=1e-7)
    rates = jtu.tree_unflatten(jtu.tree_structure(net), [0.0, 2.0])
    found = ln.learn.simulate(net, task, ts, rule=ln.learn.GradientFlow(rates=rates))
    expected = ref.flow(lambda w: ref.moment_gradients(w, xx, yx), [first, second], ts, rates=[0.0, 2.0])
    np.testing.assert_array_equal(found.network.weights[0], first)
    np.testing.assert_allclose(found.network.weights[1], expected[-1][1], atol=1e-6)


def test_float32_stays_float32_and_its_loss_does_not_go_negative():
    rng = np.random.default_rng(9)
    directions, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    xx = (directions * np.logspace(0, -4, 6)) @ directions.T
    teacher = 30 * rng.standard_normal((2, 6))
    # Without noise and with a large yy: the expanded form cancels to the last digit and goes negative in float32.
    moments = [a.astype(np.float32) for a in (xx, teacher @ xx, teacher @ xx @ teacher.T)]
    weights = [w.astype(np.float32) for w in ref.random_weights(rng, (6, 6, 2), 1.0)]
    found = ln.learn.simulate(ref.deep_linear(weights), ln.tasks.Moments(*moments), jnp.linspace(0, 30, 40))
    assert {str(v.dtype) for v in found.values.values()} == {"float32"}
    assert {str(w.dtype) for w in found.network.weights} == {"float32"}
    assert np.all(np.asarray(found["loss"]) >= 0) and found["loss"][-1] < 1e-4 * found["loss"][0]
    near = [(teacher + 1e-4 * rng.standard_normal(teacher.shape)).astype(np.float32) for _ in range(20)]
    assert min(ref.moment_loss([w], *moments) for w in near) < 0  # what the residual form is there to prevent
    assert min(float(ln.tasks.Moments(*moments).loss(ref.deep_linear([w]))) for w in near) >= 0


@pytest.mark.parametrize("ts", [[0.0], [2.0], [0.0, 0.0, 2.0, 2.0], [1.0, 2.0]])
def test_any_ascending_times_do(ts):
    rng = np.random.default_rng(11)
    xx, yx, yy = ref.random_moments(rng, 3, 2)
    weights = ref.random_weights(rng, (3, 2))
    expected = [
        ref.flow(lambda w: ref.moment_gradients(w, xx, yx), weights, [0.0, t])[-1] if t else weights for t in ts
    ]
    found = ln.learn.simulate(ref.deep_linear(weights), ln.tasks.Moments(xx, yx, yy), jnp.asarray(ts))
    np.testing.assert_array_equal(found.ts, ts)
    np.testing.assert_allclose(found["loss"], [ref.moment_loss(w, xx, yx, yy) for w in expected], rtol=1e-6)


def test_chunks_change_the_flow_by_its_tolerance_only_and_report_progress():
    rng = np.random.default_rng(13)
    xx, yx, yy = ref.random_moments(rng, 3, 2)
    net, task = ref.deep_linear(ref.random_weights(rng, (3, 2))), ln.tasks.Moments(xx, yx, yy)
    ts, seen = jnp.linspace(0, 3, 10), []
    whole = ln.learn.simulate(net, task, ts)
    pieces = ln.learn.simulate(net, task, ts, records_per_chunk=4, progress=lambda done, of: seen.append((done, of)))
    np.testing.assert_allclose(pieces["loss"], whole["loss"], rtol=1e-7)
    assert seen == [(4, 10), (8, 10), (10, 10)]


def test_flow_refuses_kinks_and_says_what_to_use():
    net = ln.nn.MLP((2, 3, 1), key=jr.key(0), activation=jax.nn.relu)
    batch = ln.tasks.Batch(jnp.ones((4, 2)), jnp.ones((4, 1)))
    with pytest.raises(ValueError, match="kinks.*Descent"):
        ln.learn.simulate(net, batch, jnp.array([0.0, 1.0]))


def test_out_of_steps_is_a_result_and_not_a_crash():
    rng = np.random.default_rng(15)
    net, task = ref.deep_linear(ref.random_weights(rng, (3, 2))), ln.tasks.Moments(*ref.random_moments(rng, 3, 2))
    rule, ts = ln.learn.GradientFlow(max_steps=3), jnp.linspace(0, 50, 6)
    found = ln.learn.simulate(net, task, ts, rule=rule, throw=False, records_per_chunk=3)
    assert int(found.result) == 2 and "max_steps" in found.message
    assert np.isfinite(found["loss"][0]) and not np.any(np.isfinite(found["loss"][3:]))
    with pytest.raises(ValueError, match="max_steps"):
        ln.learn.simulate(net, task, ts, rule=rule, records_per_chunk=3)
