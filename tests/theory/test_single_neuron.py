"""One hidden linear neuron against SciPy's integration of its weights and the paper's own equations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import linnet as ln
from tests.theory import reference
from tests.tolerances import assert_close

T = ln.theory
TS = np.array([0.0, 0.05, 0.4, 1.0, 2.5, 7.0, 20.0])


def neuron(w, a):
    return ln.nn.DeepLinear([jnp.asarray(w)[None], jnp.asarray([[a]])])


def task_of(xx, b):
    return ln.tasks.Moments(jnp.asarray(xx), jnp.asarray(b)[None], jnp.asarray([[2.0 + b @ np.linalg.pinv(xx) @ b]]))


def integrate(w, a, xx, b, ts, rates=(1.0, 1.0), method="DOP853"):
    """Weights "time in" and readouts, by SciPy."""

    def field(_, state):
        w, a = state[:-1], state[-1]
        error = b - a * xx @ w
        return np.concatenate([rates[0] * a * error, [rates[1] * (w @ error)]])

    start = np.concatenate([w, [a]])
    solved = scipy.integrate.solve_ivp(
        field, (0, ts[-1]), start, t_eval=ts, rtol=1e-12, atol=1e-14, method=method
    )  # fmt: skip
    assert solved.success
    return solved.y[:-1].T, solved.y[-1]


def with_balance(rng, num, delta, scale=0.3):
    """A neuron with a |w| = scale and a^2 - |w|^2 = delta, in a random direction."""
    square = (np.sqrt(delta**2 + 4 * scale**2) + delta) / 2
    direction = rng.normal(size=num)
    return scale / np.sqrt(square) * direction / np.linalg.norm(direction), np.sqrt(square)


CASES = [
    # inputs, balance, scale, variance, rank of the inputs, sign of a, rates
    (5, 0.0, 0.3, 1.0, 5, 1, (1.0, 1.0)),
    (5, 2.0, 0.1, 1.0, 5, 1, (1.0, 1.0)),
    (5, -2.0, 0.1, 1.0, 5, -1, (1.0, 1.0)),
    (4, -4.0, 1.5, 0.4, 4, -1, (0.5, 2.0)),
    (6, 1.0, 0.5, 2.5, 3, 1, (3.0, 0.2)),
    (6, -3.0, 0.5, 1.0, 2, 1, (1.0, 1.0)),
    (1, 0.7, 0.2, 1.0, 1, -1, (1.0, 1.0)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_integration(case):
    num, delta, scale, variance, rank, sign, rates = case
    rng = np.random.default_rng(num + rank)
    basis = reference.orthonormal(rng, num, num)[:, :rank]
    xx, b = variance * basis @ basis.T, basis @ rng.normal(size=rank)
    w, a = with_balance(rng, num, delta, scale)
    a *= sign
    net, task = neuron(w, a), task_of(xx, b)
    ws, readouts = integrate(w, a, xx, b, TS, rates)
    solved = T.single_neuron(net, task, TS, rates=rates)
    assert_close(solved.weights, ws, "closed_form")
    assert_close(solved.readout, readouts, "closed_form")
    assert_close(solved.maps, readouts[:, None] * ws, "closed_form")
    assert_close(solved.balance, np.full(len(TS), rates[0] * a**2 - rates[1] * w @ w), "closed_form")
    assert_close(solved.signed_norm, readouts * np.linalg.norm(ws, axis=1), "closed_form")
    cosines = ws @ b / np.linalg.norm(ws, axis=1) / np.linalg.norm(b)
    assert_close(solved.alignment(jnp.asarray(b)), cosines, "closed_form")

    rule = ln.learn.GradientFlow(rates=eqx.tree_at(jtu.tree_leaves, net, rates))
    predicted = T.predict(net, task, TS, rule=rule, theory=T.SingleNeuronFlow())
    maps = (readouts[:, None] * ws)[:, None]
    losses = [reference.loss(m, xx, b[None], np.asarray(task.yy)) for m in maps]
    assert_close(predicted["loss"], losses, "closed_form")
    modes = task.singular_modes()
    strengths = np.asarray(modes.left)[0, 0] * maps[:, 0] @ np.asarray(modes.right)
    assert_close(predicted["mode_strengths"], strengths, "closed_form")


@pytest.mark.parametrize("delta", [-3.0, 0.0, 0.6])
def test_the_equations_of_the_paper(delta):
    """The ODEs of mu and phi by SciPy, and nu by the tanh of its Riccati equation."""
    rng = np.random.default_rng(3)
    b = rng.normal(size=4)
    w, a = with_balance(rng, 4, delta)
    w *= np.sign(w @ b)
    strength = np.linalg.norm(b)
    solved = T.single_neuron(neuron(w, a), task_of(np.eye(4), b), TS)

    def field(_, state):
        mu, phi = state
        kappa = np.sqrt(delta**2 + 4 * mu**2)
        turning = np.sqrt((kappa + delta) / (kappa - delta)) * strength * (1 - phi**2)
        return [kappa * (phi * strength - mu), turning]

    start = [a * np.linalg.norm(w), w @ b / np.linalg.norm(w) / strength]
    theirs = scipy.integrate.solve_ivp(field, (0, TS[-1]), start, t_eval=TS, rtol=1e-12, atol=1e-14, method="DOP853")
    assert_close(solved.signed_norm, theirs.y[0], "closed_form")
    assert_close(solved.alignment(jnp.asarray(b)), theirs.y[1], "closed_form")
    width, nu = np.sqrt(delta**2 + 4 * strength**2), w @ b / a
    closed = (-delta + width * np.tanh(width * TS / 2 + np.arctanh((delta + 2 * nu + 0j) / width))) / 2
    assert_close(solved.weights @ b / solved.readout, closed.real, "closed_form")


def test_kernel_and_its_distance_are_those_of_the_network():
    rng = np.random.default_rng(4)
    b = rng.normal(size=5)
    w, a = with_balance(rng, 5, -0.5)
    xs = jnp.asarray(rng.normal(size=(6, 5)))
    solved = T.single_neuron(neuron(w, a), task_of(np.eye(5), b), TS)
    trained = [neuron(*pair) for pair in zip(*integrate(w, a, np.eye(5), b, TS))]
    kernels = [np.asarray(ln.analyse.tangent_kernel(net, xs)).reshape(6, 6) for net in trained]
    assert_close(solved.tangent_kernel(xs), np.stack(kernels), "closed_form")
    moved = [1 - np.sum(kernels[0] * k) / np.linalg.norm(kernels[0]) / np.linalg.norm(k) for k in kernels]
    np.testing.assert_allclose(solved.kernel_distance(xs), moved, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("delta", [-4.0, -1.0, 0.0, 2.0, 4.0])
@pytest.mark.parametrize("rates", [(1.0, 1.0), (2.0, 0.3)])
def test_implicit_bias_on_inputs_of_any_spectrum(delta, rates):
    """The end of SciPy's integration on inputs that are neither white nor of full rank."""
    rng = np.random.default_rng(5)
    basis = reference.orthonormal(rng, 6, 3)
    xx, b = (basis * [0.5, 1.0, 2.0]) @ basis.T, basis @ rng.normal(size=3)
    w, a = with_balance(rng, 6, delta)
    w *= np.sign(w @ b)
    ws, readouts = integrate(w, a, xx, b, np.array([0.0, 300.0]), rates, "LSODA")
    found = T.implicit_bias(neuron(w, a), task_of(xx, b), rates=rates)
    np.testing.assert_allclose(found, readouts[-1] * ws[-1], rtol=1e-6, atol=1e-8)
    # It fits, and is not the smallest map that does.
    np.testing.assert_allclose(xx @ found, b, atol=1e-12)
    assert np.linalg.norm(found - np.linalg.pinv(xx) @ b) > 1e-3


