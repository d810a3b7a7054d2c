"""Learning to integrate, reduced to two modes, against SciPy's integration of all weights of larger networks."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import linnet as ln
from linnet.theory._integrator_flow import pair_eigenvalues
from tests.tolerances import assert_close

T = ln.theory
TS = np.array([0.0, 0.3, 1.0, 3.0, 8.0, 25.0])
NUM = 7
PAIR, SINGLE = jax.jit(T.outlier_pair_slopes), jax.jit(T.single_outlier_slopes)

#: decay, frequency, amplitude; read-out along the read-in; rates of read-in, recurrent weights, read-out.
CASES = [
    ((0.25, 0.0, 1.0), False, (1.0, 1.0, 1.0)),
    ((0.4, 1.7, 1.3), False, (1.0, 1.0, 1.0)),
    ((0.3, 0.0, 0.6), True, (0.0, 1.0, 1.0)),
    ((0.6, 0.9, 1.0), False, (0.5, 2.0, 1.0)),
]


def slopes(recurrent, u, v, c, w, a):
    """Loss and gradients by SciPy's Lyapunov equations."""
    identity = np.eye(len(u))
    dynamics = recurrent - identity
    gram = scipy.linalg.solve_continuous_lyapunov(dynamics, -np.outer(u, u))
    sink = scipy.linalg.solve_continuous_lyapunov(dynamics.T, -np.outer(v, v))
    response = np.linalg.inv((c - 1j * w) * identity - dynamics)
    forward, backward = a * response @ u, response.T @ v
    power = a**2 / 4 * (1 / c + c / (c**2 + w**2))
    loss = 0.5 * (v @ gram @ v - 2 * (v @ forward).real + power)
    outer = np.outer(backward, forward).real
    return loss, (sink @ u - a * backward.real, sink @ gram - outer, gram @ v - forward.real)


def integrate(u, v, filter_, rates, recurrent):
    """Weights and losses at all times."""
    num = len(u)

    def unpack(flat):
        return flat[:num], flat[num:-num].reshape(num, num), flat[-num:]

    def field(_, flat):
        u, recurrent, v = unpack(flat)
        found = slopes(recurrent, u, v, *filter_)[1]
        return -np.concatenate([rate * slope.ravel() for rate, slope in zip(rates, found)])

    start = np.concatenate([u, recurrent.ravel(), v])
    solved = scipy.integrate.solve_ivp(field, (0, TS[-1]), start, t_eval=TS, rtol=1e-9, atol=1e-12, method="LSODA")
    states = [unpack(flat) for flat in solved.y.T]
    return states, [slopes(recurrent, u, v, *filter_)[0] for u, recurrent, v in states]


def draw(parallel, seed=0):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=NUM) / np.sqrt(NUM)
    return u, 0.2 * (u if parallel else rng.normal(size=NUM) / np.sqrt(NUM))


def network(u, v, recurrent=None):
    return ln.nn.LeakyLinearRNN(u[:, None], np.zeros((NUM, NUM)) if recurrent is None else recurrent, v[None])


def sorted_eigenvalues(matrix):
    found = np.linalg.eigvals(matrix)
    found = found[np.lexsort((-found.imag, -found.real, -np.round(np.abs(found), 8)))][:2]
    return np.stack([found.real, found.imag], axis=1)


@pytest.mark.parametrize(("filter_", "parallel", "rates"), CASES)
def test_two_modes_are_the_whole_network(filter_, parallel, rates):
    u, v = draw(parallel)
    states, losses = integrate(u, v, filter_, rates, np.zeros((NUM, NUM)))
    net, task = network(u, v), ln.tasks.ContinuousIntegration(*filter_)
    rule = ln.learn.GradientFlow(
        diffrax.Tsit5(), rates=eqx.tree_at(jtu.tree_leaves, net, tuple(map(jnp.asarray, rates)))
    )
    predicted = T.predict(net, task, TS, rule=rule)
    assert predicted.theory == "IntegratorModes"
    assert_close(predicted["loss"], losses, "ode")
    overlaps = [[u @ u, v @ v, u @ v, v @ w @ u, u @ w @ u, v @ w @ v, u @ w @ v] for u, w, v in states]
    assert_close(predicted["overlaps"], overlaps, "ode")
    # Eigenvalues of a matrix of low rank are known to the root of rounding.
    expected = [sorted_eigenvalues(w) for _, w, _ in states]
    np.testing.assert_allclose(predicted["outlier_eigenvalues"], expected, atol=1e-5)


@pytest.mark.parametrize("frequency", [0.0, 2.2])
def test_slopes_are_those_of_the_loss(frequency):
    rng = np.random.default_rng(1)
    task = ln.tasks.ContinuousIntegration(0.35, frequency, 0.7)
    u, v, recurrent = rng.normal(size=2), rng.normal(size=2), 0.5 * rng.normal(size=(2, 2))
    found = PAIR(T.Modes(jnp.asarray(u), jnp.asarray(recurrent), jnp.asarray(v)), task)
    for mine, theirs in zip(found, slopes(recurrent, u, v, 0.35, frequency, 0.7)[1]):
        assert_close(mine, theirs, "closed_form")
    single = SINGLE(T.Outlier(jnp.asarray(1.3), jnp.asarray(0.4), jnp.asarray(-0.6)), task)
    theirs = slopes(np.array([[0.4]]), np.array([1.3]), np.array([-0.6]), 0.35, frequency, 0.7)[1]
    assert_close(jnp.stack(single), np.concatenate([part.ravel() for part in theirs]), "closed_form")


