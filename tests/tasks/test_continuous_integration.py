"""Filtering white noise in continuous time, against SciPy's Lyapunov equation, quadrature and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from jax.flatten_util import ravel_pytree

from linnet import LpLoss, analyse, learn, nn, tasks
from linnet.tasks._lyapunov import solve_lyapunov
from tests.tolerances import assert_close

LYAPUNOV = jax.jit(solve_lyapunov)


def network(num=5, gain=0.5, seed=0):
    rng = np.random.default_rng(seed)
    weights = gain * rng.normal(size=(num, num)) / np.sqrt(num)
    return nn.LeakyLinearRNN(rng.normal(size=(num, 1)), weights, rng.normal(size=(1, num)))


def test_lyapunov_equations_of_any_kind():
    rng = np.random.default_rng(0)
    defective = np.array([[-1.0, 3.0, 0.0], [0.0, -1.0, 2.0], [0.0, 0.0, -1.0]])
    slow = np.diag([-1.0, -1e-4, -0.3]) + np.array([[0.0, 0.4, 0], [0, 0, 0], [0, 0, 0]])
    fast = np.array([[-0.2, -40.0, 0.0], [40.0, -0.2, 1.0], [0.0, 0.0, -5.0]])
    for dynamics in (defective, slow, fast):
        source = rng.normal(size=(3, 3))
        expected = scipy.linalg.solve_continuous_lyapunov(dynamics, -source)
        found = LYAPUNOV(dynamics, source)
        np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


def test_the_loss_and_its_gradient_are_those_of_the_equations():
    """The loss by SciPy, and the gradients written out in the docstring."""
    net, (c, w, a) = network(), (0.3, 1.3, 0.8)
    task = tasks.ContinuousIntegration(c, w, a)
    value, slopes = eqx.filter_jit(eqx.filter_value_and_grad(task.loss))(net)
    dynamics, u, v = (np.asarray(m) for m in net.state_space())
    u, v = u[:, 0], v[0]
    gram = scipy.linalg.solve_continuous_lyapunov(dynamics, -np.outer(u, u))
    sink = scipy.linalg.solve_continuous_lyapunov(dynamics.T, -np.outer(v, v))
    response = np.linalg.inv((c - 1j * w) * np.eye(5) - dynamics)

    def gap(s):
        return (v @ scipy.linalg.expm(dynamics * s) @ u - a * np.exp(-c * s) * np.cos(w * s)) ** 2

    assert_close(value, 0.5 * scipy.integrate.quad(gap, 0, 60, limit=400)[0], "ode")
    power = a**2 / 4 * (1 / c + c / (c**2 + w**2))
    assert_close(value, 0.5 * (v @ gram @ v - 2 * a * v @ response.real @ u + power), "closed_form")
    outer = np.outer(response.T @ v, response @ u).real
    assert_close(slopes.recurrent_weights, sink @ gram - a * outer, "closed_form")
    assert_close(slopes.input_weights[:, 0], sink @ u - a * response.real.T @ v, "closed_form")
    assert_close(slopes.output_weights[0], gram @ v - a * response.real @ u, "closed_form")


@pytest.mark.slow
def test_curvatures_are_differences_of_gradients():
    """The sharpness needs derivatives of the implicit derivative."""
    net, task = network(3), tasks.ContinuousIntegration(0.4)
    flat, unravel = ravel_pytree(net)
    gradient = jax.jit(jax.grad(lambda vector: task.loss(unravel(vector))))
    steps = 1e-5 * np.eye(len(flat))
    hessian = np.stack([(gradient(flat + step) - gradient(flat - step)) / 2e-5 for step in steps])
    expected = np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]
    np.testing.assert_allclose(analyse.sharpness(net, task, num_iterations=15), expected, rtol=1e-6)


@pytest.mark.slow
def test_the_loss_in_time_steps_converges_to_it():
    """The impulse response at steps of dt, by matrix exponentials: a Riemann sum of order 1."""
    net = network(4, 0.3, seed=2)
    loss = tasks.ContinuousIntegration(0.5, 0.7).loss(net)
    errors = []
    for dt in (0.04, 0.02):
        task = tasks.WhiteNoiseIntegration(0.5, 0.7, num_steps=round(30 / dt), dt=dt)
        stepped = nn.LeakyLinearRNN(net.input_weights, net.recurrent_weights, net.output_weights, dt)
        errors.append(float(task.moments().loss(stepped) - loss))
    assert 0.9 < np.log2(errors[0] / errors[1]) < 1.1


def test_the_impulse_response_is_that_of_the_equation():
    net = network(4)
    dynamics, u, v = (np.asarray(m) for m in net.state_space())
    expected = [np.sqrt(0.1) * v @ scipy.linalg.expm(0.1 * k * dynamics) @ u for k in range(6)]
    assert_close(net.impulse_response(6), expected, "exact")
    ys, _ = net(jnp.zeros((6, 1)).at[0].set(1.0))
    assert_close(ys[:, 0], np.array(expected)[:, 0, 0], "exact")


def test_unit_power_and_unstable_networks():
    for frequency in (0.0, 1.9):
        assert_close(tasks.ContinuousIntegration(0.3, frequency, 5.0).unit_power().power(), 1.0, "exact")
    assert_close(tasks.ContinuousIntegration(0.3).unit_power().amplitude, np.sqrt(0.6), "exact")
    unstable = nn.LeakyLinearRNN([[1.0], [0.5]], [[1.2, 0.0], [0.3, 0.1]], [[0.1, 0.2]])
    assert tasks.ContinuousIntegration(0.3).loss(unstable) == np.inf


@pytest.mark.parametrize(
    ("net", "loss", "sentence"),
    [
        (nn.LinearRNN(jnp.ones((2, 1)), jnp.eye(2), jnp.ones((1, 2))), None, "WhiteNoiseIntegration"),
        (network(), LpLoss(4), "squared error, got LpLoss"),
        (nn.LeakyLinearRNN(jnp.ones((2, 3)), jnp.eye(2), jnp.ones((1, 2))), None, r"one input .* = \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused(net, loss, sentence):
    with pytest.raises(ValueError, match=sentence):
        learn.simulate(net, tasks.ContinuousIntegration(0.3), [0.0, 1.0], loss=loss)


def test_shapes_and_steps_are_refused():
    with pytest.raises(ValueError, match=r"got \(2, 1\), \(3, 3\) and \(1, 2\)"):
        nn.LeakyLinearRNN(jnp.ones((2, 1)), jnp.eye(3), jnp.ones((1, 2)))
    with pytest.raises(ValueError, match="positive dt, got 0"):
        nn.LeakyLinearRNN(jnp.ones((2, 1)), jnp.eye(2), jnp.ones((1, 2)), 0.0)
    with pytest.raises(ValueError, match="one input and one output"):
        analyse.overlaps(nn.LeakyLinearRNN(jnp.ones((2, 1)), jnp.eye(2), jnp.ones((3, 2))))
    with pytest.raises(ValueError, match="got a DeepLinear"):
        analyse.overlaps(nn.DeepLinear([jnp.eye(2)]))
    with pytest.raises(ValueError, match="num from 1 to 5"):
        learn.OutlierEigenvalues(6).measure(network(), initial=None, task=None, key=None)