@pytest.mark.parametrize("delta", [-4.0, -0.3, 0.0, 4.0])
def test_implicit_bias_is_the_minimum_of_the_papers_potential(delta):
    """q(x) by quadrature of q', minimised by SciPy along the line of the maps that fit."""
    rng = np.random.default_rng(6)
    row = rng.normal(size=2)
    w, a = with_balance(rng, 2, delta)
    w *= np.sign(w @ row)
    start = a * w

    def slope(x):
        return 1.5 * np.sqrt(np.sqrt(x**2 + delta**2 / 4) - delta / 2)

    tilt = -slope(np.linalg.norm(start)) * start / np.linalg.norm(start)
    fit, normal = 1.7 * row / (row @ row), np.array([-row[1], row[0]]) / np.linalg.norm(row)

    def potential(along):
        beta = fit + along * normal
        return scipy.integrate.quad(slope, 0, np.linalg.norm(beta), epsabs=1e-13)[0] + tilt @ beta

    best = scipy.optimize.minimize_scalar(potential, bracket=(-1, 1), tol=1e-9).x
    found = T.implicit_bias(neuron(w, a), task_of(np.outer(row, row), 1.7 * row))
    np.testing.assert_allclose(found, fit + best * normal, atol=1e-6)


def test_a_readout_that_changes_sign():
    """Of a negative balance and pointing away from the target: a passes 0, where nu is infinite."""
    rng = np.random.default_rng(7)
    basis = reference.orthonormal(rng, 4, 4)[:, :3]
    b = basis @ np.array([1.0, 0.4, -0.2])
    w, a = -2 * b + 0.3 * rng.normal(size=4), 0.3
    ts = np.append(np.linspace(0.0, 30.0, 61), 400.0)
    ws, readouts = integrate(w, a, basis @ basis.T, b, ts)
    assert readouts[0] > 0 > readouts[-1]
    net, task = neuron(w, a), task_of(basis @ basis.T, b)
    solved = T.single_neuron(net, task, ts)
    assert_close(solved.weights, ws, "closed_form")
    assert_close(solved.readout, readouts, "closed_form")
    assert_close(T.implicit_bias(net, task), readouts[-1] * ws[-1], "closed_form")


