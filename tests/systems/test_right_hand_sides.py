"""Every right-hand side against dysts, or against NumPy, at random states; Jacobians against finite differences."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from linnet import systems
from tests.systems.collection import DEPARTURES, OWN, PARAMETERS, other
from tests.tolerances import assert_close


def states_near(system, seed, num=2):
    """Random states near the initial one, to the scale of its coordinates."""
    rng = np.random.default_rng(seed)
    initial = np.asarray(system.initial)
    return initial * (1 + 0.2 * rng.standard_normal((num, len(initial)))) + 0.01 * rng.standard_normal(
        (num, len(initial))
    )


def close(actual, desired):
    """Rounding only, relative to the largest coordinate: sums of huge terms leave their rounding in the small ones."""
    desired = np.asarray(desired, float)
    assert_close(np.asarray(actual) / np.abs(desired).max(), desired / np.abs(desired).max(), "exact")


@pytest.mark.parametrize("kind", ["flow", "delay", "map"])
def test_right_hand_sides_are_those_of_dysts(kind):
    compared = 0
    for number, name in enumerate(systems.names(kind=kind)):
        system = systems.get(name)
        peer = other(name, kind)
        if name in DEPARTURES or (peer is None and name in OWN):
            continue
        system = system.with_parameters(**PARAMETERS.get(name, ({}, ""))[0])
        for state in states_near(system, number):
            x = jnp.asarray(state)
            with np.errstate(invalid="ignore"):
                if kind == "flow":
                    close(system.rhs(0.7, x), peer.rhs(state, 0.7))
                elif kind == "delay":
                    close(system.rhs(0.0, x, 1.1 * x), peer._rhs(state, 1.1 * state, 0.0, *peer.param_list))
                else:
                    close(system.step(x), np.ravel(peer._rhs(*state, *peer.param_list)))
        compared += 1
    assert compared >= {"flow": 128, "delay": 6, "map": 22}[kind]


@pytest.mark.parametrize("name", sorted(OWN))
def test_systems_that_dysts_does_not_have(name):
    system = systems.get(name)
    values = {key: np.asarray(value) for key, value in system.parameters.items()}
    for state in states_near(system, 1):
        x = jnp.asarray(state)
        found = system.step(x) if isinstance(system, systems.IteratedMap) else system.rhs(0.0, x)
        assert_close(found, OWN[name](state, **values), "exact")


def test_departures_are_still_departures():
    """An entry of the list of exceptions that is no longer one is removed from it."""
    for name in DEPARTURES:
        system = systems.get(name)
        state = states_near(system, 0)[0]
        peer = other(name, "flow")
        assert not np.allclose(system.rhs(0.0, jnp.asarray(state)), peer.rhs(state, 0.0), rtol=1e-6), name
    for name, (values, _) in PARAMETERS.items():
        assert any(not np.allclose(systems.get(name).parameters[key], value) for key, value in values.items()), name


def test_double_pendulum_follows_its_energy():
    """Hamilton's equations, by the gradient of the energy."""
    system = systems.get("DoublePendulum").with_parameters(m1=1.3, m2=0.7, l1=0.9, l2=1.2)
    g, l1, l2, m1, m2 = (float(system.parameters[key]) for key in ("g", "l1", "l2", "m1", "m2"))

    def energy(s):
        a, b, p1, p2 = s
        top = m2 * l2**2 * p1**2 + (m1 + m2) * l1**2 * p2**2 - 2 * m2 * l1 * l2 * p1 * p2 * np.cos(a - b)
        bottom = 2 * m2 * l1**2 * l2**2 * (m1 + m2 * np.sin(a - b) ** 2)
        return top / bottom - (m1 + m2) * g * l1 * np.cos(a) - m2 * g * l2 * np.cos(b)

    for state in states_near(system, 3):
        slope = [(energy(state + h) - energy(state - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
        expected = [slope[2], slope[3], -slope[0], -slope[1]]
        np.testing.assert_allclose(system.rhs(0.0, jnp.asarray(state)), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["HenonHeiles", "SwingingAtwood", "NuclearQuadrupole", "DoublePendulum"])
def test_mechanical_systems_are_divergence_free(name):
    system = systems.get(name)
    for state in states_near(system, 5, 2):
        jacobian = system.jacobian(jnp.asarray(state))
        assert abs(float(jnp.trace(jacobian))) <= 1e-10 * float(jnp.linalg.norm(jacobian))


SMOOTH = ["Lorenz", "BelousovZhabotinsky", "ExcitableCell", "InteriorSquirmer"]


@pytest.mark.parametrize("name", [*SMOOTH, "Henon", "Bedhead"])
def test_jacobians_are_the_derivatives(name):
    system = systems.get(name)
    x = np.asarray(system.initial)

    def function(state):
        state = jnp.asarray(state)
        return np.asarray(system.step(state) if isinstance(system, systems.IteratedMap) else system.rhs(0.0, state))

    size = 1e-5 * np.maximum(np.abs(x), 1e-3)
    columns = [(function(x + h) - function(x - h)) / (2 * h.sum()) for h in np.diag(size)]
    jacobian = np.asarray(system.jacobian(jnp.asarray(x)))
    assert np.all(np.isfinite(jacobian))
    np.testing.assert_allclose(jacobian, np.stack(columns, axis=1), rtol=1e-5, atol=1e-6 * np.abs(jacobian).max())


@pytest.mark.slow
def test_every_jacobian_is_finite():
    for name in systems.names(without=("any_size",)):
        system = systems.get(name)
        if not isinstance(system, systems.DelayFlow):
            assert np.all(np.isfinite(np.asarray(system.jacobian(system.initial)))), name


def test_signatures_agree_with_the_table():
    for name in systems.names():
        system = systems.get(name)
        taken = list(inspect.signature(system.function).parameters)
        given = set(system.parameters) - ({"tau"} if isinstance(system, systems.DelayFlow) else set())
        assert given <= set(taken), name
        assert len(taken) - len(given) == {"Flow": 2, "DelayFlow": 3, "IteratedMap": 1}[type(system).__name__], name
