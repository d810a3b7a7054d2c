"""Forecasts and their scores against loops in NumPy and closed forms."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array

from linnet import analyse, systems
from linnet.nn import VanillaRNN
from tests.analyse.unknown_inputs import OfUnknownInputs
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(5)


class Half:
    """What is seen of a state of four numbers: two of them."""

    def start(self, x: Array) -> Array:
        return jnp.concatenate([x, jnp.zeros(2)])

    def observe(self, state: Array) -> Array:
        return 2 * state[:2]


def loop(step, starts, num):
    states, kept = [np.asarray(start) for start in starts], []
    for _ in range(num):
        states = [np.asarray(step(jnp.asarray(state))) for state in states]
        kept.append(np.stack(states))
    return np.stack(kept, axis=1)


def test_forecasts_of_a_map_are_its_iterates():
    henon = systems.get("Henon")
    series = np.asarray(henon.orbit(12, noise=0.01, key=jr.key(0)).states)
    found = analyse.forecast(henon, series, 4)
    assert_close(found, loop(henon.step, series, 4), "exact")
    errors = loop(henon.step, series[:-4], 4)[:, -1] - series[4:]
    assert_close(analyse.prediction_error(henon, series, 4), np.mean(errors**2), "exact")
    assert_close(analyse.prediction_error(henon.step, series, 4), np.mean(errors**2), "exact")
    assert_close(analyse.prediction_error(errors + series[4:], series, 4), np.mean(errors**2), "exact")


def test_a_network_is_observed_by_its_observation_model(keys):
    network, series, inputs = (
        VanillaRNN((3, 4, 2), key=keys()),
        RNG.standard_normal((9, 2)),
        jnp.array([0.1, 0.2, -1.0]),
    )
    found = analyse.prediction_error(network, series, 3, observation=Half(), inputs=inputs)
    starts = np.concatenate([series[:-3], np.zeros((6, 2))], axis=1)
    last = loop(lambda state: network.step(state, inputs)[0], starts, 3)[:, -1]
    assert_close(found, np.mean((2 * last[:, :2] - series[3:]) ** 2), "closed_form")


def test_baselines_of_white_noise_are_the_closed_forms():
    """The mean has the variance as its error, persistence twice as much."""
    series = RNG.standard_normal((100_000, 2))
    mean = analyse.prediction_error(np.zeros((99_980, 2)), series)
    persistence = analyse.prediction_error(series[:-20], series)
    np.testing.assert_allclose(mean, 1.0, rtol=5 * np.sqrt(2 / 2e5))
    np.testing.assert_allclose(persistence, 2.0, rtol=5 * np.sqrt(3 / 2e5))


def test_a_forecast_that_diverges_has_an_infinite_error():
    series = 1 + RNG.random((50, 1))
    assert float(analyse.prediction_error(lambda x: x**4 * 1e9, series, 20)) == np.inf


def test_any_number_of_steps_is_one_program():
    series = RNG.standard_normal((50, 2))[:40]
    henon = systems.get("Henon")
    analyse.prediction_error(henon, series[:-2], 2)
    with count_compilations() as compiled:
        analyse.prediction_error(henon, np.concatenate([series, series[:1]]), 5)
    assert len(compiled) <= 3  # not the loop: slices and means of other shapes


def test_smape_and_mase_are_their_definitions():
    truth, forecast, past = (RNG.standard_normal((num, 3)) for num in (20, 20, 50))
    expected = 200 * np.mean(np.abs(truth - forecast) / (np.abs(truth) + np.abs(forecast)))
    assert_close(analyse.smape(truth, forecast), expected, "exact")
    scale = np.mean(np.abs(past[1:] - past[:-1]), axis=0)
    expected = np.mean(np.mean(np.abs(truth - forecast), axis=0) / scale)
    assert_close(analyse.mase(truth, forecast, past), expected, "exact")
    batch = analyse.smape(np.stack([truth, truth]), np.stack([forecast, truth]))
    assert_close(batch, [analyse.smape(truth, forecast), 0.0], "exact")


def test_limits_of_scores():
    truth = RNG.standard_normal((20, 2))
    assert_close(analyse.smape(truth, np.zeros_like(truth)), 200.0, "exact")
    assert_close(analyse.smape(np.zeros_like(truth), np.zeros_like(truth)), 0.0, "exact")
    assert_close(analyse.smape(truth, np.full_like(truth, np.inf)), 200.0, "exact")
    assert float(analyse.mase(truth, np.full_like(truth, np.nan), truth)) == np.inf


def test_valid_time_of_an_exponential_error_is_a_logarithm():
    """error = eps exp(rate t) passes the threshold at log(threshold / eps) / rate: so many Lyapunov times."""
    dt, rate, eps = 1e-3, 0.9, 1e-4
    times = dt * np.arange(1, 12_000)
    truth = np.sin(times)[:, None] * np.ones(2)
    forecast = truth + eps * np.exp(rate * times)[:, None]
    found = analyse.valid_time(truth, forecast, dt=dt, exponent=rate, spread=np.ones(2))
    np.testing.assert_allclose(found, np.log(0.4 / eps), atol=rate * dt)
    plain = analyse.valid_time(truth, forecast, dt=dt, spread=np.ones(2))
    np.testing.assert_allclose(plain, np.log(0.4 / eps) / rate, atol=dt)


def test_valid_time_ends_at_the_first_bad_step_and_at_what_is_no_number():
    truth = RNG.standard_normal((3, 10, 2))
    forecast = truth.copy()
    forecast[1, 4] += 100
    forecast[2, 0, 1] = np.nan
    assert_close(analyse.valid_time(truth, forecast, dt=0.5), [5.0, 2.0, 0.0], "exact")


SERIES = RNG.standard_normal((30, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.prediction_error(lambda x: x, SERIES, 30), ["n=30", "30 points"]),
        (lambda: analyse.prediction_error(lambda x: x, SERIES, 0), ["n=0"]),
        (lambda: analyse.prediction_error(SERIES, SERIES, 3), ["(27, 2)", "(30, 2)"]),
        (lambda: analyse.prediction_error(lambda x: x[:1], SERIES, 1), ["(1,)", "`observation`"]),
        (lambda: analyse.prediction_error(systems.get("Lorenz"), SERIES, 1), ["Flow", "function"]),
        (lambda: analyse.prediction_error(OfUnknownInputs(), SERIES, 1), ["`inputs`"]),
        (
            lambda: analyse.prediction_error(VanillaRNN((2, 5, 1), key=jr.key(0)), SERIES, 1, inputs=jnp.zeros(2)),
            ["VanillaRNN", "5 numbers", "`observation`"],
        ),
        (lambda: analyse.forecast(lambda x: x, SERIES, 0), ["num=0"]),
        (lambda: analyse.mase(SERIES, SERIES, np.ones((5, 2))), ["constant"]),
        (lambda: analyse.valid_time(SERIES, SERIES, exponent=-1.0), ["positive", "-1"]),
        (lambda: analyse.valid_time(SERIES, SERIES, threshold=0.0), ["threshold"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