def test_long_times_and_nothing_to_learn():
    rng = np.random.default_rng(8)
    b = rng.normal(size=3)
    ts = np.array([0.0, 1e2, 1e5, 1e9])
    for delta in (-3.0, 0.0, 3.0):
        net = neuron(*with_balance(rng, 3, delta, 1e-3))
        assert_close(T.single_neuron(net, task_of(np.eye(3), b), ts).maps[2:], np.stack([b, b]), "closed_form")
        # Without a target |w|^2 - a^2 stays, and one of the two goes to zero.
        idle = T.single_neuron(net, task_of(np.eye(3), 0 * b), ts)
        assert np.all(np.isfinite(np.asarray(idle.weights)))
        assert float(jnp.max(jnp.abs(idle.maps[-1]))) < 1e-3
        assert_close(idle.balance, np.full(4, delta), "closed_form")
    nothing = T.single_neuron(neuron(np.zeros(3), 0.0), task_of(np.eye(3), b), ts)
    assert not np.any(np.asarray(nothing.maps))
    # w = -b and a of the same size is the decaying direction: a saddle.
    stuck = T.single_neuron(neuron([-1.0, 0.0, 0.0], 1.0), task_of(np.eye(3), np.array([2.0, 0.0, 0.0])), ts)
    assert_close(stuck.maps[1:], np.zeros((3, 3)), "closed_form")


def test_predict_takes_it_where_it_is_the_strongest():
    rng = np.random.default_rng(9)
    b = rng.normal(size=4)
    white, skewed = task_of(np.eye(4), b), task_of(np.diag([1.0, 1.0, 1.0, 1.5]), b)
    net, aligned = neuron(rng.normal(size=4), 0.5), neuron(0.3 * b, 0.5)
    assert T.predict(net, white, TS).theory == "SingleNeuronFlow"
    assert T.predict(aligned, white, TS).theory == "DeepLinearModes"
    assert T.predict(net, skewed, TS).theory == "MomentFlow"


def test_refusals_say_what_failed():
    rng = np.random.default_rng(10)
    net, wide = neuron(rng.normal(size=4), 0.5), ln.nn.DeepLinear([jnp.ones((2, 4)), jnp.ones((1, 2))])
    white, skewed = (task_of(np.diag([1.0, 1.0, 1.0, x]), rng.normal(size=4)) for x in (1.0, 2.0))

    def refused(match, net, task, **settings):
        with pytest.raises(ValueError, match=match):
            T.predict(net, task, TS, theory=T.SingleNeuronFlow(), **settings)

    refused("one hidden unit and one output, got 2 and 1", wide, white)
    refused("depth 2 .* got depth 1", ln.nn.DeepLinear([jnp.ones((1, 4))]), white)
    # Variances 1, 1, 1, 2 of the mean 1.25.
    refused("white inputs fails.* is 0.6 ", net, skewed)
    frozen = ln.learn.GradientFlow(rates=eqx.tree_at(jtu.tree_leaves, net, (0.0, 1.0)))
    refused("one rate for each layer fails.* is inf", net, white, rule=frozen)
    uneven = eqx.tree_at(jtu.tree_leaves, net, (jnp.array([[1.0, 1.0, 1.0, 3.0]]), 1.0))
    refused("one rate for each layer fails.* is 1.33 ", net, white, rule=ln.learn.GradientFlow(rates=uneven))
    with pytest.raises(ValueError, match="one hidden unit and one output"):
        T.implicit_bias(wide, white)
    with pytest.raises(ValueError, match="one hidden unit and one output"):
        T.single_neuron(wide, white, TS)


def test_float32_and_vmap():
    """Two networks at once in float64, and one of them for itself in float32."""
    rng = np.random.default_rng(11)
    net, task = neuron(*with_balance(rng, 5, -0.5, 1e-2)), task_of(np.eye(5), rng.normal(size=5))
    low = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (net, task))
    single = eqx.filter_jit(T.SingleNeuronFlow().solve)(*low, jnp.asarray(TS))
    assert single["loss"].dtype == jnp.float32
    two = jax.tree.map(lambda w: jnp.stack([w, 2 * w]), net)
    both = jax.jit(jax.vmap(lambda n: T.SingleNeuronFlow().solve(n, task, jnp.asarray(TS))["loss"]))(two)
    assert_close(single["loss"], both[0], "closed_form", jnp.float32)
    assert not np.allclose(both[0], both[1])
