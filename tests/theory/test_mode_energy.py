"""The energy of a recurrent mode against sums written out in NumPy, and its limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import linnet as ln
from tests.tolerances import assert_close


def energy_by_hand(a, b, c, s):
    """Every term of the double sum, one by one."""
    steps = len(s)
    if s.ndim == 1:
        return 0.5 * sum((s[i] - c * b ** (steps - 1 - i) * a) ** 2 for i in range(steps))
    causal = sum((s[t, i] - c * b ** (t - i) * a) ** 2 for t in range(steps) for i in range(t + 1))
    return 0.5 * (causal + sum(s[t, i] ** 2 for t in range(steps) for i in range(t + 1, steps)))


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("b", [-0.7, 0.0, 0.9, 1.0, 1.2])
def test_energy_is_the_double_sum(every_step, b):
    rng = np.random.default_rng(0)
    s = rng.normal(size=(5, 5) if every_step else 5)
    expected = energy_by_hand(0.4, b, -0.8, s)
    assert_close(ln.theory.mode_energy(0.4, b, -0.8, jnp.array(s)), expected, "exact")


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("b", [0.0, 0.6, -1.1])
def test_mode_flow_is_the_gradient(every_step, b):
    from linnet.theory._mode_energy import lag_form

    s = np.random.default_rng(1).normal(size=(6, 6) if every_step else 6)
    form, point, step = lag_form(jnp.array(s)), np.array([0.5, b, -0.3]), 1e-6
    ends = [(point + step * e, point - step * e) for e in np.eye(3)]
    slopes = [(energy_by_hand(*up, s) - energy_by_hand(*down, s)) / (2 * step) for up, down in ends]
    assert_close(jnp.stack(form.flow(*jnp.array(point))), -np.array(slopes), "finite_difference")


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 7, 60])
def test_regularizer_is_the_power_over_time(every_step, steps):
    b = np.concatenate([np.linspace(-1.3, 1.3, 27), 1 + np.array([-1e-3, -1e-9, 1e-12, 1e-3]), [0.3 / steps + 1]])
    lags = np.arange(steps)
    pairs = steps - lags if every_step else np.ones(steps)
    direct = 0.5 * (0.7 * 0.4) ** 2 * np.sum(pairs[:, None] * b[None, :] ** (2 * lags[:, None]), axis=0)
    found = ln.theory.effective_regularizer(0.7, jnp.array(b), 0.4, steps, every_step=every_step)
    assert_close(found, direct, "closed_form")


def test_regularizer_forbids_instability_in_the_long_run():
    found = ln.theory.effective_regularizer(1.0, jnp.array([0.0, 0.6, 1.0, 1.5]), 2.0, float("inf"))
    np.testing.assert_allclose(found, [2.0, 2.0 / (1 - 0.36), np.inf, np.inf])
    assert ln.theory.effective_regularizer(0.0, 1.5, 2.0, float("inf")) == 0


def test_energy_is_fit_plus_regularizer():
    s = jnp.array(np.random.default_rng(2).normal(size=6))
    a, b, c = 0.6, 0.8, 1.1
    fit = 0.5 * jnp.sum(s**2 - 2 * s * c * b ** jnp.arange(5, -1, -1) * a)
    total = fit + ln.theory.effective_regularizer(a, b, c, 6)
    assert_close(ln.theory.mode_energy(a, b, c, s), total, "exact")


def test_minimized_energy_is_the_least_over_strengths():
    s = np.random.default_rng(3).normal(size=5)
    strengths = np.linspace(-4, 4, 80001)
    for b in (0.0, 0.5, -1.1):
        table = 0.5 * np.sum((s[:, None] - strengths * b ** np.arange(4, -1, -1)[:, None]) ** 2, axis=0)
        energy, strength = ln.theory.minimized_energy(b, jnp.array(s))
        assert abs(energy - table.min()) < 1e-7 and abs(strength - strengths[table.argmin()]) < 1e-4


@pytest.mark.parametrize(
    ("importances", "b", "u"),
    [
        (lambda t, n: 0.7 * np.ones(n), 1.0, 0.7),
        (lambda t, n: 0.7 * 0.8 ** (n - t), 0.8, 0.7),
        (lambda t, n: 0.7 * 1.25**t, 0.8, 0.7 * 1.25**6),
        (lambda t, n: 0.7 * (-1.1) ** (n - t), -1.1, 0.7),
    ],
)
def test_zero_loss_solutions(importances, b, u):
    s = importances(np.arange(1, 7), 6)
    found_b, found_u, rest = ln.theory.zero_loss_modes(jnp.array(s))
    assert_close(jnp.array([found_b, found_u]), [b, u], "exact")
    assert rest < 1e-12
    # and it is a solution: zero energy, at rest
    assert ln.theory.mode_energy(found_u, found_b, 1.0, jnp.array(s)) < 1e-20


def test_zero_loss_is_only_for_exponentials():
    assert ln.theory.zero_loss_modes(jnp.array([0.2, 0.5, 0.7, 1.0]))[2] > 0.01
    assert ln.theory.zero_loss_modes(jnp.array([1.0, 0.0, 0.0]))[2] == 1
    assert ln.theory.zero_loss_modes(jnp.array([2.0]))[2] == 0


def test_energy_traces():
    s = jnp.array([0.3, 0.5, 1.0])
    value = jax.jit(jax.grad(lambda b: ln.theory.mode_energy(0.5, b, 0.5, s)))(0.0)
    # dE/db at b = 0 is -u s_{T-1}
    assert_close(value, -0.25 * 0.5, "exact")
