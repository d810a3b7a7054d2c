"""Orbits against SciPy, plain loops and closed forms; batches, noise, compilations, and how they end."""

import diffrax
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from linnet import systems
from tests.compilations import count_compilations
from tests.tolerances import assert_close

PERIODS = 0.5
#: A solver that compiles faster than the default, where the solver is not the subject.
QUICK = {"solver": diffrax.Tsit5()}


@pytest.mark.parametrize("name", ["Lorenz", "Duffing"])
def test_flows_against_scipy(name):
    system = systems.get(name)
    orbit = system.orbit(11, points_per_period=10 / PERIODS, rtol=1e-10, atol=1e-12)
    times = np.asarray(orbit.times)
    assert_close(times, np.arange(11) * system.period * PERIODS / 10, "exact")
    rhs = jax.jit(lambda t, x: system.rhs(t, x))
    peer = solve_ivp(
        lambda t, x: np.asarray(rhs(t, jnp.asarray(x))), times[[0, -1]], np.asarray(system.initial), "LSODA", times,
        rtol=1e-11, atol=1e-13,
    )  # fmt: skip
    assert_close(orbit.states, peer.y.T, "ode")
    assert orbit.message == systems.RESULTS[0] and orbit.system == name


@pytest.mark.slow
@pytest.mark.parametrize("name", systems.names(kind="flow", without=("discontinuous",)))
def test_every_flow_against_scipy(name):
    """At linnet's default tolerances, over a tenth of a period (chaos has no time to grow), against LSODA."""
    system = systems.get(name)
    orbit = system.orbit(6, points_per_period=50)
    rhs = jax.jit(lambda t, x: system.rhs(t, x))
    times = np.asarray(orbit.times)
    scale = np.abs(np.asarray(orbit.states)).max(axis=0) + 1e-6
    peer = solve_ivp(
        lambda t, x: np.asarray(rhs(t, jnp.asarray(x * scale))) / scale, times[[0, -1]],
        np.asarray(system.initial) / scale, "LSODA", times, rtol=1e-11, atol=1e-13,
    )  # fmt: skip
    np.testing.assert_allclose(np.asarray(orbit.states) / scale, peer.y.T, rtol=2e-5, atol=2e-5)


def test_maps_against_a_loop():
    for name in ("Logistic", "Henon", "Ikeda"):
        system = systems.get(name)
        orbit = system.orbit(20, transient=5)
        x, rows = system.initial, []
        for _ in range(25):
            rows.append(x)
            x = system.step(x)
        assert_close(orbit.states, jnp.stack(rows[5:]), "exact")
        assert_close(orbit.times, np.arange(5, 25), "exact")


def linear_delay(steps=64, **options):
    system = systems.DelayFlow(
        name="Linear", function=lambda t, x, delayed, a: a * delayed, initial=jnp.ones(1), period=1.0, dt=0.01,
        parameters={"a": jnp.asarray(-1.0), "tau": jnp.asarray(1.0)}, shapes=(("a", ()), ("tau", ())),
    )  # fmt: skip
    return system.orbit(31, dt=0.1, steps_per_delay=steps, **options)


def test_delay_flow_against_the_closed_form():
    """x' = -x(t - 1) with the history 1: the sum over k of (-1)^k (t - k + 1)^k / k! up to k = floor(t) + 1."""
    orbit = linear_delay()
    expected = []
    for t in np.asarray(orbit.times):
        terms, factorial = 0.0, 1.0
        for k in range(int(np.floor(t + 1e-12)) + 2):
            factorial *= max(k, 1)
            terms += (-1) ** k * (t - k + 1) ** k / factorial
        expected.append(terms)
    assert_close(orbit.states[:, 0], expected, "closed_form")


