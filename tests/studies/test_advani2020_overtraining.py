"""The numerics under the study of overtraining, against random matrices in NumPy."""

import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies
from linnet.studies._advani2020_overtraining import _predict, _ridge, _stopping

SETTINGS = config.load("advani2020-overtraining", "quick", inputs=100)


def drawn(rng, samples):
    """Teachers and samples: inputs, targets, teacher, for the signal-to-noise ratio of the study."""
    signal, noise = SETTINGS.snr / (1 + SETTINGS.snr), 1 / (1 + SETTINGS.snr)
    teacher = np.sqrt(signal) * rng.normal(size=SETTINGS.inputs)
    x = rng.normal(size=(samples, SETTINGS.inputs)) / np.sqrt(SETTINGS.inputs)
    return x, x @ teacher + np.sqrt(noise) * rng.normal(size=samples), teacher


def test_ridge_regression_has_the_loss_of_the_closed_form():
    rng, losses = np.random.default_rng(0), []
    for _ in range(40):
        x, y, teacher = drawn(rng, SETTINGS.inputs)
        # A prior variance of SNR / (1 + SNR) and noise of 1 / (1 + SNR).
        student = np.linalg.solve(x.T @ x + np.eye(SETTINGS.inputs) / SETTINGS.snr, x.T @ y)
        losses.append(0.5 * (np.mean((student - teacher) ** 2) + 1 / (1 + SETTINGS.snr)))
    assert abs(np.mean(losses) - _ridge(SETTINGS, 1.0)) < 5 * np.std(losses) / np.sqrt(40) + 0.01 * np.mean(losses)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_predicted_test_losses_are_those_of_gradient_flow_on_random_samples(ratio):
    """The flow of the mean loss from zero in closed form, by each sample's own spectrum."""
    rng, samples = np.random.default_rng(1), round(ratio * SETTINGS.inputs)
    ts, losses = SETTINGS.inputs * np.array([0.0, 1.0, 5.0, 50.0]), []
    for _ in range(40):
        x, y, teacher = drawn(rng, samples)
        rates, basis = np.linalg.eigh(x.T @ x / samples)
        seen = basis.T @ (x.T @ y / samples)
        filters = -np.expm1(-np.outer(ts, rates)) / np.where(rates > 1e-12, rates, np.inf)
        gap = (filters * seen) @ basis.T - teacher
        losses.append(0.5 * (np.mean(gap**2, axis=1) + 1 / (1 + SETTINGS.snr)))
    spread = 5 * np.std(losses, axis=0) / np.sqrt(40)
    expected = _predict(SETTINGS, ratio, 0.0, ts)[1]
    assert (np.abs(np.mean(losses, axis=0) - expected) < spread + 0.02 * expected).all()


def test_the_stopping_time_is_a_minimum_of_the_predicted_loss():
    stop = _stopping(SETTINGS, 1.0)
    before, at, after = _predict(SETTINGS, 1.0, 0.0, stop * np.array([0.8, 1.0, 1.25]))[1]
    assert at < before and at < after


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("advani2020-overtraining", "quick")
    found = studies.STUDIES["advani2020-overtraining"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert any(claim.control for claim in found.claims)
