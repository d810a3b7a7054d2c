"""The numerics of the study of state space models, and one small run of it."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies, tasks
from linnet.studies._smekal2024_ssm import half_time, passing, periodic_data, slopes_in_time, statistics_in_time

SETTINGS = config.load("smekal2024-ssm", "quick")


def data(periods=4):
    x, y = periodic_data(SETTINGS, np.random.default_rng(0))
    return x, y, periods


def loss(poles, b, c, x, y, periods):
    """Convolutions with impulse responses over all periods, of which the last one counts."""
    steps = x.shape[1]
    kernel = (np.array(poles) ** np.arange(periods * steps)[:, None]) @ (np.array(b) * np.array(c))
    outputs = np.stack(
        [np.convolve(np.tile(row, periods), kernel)[(periods - 1) * steps : periods * steps] for row in x]
    )
    return 0.5 * np.mean(np.sum((y - outputs) ** 2, axis=1))


def test_slopes_in_time_are_differences_of_the_loss():
    rng = np.random.default_rng(1)
    x, y, periods = data()
    point = np.stack([rng.uniform(-0.5, 0.7, 3), *rng.normal(size=(2, 3))])
    found = slopes_in_time(*point, x, y, periods)
    for place in np.ndindex(point.shape):
        step = np.zeros_like(point)
        step[place] = 1e-6
        difference = (loss(*(point + step), x, y, periods) - loss(*(point - step), x, y, periods)) / 2e-6
        assert found[place] == pytest.approx(difference, rel=1e-5, abs=1e-5)


def test_statistics_in_time_are_those_of_the_spectrum():
    x, y, periods = data()
    sigma, eta, power = statistics_in_time(0.6, x, y, periods)
    task = tasks.Spectrum.of(tasks.Batch(x[..., None], y[..., None]))
    theirs = task.statistics(jnp.array([0.6]))
    assert (sigma, eta) == pytest.approx((float(theirs[0][0]), float(theirs[1][0, 0])), rel=1e-10)
    assert power == pytest.approx(float(task.output_power), rel=1e-12)


def test_half_times():
    assert half_time("own, equal map", 5, 2.0, 4.0, SETTINGS) == pytest.approx(np.log(49) / 4)
    assert half_time("own, equal weights", 5, 2.0, 4.0, SETTINGS) == pytest.approx(np.log(9) / 4)
    assert half_time("shared", 5, 2.0, 4.0, SETTINGS) == pytest.approx(np.log(49) / 20)
    assert half_time("shared, large", 5, 2.0, 4.0, SETTINGS) == pytest.approx(np.log(2) / (4 * 100 * 25))
    assert passing(np.arange(3.0), np.array([0.0, 1.0, 3.0]), 2.0) == pytest.approx(1.5)
    assert passing(np.arange(3.0), np.zeros(3), 2.0) == np.inf


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("smekal2024-ssm", "quick", seeds=1, states=(1, 2, 4))
    found = studies.STUDIES["smekal2024-ssm"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pole": 1.0}, "--pole and --target must be below 1"),
        ({"states": (2, 1, 3)}, "--states needs three or more rising"),
        ({"periods": 2, "steps": 8}, "--periods is too small: after 1 periods a transient of 0.2"),
        ({"start": 0.0}, "--start must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("smekal2024-ssm", "quick", **settings)