@pytest.mark.parametrize(
    "matrix", [[[0.3, -2.0], [1.0, 0.3]], [[-0.9, 0.1], [0.0, 0.2]], [[0.5, 0], [0, 0]], [[0, 0], [0, 0]]]
)
def test_eigenvalues_are_in_the_order_of_the_observer(matrix):
    matrix = jnp.asarray(matrix, float)
    assert_close(pair_eigenvalues(matrix), ln.analyse.recurrent_eigenvalues(matrix), "exact")


def test_the_plateau_is_that_of_its_equation():
    """The adiabatic equation by SciPy, and the two outlier equations, of which it leaves out the read-out."""
    c, a = 0.01, 0.1

    def left(k):
        return 1 - 4 * k * c / (k + c) ** 2

    ks = np.linspace(2 * c, 1, 20001)
    times = scipy.integrate.cumulative_simpson((ks + c) ** 3 / (a**2 * (ks - c)), x=ks, initial=0)
    ks, times = ks[::-1], (times[-1] - times)[::-1]
    for remaining in (0.5, 0.9):
        expected = np.interp(-remaining, -left(ks), times)
        np.testing.assert_allclose(T.plateau_length(c, amplitude=a, remaining=remaining), expected, rtol=1e-4)

    def full(_, state):
        _, (_, along, slope) = slopes(state[:1, None], np.ones(1), state[1:], c, 0.0, a)
        return -np.concatenate([along.ravel(), slope])

    solved = scipy.integrate.solve_ivp(full, (0, 60), [0.0, 0.0], rtol=1e-6, atol=1e-8, method="LSODA")
    leak, size = 1 - solved.y[0], solved.y[1]
    losses = (size**2 / (2 * leak) - 2 * a * size / (c + leak) + a**2 / (2 * c)) / (a**2 / (2 * c))
    half = np.interp(-0.5, -losses, solved.t)
    # The read-out lags behind by about one unit of time.
    assert abs(half - float(T.plateau_length(c, amplitude=a)) - 1) < 0.5
    np.testing.assert_allclose(T.plateau_length(1e-5) * 3, 1.0, rtol=1e-3)
    assert T.plateau_length(0.5) == 0


def test_what_is_outside_is_refused_with_its_number():
    u, v = draw(False)
    task, ts = ln.tasks.ContinuousIntegration(0.3), np.array([0.0, 1.0])
    bulk = 0.05 * np.random.default_rng(0).normal(size=(NUM, NUM))
    with pytest.raises(ValueError, match="outside that span is 0.*simulate"):
        T.predict(network(u, v, bulk), task, ts, theory=T.IntegratorModes())
    with pytest.raises(ValueError, match="across the read-in.*both directions"):
        T.predict(network(u, v), task, ts, theory=T.IntegratorModes(1))
    with pytest.raises(ValueError, match="about the task `ContinuousIntegration`, got TemporalMoments"):
        T.predict(network(u, v), ln.tasks.WhiteNoiseIntegration(0.3), ts, theory=T.IntegratorModes())
    with pytest.raises(ValueError, match="about `LeakyLinearRNN` networks, got LinearRNN"):
        net = ln.nn.LinearRNN(u[:, None], bulk, v[None])
        T.predict(net, task, ts, theory=T.IntegratorModes())
    with pytest.raises(ValueError, match="modes of 1 or 2"):
        T.IntegratorModes(3)


@pytest.mark.slow
def test_simulation_and_prediction_give_the_same_quantities():
    u, v = draw(True)
    task = ln.tasks.ContinuousIntegration(0.2)
    for modes in (1, 2):
        observe = [ln.learn.OutlierEigenvalues(modes), ln.learn.Overlaps()]
        simulated = ln.learn.simulate(network(u, v), task, TS, observe=observe)
        predicted = T.predict(network(u, v), task, TS, theory=T.IntegratorModes(modes))
        assert simulated.names() == predicted.names()
        for name in ("loss", "overlaps"):
            assert_close(simulated[name], predicted[name], "ode")
        np.testing.assert_allclose(simulated["outlier_eigenvalues"], predicted["outlier_eigenvalues"], atol=1e-5)


@pytest.mark.slow
def test_long_timescales_are_within_reach():
    u, _ = draw(True)
    solved = T.predict(network(u, 0.1 * u), ln.tasks.ContinuousIntegration(0.01), TS, theory=T.IntegratorModes())
    assert solved.result == 0
    assert_close(solved["outlier_eigenvalues"][-1, 0, 0], 0.99, "ode")


@pytest.mark.slow
def test_descent_needs_steps_that_are_small_at_the_solution():
    u, v = draw(False)
    task, ts = ln.tasks.ContinuousIntegration(0.05), np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="at the solution fails.*smaller learning rate"):
        T.predict(network(u, v), task, ts, rule=ln.learn.Descent(0.01), theory=T.IntegratorModes())
