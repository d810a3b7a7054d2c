"""Generalization dynamics against Monte Carlo over raw samples, quadrature against SciPy."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import linnet as ln
from linnet import theory


@pytest.mark.parametrize("alpha", [0.3, 0.9, 1.0, 1.1, 4.0])
def test_marchenko_pastur_has_its_moments_and_its_atom(alpha):
    """Of l = P lambda / N variance: mass 1, mean alpha, second moment alpha (1 + alpha)."""
    spectrum = theory.marchenko_pastur(1, alpha)
    values, weights = np.asarray(spectrum.eigenvalues) * alpha, np.asarray(spectrum.weights)
    np.testing.assert_allclose(weights.sum(), 1, atol=1e-12)
    np.testing.assert_allclose(weights[-1], max(1 - alpha, 0), atol=1e-12)
    np.testing.assert_allclose(weights @ values, alpha, atol=1e-12)
    np.testing.assert_allclose(weights @ values**2, alpha * (1 + alpha), atol=1e-11)


def test_marchenko_pastur_quadrature_equals_adaptive_quadrature():
    alpha, t = 0.7, 3.0
    low, high = (np.sqrt(alpha) - 1) ** 2, (np.sqrt(alpha) + 1) ** 2
    density = lambda x: np.sqrt(max((high - x) * (x - low), 0)) / (2 * np.pi * x) * np.exp(-x * t)  # noqa: E731
    expected = quad(density, low, high, epsabs=1e-12, limit=500)[0] + (1 - alpha)
    spectrum = theory.marchenko_pastur(1, alpha)
    found = jnp.sum(spectrum.weights * jnp.exp(-spectrum.eigenvalues * alpha * t))
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("samples", [10, 20, 45])
def test_curves_are_the_means_over_teachers_and_noise(samples):
    """Training and population test loss of students integrated by SciPy, 400 teachers at once, to 4 standard errors."""
    size, trials = 20, 400
    signal, noise, initial = 0.8, 0.2, 0.1
    rng = np.random.default_rng(samples)
    x = rng.normal(size=(samples, size)) / np.sqrt(size)
    teachers = np.sqrt(signal) * rng.normal(size=(trials, size))
    y = teachers @ x.T + np.sqrt(noise) * rng.normal(size=(trials, samples))
    start = np.sqrt(initial) * rng.normal(size=(trials, size))
    ts = np.array([0.0, 5.0, 40.0, 300.0])

    def field(t, flat):
        w = flat.reshape(trials, size)
        return ((y - w @ x.T) @ x / samples).ravel()

    path = solve_ivp(field, (0, ts[-1]), start.ravel(), t_eval=ts, rtol=1e-8, atol=1e-10, method="LSODA").y
    path = np.moveaxis(path.reshape(trials, size, -1), -1, 0)
    measured_train = 0.5 * np.mean((y - path @ x.T) ** 2, axis=-1)
    measured_test = 0.5 * (np.sum((path - teachers) ** 2, axis=-1) / size + noise)
    train, test = theory.generalization_curves(
        jnp.asarray(np.linalg.eigvalsh(x.T @ x / samples)),
        jnp.asarray(ts),
        num_samples=samples,
        signal_variance=signal,
        noise_variance=noise,
        initial_variance=initial,
    )
    for found, all_trials in ((train, measured_train), (test, measured_test)):
        error = all_trials.std(axis=1) / np.sqrt(trials)
        assert np.all(np.abs(np.asarray(found) - all_trials.mean(axis=1)) < 4 * error + 1e-12)


def test_late_error_diverges_towards_as_many_samples_as_inputs():
    def late(alpha):
        spectrum = theory.marchenko_pastur(1000, alpha, num_nodes=4096)
        return float(
            theory.generalization_curves(
                spectrum, jnp.array([1e12]), num_samples=1000 * alpha, signal_variance=0.0, noise_variance=1.0
            )[1][0]
        )

    # Without signal 2 L - 1 = 1 / (alpha - 1) above, alpha / (1 - alpha) below.
    np.testing.assert_allclose(2 * late(2.0) - 1, 1.0, rtol=1e-6)
    np.testing.assert_allclose(2 * late(1.25) - 1, 4.0, rtol=1e-6)
    np.testing.assert_allclose(2 * late(0.5) - 1, 1.0, rtol=1e-6)


def test_stopping_one_mode_is_ridge_regression_of_the_right_strength():
    eigenvalue, samples, snr = 0.3, 50.0, 4.0
    options = {"num_samples": samples, "signal_variance": snr, "noise_variance": 1.0, "input_variance": 1.0}
    error = lambda ts: theory.generalization_curves(jnp.array([eigenvalue]), ts, **options)[1]  # noqa: E731
    best = theory.mode_stopping_time(jnp.array([eigenvalue]), num_samples=samples, snr=snr)
    np.testing.assert_allclose(theory.optimal_stopping_time(error, 1e3), best[0], rtol=1e-5)
    ridge = snr / (1 + snr * samples * eigenvalue)  # posterior variance of the weight
    np.testing.assert_allclose(2 * error(best)[0] - 1, ridge, rtol=1e-10)


def test_there_is_no_stopping_time_where_the_error_only_falls_or_only_rises():
    assert np.isnan(theory.optimal_stopping_time(lambda ts: jnp.exp(-ts), 50.0))
    assert np.isnan(theory.optimal_stopping_time(lambda ts: 1 + ts, 50.0))
    assert np.isnan(theory.optimal_stopping_time(lambda ts: jnp.ones_like(ts), 50.0))


def test_noise_edge_bounds_the_largest_singular_value_of_noise():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(4000, 60)), 0.7 * rng.normal(size=(4000, 30))
    largest = np.linalg.norm(noise.T @ x / 4000, 2)
    np.testing.assert_allclose(largest, theory.noise_edge(60, 30, 4000, 0.49), rtol=0.06)


@pytest.mark.slow
def test_the_theory_predicts_the_mean_of_an_ensemble_of_teachers(key):
    size, samples = 30, 30
    ts = jnp.array([0.0, 20.0, 200.0, 2000.0])
    x = jr.normal(key, (samples, size)) / np.sqrt(size)

    def make(key):
        teacher, noise = jr.split(key)
        task = ln.tasks.Teacher.random(size, 5.0, key=teacher)
        y = x @ task.weights.T + jnp.sqrt(task.noise_variance) * jr.normal(noise, (samples, 1))
        population = task.moments()
        return ln.nn.DeepLinear((jnp.zeros((1, size)),)), ln.tasks.Split(ln.tasks.Batch(x, y), test=population), flow

    flow = ln.learn.GradientFlow()
    measured = ln.learn.ensemble(make, ts, {"seed": 300}, key=key)
    split = ln.tasks.Split(ln.tasks.Batch(x, jnp.zeros((samples, 1))), test=ln.tasks.Batch(x, jnp.zeros((samples, 1))))
    solved = theory.GeneralizationDynamics(5 / 6, 1 / 6).solve(ln.nn.DeepLinear((jnp.zeros((1, size)),)), split, ts)
    for name in ("loss",):
        values = np.asarray(measured[name])
        assert np.all(np.abs(values.mean(0) - solved[name]) < 4 * values.std(0) / np.sqrt(300) + 1e-9)


def test_the_theory_asks_for_samples_and_one_layer():
    moments = ln.tasks.Teacher.random(4, 1.0, key=jr.key(0)).moments()
    with pytest.raises(ValueError, match="Split with samples"):
        theory.predict(
            ln.nn.DeepLinear((jnp.zeros((1, 4)),)), moments, jnp.ones(2), theory=theory.GeneralizationDynamics(1.0, 1.0)
        )
    split = ln.tasks.Teacher.random(4, 1.0, key=jr.key(0)).draw(8, key=jr.key(1))
    with pytest.raises(ValueError, match="depth 1"):
        network = ln.nn.DeepLinear((jnp.zeros((3, 4)), jnp.zeros((1, 3))))
        theory.predict(network, split, jnp.ones(2), theory=theory.GeneralizationDynamics(1.0, 1.0))


def test_curves_are_traceable(key):
    curve = lambda alpha: theory.generalization_curves(  # noqa: E731
        theory.marchenko_pastur(50, alpha),
        jnp.array([1.0, 10.0]),
        num_samples=50 * alpha,
        signal_variance=1.0,
        noise_variance=0.5,
    )[1]
    ratios = jnp.array([0.5, 1.0, 2.0])
    together = jax.jit(jax.vmap(curve))(ratios)
    np.testing.assert_allclose(together, jnp.stack([curve(a) for a in ratios]), rtol=1e-12)
