"""State space models in the frequency domain, against SciPy's integration of slopes by loops over time."""

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
import scipy.integrate

import linnet as ln
from linnet.theory._frequency_modes import frequency_slopes
from tests.tolerances import assert_close

T = ln.theory
TS = np.array([0.0, 0.02, 0.05, 0.11, 0.3, 1.0])
STEPS = 20


def sequences(seed=0, num=3, sign=1.0):
    """Inputs of one period and noisy outputs of a filter with the pole 0.7, in its steady state."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(num, STEPS, 1))
    state, outputs = np.zeros((num, 1)), []
    for step in range(4 * STEPS):
        state = 0.7 * state + x[:, step % STEPS]
        outputs.append(state)
    return ln.tasks.Batch(x, sign * np.stack(outputs[-STEPS:], axis=1) + 0.2 * rng.normal(size=x.shape))


def slopes_in_time(poles, b, c, batch):
    """Loss and descent directions by loops over time: states and their derivatives by the poles, side by side."""
    x, y = np.asarray(batch.x)[..., 0], np.asarray(batch.y)[..., 0]
    state, tangent = np.zeros((len(x), len(poles))), np.zeros((len(x), len(poles)))
    loss, found = 0.0, np.zeros((3, len(poles)))
    for step in range(4 * STEPS):
        # States without input weights: x_n = b_n z_n.
        tangent = poles * tangent + state
        state = poles * state + x[:, step % STEPS][:, None]
        if step >= 3 * STEPS:
            error = y[:, step % STEPS] - state @ (b * c)
            loss += 0.5 * np.mean(error**2)
            seen = np.mean(error[:, None] * state, axis=0)
            found += np.stack([c * b * np.mean(error[:, None] * tangent, axis=0), c * seen, b * seen])
    return loss, found


def integrate(poles, b, c, batch, rates):
    def field(_, flat):
        return (np.array(rates)[:, None] * slopes_in_time(*flat.reshape(3, -1), batch)[1]).ravel()

    start = np.concatenate([poles, b, c])
    solved = scipy.integrate.solve_ivp(field, (0, TS[-1]), start, t_eval=TS, rtol=1e-8, atol=1e-10, method="LSODA")
    states = solved.y.T.reshape(len(TS), 3, -1)
    return states, [slopes_in_time(*state, batch)[0] for state in states]


def network(poles, b, c):
    return ln.nn.DiagonalSSM(poles, jnp.asarray(b)[:, None], jnp.asarray(c)[None])


def rule(net, rates):
    return ln.learn.GradientFlow(rates=eqx.tree_at(jtu.tree_leaves, net, tuple(map(jnp.asarray, rates))))


CASES = [
    # states, scale, sign of the target, rates of input and output weights
    (4, 0.2, 1.0, (1.0, 1.0)),
    (1, 0.5, -1.0, (1.0, 1.0)),
    (3, 0.3, 1.0, (2.0, 0.3)),
]


@pytest.mark.parametrize(("num", "scale", "sign", "rates"), CASES)
def test_fixed_poles_against_integration_over_time(num, scale, sign, rates):
    rng = np.random.default_rng(num)
    poles, (b, c) = np.full(num, 0.55), scale * rng.normal(size=(2, num))
    batch = sequences(sign=sign)
    states, losses = integrate(poles, b, c, batch, (0.0, *rates))
    net = network(poles, b, c)
    predicted = T.predict(net, ln.tasks.Spectrum.of(batch), TS, rule=rule(net, (0.0, *rates)))
    assert predicted.theory == "FrequencyModes"
    assert_close(predicted["state_strengths"], states[:, 1] * states[:, 2], "ode")
    assert_close(predicted["poles"], states[:, 0], "ode")
    assert_close(predicted["loss"], losses, "ode")


def test_learned_poles_against_integration_over_time():
    rng = np.random.default_rng(7)
    poles, (b, c) = np.array([0.3, -0.2]), 0.4 * rng.normal(size=(2, 2))
    batch = sequences()
    rates = (0.02, 1.0, 0.7)
    states, losses = integrate(poles, b, c, batch, rates)
    net = network(poles, b, c)
    predicted = T.predict(net, ln.tasks.Spectrum.of(batch), TS, rule=rule(net, rates))
    assert predicted.theory == "PoleFlow"
    assert_close(predicted["poles"], states[:, 0], "ode")
    assert_close(predicted["state_strengths"], states[:, 1] * states[:, 2], "ode")
    assert_close(predicted["loss"], losses, "ode")


def test_slopes_are_those_of_loops_over_time():
    rng = np.random.default_rng(3)
    states, batch = rng.uniform(-0.6, 0.6, size=(3, 5)), sequences(4)
    found = frequency_slopes(jnp.asarray(states), ln.tasks.Spectrum.of(batch))
    assert_close(found, slopes_in_time(*states, batch)[1], "closed_form")


def test_balanced_states_are_a_sigmoid_of_their_number_only_through_its_beginning():
    task = ln.tasks.Spectrum.of(sequences())
    (sigma,), ((eta,),) = (np.asarray(part) for part in task.statistics(jnp.array([0.6])))
    for num in (1, 4):
        b = np.full(num, 0.1)
        net = network(np.full(num, 0.6), b, b)
        solved = T.predict(net, task, TS, rule=rule(net, (0.0, 1.0, 1.0)), theory=T.FrequencyModes())
        start = num * 0.01
        expected = sigma / (eta + (sigma / start - eta) * np.exp(-2 * sigma * TS))
        assert_close(solved["state_strengths"].sum(axis=1), expected, "closed_form")


def test_what_is_outside_is_refused_with_its_number():
    task = ln.tasks.Spectrum.of(sequences())
    theory = T.FrequencyModes()
    net = network(np.array([0.5, 0.6]), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="one pole fails.* 0.25 .*PoleFlow"):
        T.predict(net, task, TS, theory=theory, rule=rule(net, (0.0, 1.0, 1.0)))
    equal = network(np.array([0.5, 0.5]), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="fixed poles fails.* is 1 .*freeze them"):
        T.predict(equal, task, TS, theory=theory)
    with pytest.raises(ValueError, match="one rate for each weight fails.*inf"):
        T.predict(equal, task, TS, theory=theory, rule=rule(equal, (0.0, 0.0, 1.0)))
    with pytest.raises(ValueError, match="about the task `Spectrum`, got"):
        T.predict(equal, ln.tasks.Moments(*(jnp.eye(1),) * 3), TS, theory=theory)
    with pytest.raises(ValueError, match="stable states fails"):
        T.predict(network(np.array([1.2]), np.ones(1), np.ones(1)), task, TS, theory=T.PoleFlow())
