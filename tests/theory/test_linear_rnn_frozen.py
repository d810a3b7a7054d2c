"""Half-frozen recurrent modes against SciPy's integration of the equations as the paper writes them."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import linnet as ln
from tests.tolerances import assert_close

TS = np.linspace(0.0, 6.0, 25)


def integrate(field, start, ts=TS):
    return scipy.integrate.solve_ivp(field, (0, ts[-1]), start, t_eval=ts, rtol=3e-14, atol=1e-15, method="DOP853").y


@pytest.mark.parametrize(
    ("a", "c", "b"),
    [(0.1, 0.1, 0.6), (0.3, -0.2, 0.9), (1.5, 0.2, -0.8), (-0.4, -0.4, 1.1), (0.2, -0.2, 0.5), (0.0, 0.3, 0.7)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_frozen_recurrence(a, c, b, sign):
    s = sign * np.array([0.3, 0.5, 0.8, 1.1])
    lags = np.arange(3, -1, -1)

    def field(t, z):
        error = s - z[1] * b**lags * z[0]
        return [np.sum(z[1] * b**lags * error), np.sum(z[0] * b**lags * error)]

    found = ln.theory.frozen_recurrence(a, c, b, jnp.array(s), jnp.array(TS))
    np.testing.assert_allclose(jnp.stack(found), integrate(field, [a, c]), rtol=1e-7, atol=1e-9)


def test_frozen_recurrence_balanced_is_the_papers_formula():
    s, b, u0 = np.array([0.3, 0.5, 1.0]), 0.7, 0.02
    drive, gram = np.sum(b ** np.array([2, 1, 0]) * s), np.sum(b ** (2 * np.array([2, 1, 0])))
    paper = drive * np.exp(2 * drive * TS) / (drive / u0 - gram + gram * np.exp(2 * drive * TS))
    a, c = ln.theory.frozen_recurrence(u0**0.5, u0**0.5, b, jnp.array(s), jnp.array(TS))
    assert_close(a * c, paper, "closed_form")


def test_frozen_recurrence_limits():
    # A = 0: du/dt = -2 B u^2, u = u0 / (1 + 2 B u0 t)
    s, b = jnp.array([-1.0, 0.5]), 0.5
    a, c = ln.theory.frozen_recurrence(0.3, 0.3, b, s, jnp.array(TS))
    assert_close(a * c, 0.09 / (1 + 2 * 1.25 * 0.09 * TS), "closed_form")
    # nothing to grow from, tiny beginnings, and very late times
    assert np.all(np.asarray(ln.theory.frozen_recurrence(0.0, 0.0, b, s, jnp.array(TS))) == 0)
    s = jnp.array([1.0, 1.0])
    tiny = ln.theory.frozen_recurrence(1e-12, 1e-12, 0.5, s, jnp.array([0.0, 1.0]))
    assert_close(tiny[0] * tiny[1], 1e-24 * np.exp(2 * 1.5 * np.array([0, 1])), "closed_form")
    late = ln.theory.frozen_recurrence(0.1, 0.1, 0.5, s, jnp.array([1e3, 1e6]))
    assert_close(late[0] * late[1], [1.5 / 1.25] * 2, "closed_form")
    dying = ln.theory.frozen_recurrence(0.1, 0.1, 0.5, -s, jnp.array([1e3, 1e6]))
    assert_close(dying[0] * dying[1], [0.0, 0.0], "closed_form")


@pytest.mark.parametrize("every_step", [False, True])
def test_frozen_input_output(every_step):
    rng = np.random.default_rng(0)
    s = np.tril(rng.normal(size=(4, 4))) if every_step else rng.normal(size=4)
    table = s if every_step else np.vstack([np.zeros((3, 4)), s])
    u, b = 0.6, 0.3

    def field(t, z):
        pairs = [(t, i) for t in range(4) for i in range(t) if every_step or t == 3]
        return [sum((t - i) * u * z[0] ** (t - i - 1) * (table[t, i] - u * z[0] ** (t - i)) for t, i in pairs)]

    ts = np.linspace(0, 2, 15)
    found = ln.theory.frozen_input_output(b, u, jnp.array(s), jnp.array(ts))
    assert_close(found, integrate(field, [b], ts)[0], "ode")


def test_taylor_is_local():
    s, u, b = np.array([0.4, 0.6, 0.8, 1.0]), 0.8, 0.3
    lags = np.array([3, 2, 1])

    def field(t, z):
        return [np.sum(lags * u * z[0] ** (lags - 1) * (s[:3] - u * z[0] ** lags))]

    coefficients = ln.theory.frozen_input_output_taylor(b, u, jnp.array(s), order=3)
    windows = np.array([0.0, 0.01, 0.02, 0.04])
    exact = integrate(field, [b], windows)[0]
    errors = np.abs(np.polyval(np.asarray(coefficients)[::-1], windows) - exact)[1:]
    # An order of three leaves t^4: doubling the window multiplies the error by 2^4.
    slope = np.polyfit(np.log(windows[1:]), np.log(errors), 1)[0]
    assert abs(slope - 4) < 0.2, slope
