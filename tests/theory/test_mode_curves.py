"""The learning curve of one mode against SciPy's integration of its layers, and its characteristic times."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import linnet as ln
from tests.compilations import count_compilations
from tests.tolerances import assert_close, tolerance

T = ln.theory


def integrate_layers(singular_value, layers, variance, ts):
    """The strength of one mode from the equations of all its layers."""

    def field(t, layers):
        drive = singular_value - variance * np.prod(layers)
        return [drive * np.prod(np.delete(layers, layer)) for layer in range(len(layers))]

    solution = scipy.integrate.solve_ivp(field, (0, ts[-1]), layers, t_eval=ts, rtol=1e-12, atol=1e-15, method="DOP853")
    return solution.y.prod(axis=0)


def cases(depth):
    """Layers of every kind: balanced and not, of both signs, zero, beyond the end; with singular value and variance."""
    rng = np.random.default_rng(depth)
    some = rng.uniform(0.3, 0.9, depth)
    balanced = np.full(depth, 0.05 ** (1 / depth))
    nearly = balanced * (1 + 1e-9 * rng.normal(size=depth))
    negative, zero, turned = some.copy(), some.copy(), balanced.copy()
    negative[0] *= -1
    zero[-1] = 0
    turned[0] *= -1
    two_zeros = some.copy()
    two_zeros[:2] = 0
    return {
        "unbalanced": (1.3, some, 0.7),
        "balanced": (0.8, balanced, 1.0),
        "nearly balanced": (0.8, nearly, 1.0),
        "crosses zero": (0.9, negative, 1.0),
        "ends at the saddle": (0.9, turned, 1.0),
        "begins at zero": (0.9, zero, 1.2),
        "rests at zero": (0.9, two_zeros if depth > 2 else np.zeros(2), 1.0),
        "begins beyond the end": (0.4, 2 * some, 1.5),
        "begins at the end": (np.prod(some), some, 1.0),
        "no singular value": (0.0, some, 1.0),
        "no singular value, balanced": (0.0, balanced, 1.0),
        "negative singular value": (-0.8, some, 1.0),
        "one strong layer": (0.7, np.array([5.0, *some[1:] * 1e-2]), 1.0),
    }


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_layers_follow_their_equations(depth):
    every = cases(depth)
    singular_values, layers, variances = (np.array([case[part] for case in every.values()]) for part in range(3))
    ts = np.linspace(0, 40.0, 60)
    actual = T.chain_strength(jnp.asarray(ts), singular_values, jnp.asarray(layers.T), variance=variances)
    for number, (name, (singular_value, layers_of_one, variance)) in enumerate(every.items()):
        expected = integrate_layers(singular_value, layers_of_one, variance, ts)
        np.testing.assert_allclose(actual[:, number], expected, **tolerance(jnp.float64, "closed_form"), err_msg=name)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_balanced_modes_follow_their_equation(depth):
    s, u0, lam = np.array([2.0, 1.0, 0.5]), np.array([1e-3, 0.2, 0.9]), np.array([1.0, 2.0, 0.5])
    ts = np.linspace(0, 15.0, 40)

    def field(t, u):
        return depth * np.abs(u) ** (2 - 2 / depth) * (s - lam * u)

    expected = scipy.integrate.solve_ivp(field, (0, 15.0), u0, t_eval=ts, rtol=1e-12, atol=1e-15, method="DOP853").y.T
    assert_close(T.mode_strength(ts, s, u0, depth=depth, variance=lam), expected, "closed_form")


@pytest.mark.parametrize(("s", "u0", "lam"), [(1.3, 1e-2, 1.0), (1.3, 1.0, 0.5), (0.7, 2.0, 1.0), (0.0, 0.5, 1.0)])
def test_infinite_depth(s, u0, lam):
    ts = np.linspace(0, 200.0, 50)
    solution = scipy.integrate.solve_ivp(
        lambda t, u: u**2 * (s - lam * u), (0, 200.0), [u0], t_eval=ts, rtol=1e-12, atol=1e-15, method="DOP853"
    )
    assert_close(T.mode_strength(jnp.asarray(ts), s, u0, depth=math.inf, variance=lam), solution.y[0], "closed_form")


def test_deep_chains_approach_infinite_depth():
    ts = np.linspace(0, 60.0, 30)
    limit = T.mode_strength(ts, 1.0, 0.1, depth=math.inf)
    first, second = (np.max(np.abs(T.mode_strength(ts / d, 1.0, 0.1, depth=d) - limit)) for d in (20, 40))
    assert second < 0.2 and first / second == pytest.approx(2, rel=0.1)  # it falls as one over the depth


def test_curves_of_two_layers_are_stable_at_all_scales():
    ts = jnp.array([0.0, 1.0, 50.0, 1e4, 1e9])
    for u0 in (0.0, 1e-300, 1e-30, 1e30):
        u = T.mode_strength(ts, jnp.array([1e-6, 1.0, 1e3]), u0)
        assert np.all(np.isfinite(u)) and np.all(u >= 0)
        if u0 == 1e-300:
            assert_close(u[-1, 1:], [1.0, 1e3], "exact")
    # Far down the sigmoid there is nothing but exponential growth.
    assert_close(T.mode_strength(jnp.array([100.0]), 1.0, 1e-200) / 1e-200, [np.exp(200.0)], "closed_form")
    # Two layers of opposite sign that are balanced have the saddle at zero before them.
    assert_close(T.mode_strength(ts, 1.0, -0.3)[-1], 0.0, "exact")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_times_are_where_the_curve_passes(depth):
    s, lam = 1.3, 0.6
    final = np.array([0.01, s / lam / 2, 0.99 * s / lam])
    times = T.learning_time(s, 2e-3, final, depth=depth, variance=lam)
    curves = T.mode_strength(times, np.full(3, s), 2e-3, depth=depth, variance=lam)
    assert_close(np.diagonal(curves), final, "closed_form")
    assert_close(T.half_time(s, 2e-3, depth=depth, variance=lam), times[1], "exact")


@pytest.mark.parametrize("depth", [1, 2, 3, math.inf])
def test_learning_time_is_the_integral(depth):
    s, u0, end, lam = 0.9, 0.02, 0.7, 1.1

    def slowness(u):
        return 1 / ((u**2 if depth == math.inf else depth * u ** (2 - 2 / depth)) * (s - lam * u))

    expected = scipy.integrate.quad(slowness, u0, end, epsabs=0, epsrel=1e-12, limit=500)[0]
    assert_close(T.learning_time(s, u0, end, depth=depth, variance=lam), expected, "closed_form")


def test_times_that_never_come():
    for depth in (1, 2, 3, math.inf):
        assert np.isnan(T.learning_time(1.0, 0.1, 1.5, depth=depth))
    for depth in (2, 3):
        assert np.isnan(T.half_time(1.0, -0.1, depth=depth)) and np.isnan(T.half_time(1.0, 0.0, depth=depth))
    assert T.half_time(1.0, 0.7) == 0 and T.half_time(1.0, 0.7, depth=3) == 0


def test_half_time_formulas():
    s, u0 = jnp.array([3.0, 1.0, 0.2]), 1e-4
    assert_close(T.half_time(s, u0), np.log(np.asarray(s) / u0 - 1) / (2 * np.asarray(s)), "exact")
    assert_close(T.half_time(s, 0.0, depth=1), np.full(3, np.log(2)), "exact")


def test_depth_must_be_a_number_of_layers():
    for depth in (0, 1.5):
        with pytest.raises(ValueError, match="whole number"):
            T.half_time(1.0, 0.1, depth=depth)
    with pytest.raises(ValueError, match="Infinitely"):
        T.maximal_stable_rate(1.0, depth=math.inf)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_maximal_stable_rate_is_the_edge(depth):
    s, lam = 1.3, 0.7
    edge = float(T.maximal_stable_rate(s, depth=depth, variance=lam))

    def error(part, steps=4000):
        layers = np.full(depth, (s / lam) ** (1 / depth)) * (1 + 1e-6)
        for _ in range(steps):
            drive = s - lam * np.prod(layers)
            layers = layers + part * edge * drive * np.prod(layers) / layers
        return abs(np.prod(layers) - s / lam)

    assert error(0.97) < 1e-10 and error(1.03, 600) > 1e-4


@pytest.mark.parametrize("depth", [1, 2, 3, math.inf])
def test_float32_follows_float64(depth):
    ts, s = np.linspace(0, 30, 20), np.array([2.0, 0.5])
    low = T.mode_strength(jnp.asarray(ts, jnp.float32), jnp.asarray(s, jnp.float32), jnp.float32(1e-2), depth=depth)
    assert low.dtype == jnp.float32
    assert_close(low, T.mode_strength(jnp.asarray(ts), s, 1e-2, depth=depth), "closed_form", jnp.float32)


def test_curves_map_and_differentiate():
    @jax.jit
    def last(s):
        return T.mode_strength(jnp.array([0.0, 3.0]), s, 0.05)[1]

    s, step = jnp.array([1.0, 0.6]), 1e-5
    assert_close(jax.jit(jax.vmap(last))(s), last(s), "exact")
    numeric = (last(s + step) - last(s - step)) / (2 * step)
    assert_close(jnp.diagonal(jax.jit(jax.jacfwd(last))(s)), numeric, "finite_difference")


def test_a_second_call_compiles_nothing():
    ts = jnp.linspace(0, 5, 11)
    T.mode_strength(ts, jnp.array([1.0, 2.0]), 1e-2, depth=3)
    with count_compilations() as compiled:
        T.mode_strength(ts, jnp.array([1.5, 0.3]), 1e-2, depth=3)
    assert not compiled