def test_delay_flow_with_a_history_that_is_a_function():
    """x' = -x(t - 1) with the history exp(s t), -s = exp(-s): exp(s t) for ever; complex s gives cosines."""
    s = -0.3181315052047641 + 1.3372357014306895j
    orbit = linear_delay(initial=lambda t: (jnp.exp(s * t)).real)
    np.testing.assert_allclose(orbit.states[:, 0], np.exp(s * np.asarray(orbit.times)).real, atol=1e-8)


def test_delay_flow_is_of_fourth_order():
    system = systems.get("MackeyGlass")
    ends = [system.orbit(2, dt=40.0, steps_per_delay=n).states[-1, 0] for n in (16, 32, 64, 1024)]
    errors = [abs(float(end - ends[-1])) for end in ends[:-1]]
    order = -np.polyfit(np.log([16, 32, 64]), np.log(errors), 1)[0]
    assert 3.5 < order < 5


def test_batches_are_loops():
    system = systems.get("Lorenz")
    starts = system.initial + jnp.arange(2.0)[:, None]
    batch = system.with_parameters(rho=jnp.array([[20.0], [28.0], [35.0]])).orbit(7, dt=0.05, initial=starts, **QUICK)
    assert batch.states.shape == (3, 2, 7, 3) and batch.result.shape == (3, 2)
    one = system.with_parameters(rho=35.0).orbit(7, dt=0.05, initial=starts[1], **QUICK)
    assert_close(batch.states[2, 1], one.states, "ode")
    delayed = systems.get("MackeyGlass")
    batch = delayed.with_parameters(tau=jnp.array([10.0, 17.0])).orbit(5, dt=5.0, steps_per_delay=32)
    one = delayed.with_parameters(tau=17.0).orbit(5, dt=5.0, steps_per_delay=32)
    assert_close(batch.states[1], one.states, "exact")
    maps = systems.get("Henon").orbit(5, initial=jnp.zeros((2, 3, 2)))
    assert maps.states.shape == (2, 3, 5, 2)


@pytest.mark.slow
def test_any_size_of_ring():
    orbit = systems.get("Lorenz96").orbit(3, dt=0.01, initial=jnp.arange(40.0), **QUICK)
    assert orbit.states.shape == (3, 40)


def test_noise_is_a_fraction_of_each_coordinate():
    system = systems.get("Henon")
    clean, noisy = system.orbit(4000), system.orbit(4000, noise=0.05, key=jr.key(0))
    assert noisy.noise == 0.05
    rest = (noisy.states - clean.states) / clean.states.std(axis=0)
    assert np.allclose(rest.std(axis=0), 0.05, rtol=4 / np.sqrt(2 * 4000))


def test_second_call_compiles_nothing():
    for name, change in (("Lorenz", {"rho": 29.0}), ("Henon", {"a": 1.3}), ("MackeyGlass", {"beta": 0.21})):
        system = systems.get(name)
        system.orbit(11)
        other = system.with_parameters(**change).replace(initial=system.initial * 1.01)
        with count_compilations() as compiled:
            other.orbit(11)
        assert not compiled, f"{name} compiled again: {compiled}"


def test_divergence_is_a_result_and_not_an_exception():
    henon = systems.get("Henon").orbit(50, initial=jnp.array([[0.0, 0.0], [10.0, 10.0]]))
    assert henon.result.tolist() == [0, 1] and henon.message == systems.RESULTS[1]
    few = systems.get("Lorenz").orbit(50, max_steps=4, **QUICK)
    assert int(few.result) != 0 and few.message == systems.RESULTS[2]
    blown = systems.get("SprottJerk").orbit(50, dt=1.0, initial=jnp.array([50.0, 50.0, 50.0]), **QUICK)
    assert int(blown.result) != 0


@pytest.mark.slow
def test_float32_follows_the_dtype():
    orbit = systems.get("Lorenz", dtype=jnp.float32).orbit(20, **QUICK)
    assert orbit.states.dtype == orbit.times.dtype == jnp.float32
    assert np.allclose(orbit.states, systems.get("Lorenz").orbit(20, **QUICK).states, rtol=1e-2, atol=1e-2)
