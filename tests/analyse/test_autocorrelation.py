"""Autocorrelations and timescales against NumPy, SciPy's fits and processes whose timescales are known."""

import numpy as np
import pytest
from scipy.optimize import curve_fit
from scipy.signal import lfilter

from linnet import analyse
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(11)
LAGS = np.arange(31)


def by_hand(trials, max_lag, unbiased):
    found = []
    for k in range(max_lag + 1):
        products = [
            np.sum((x - x.mean())[: len(x) - k] * (x - x.mean())[k:]) / (len(x) - k if unbiased else len(x))
            for x in trials
        ]
        found.append(np.mean(products))
    return np.array(found) / found[0]


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize(("num", "max_lag"), [(40, 39), (65, 1), (65, 0)])
def test_it_is_the_definition(num, max_lag, unbiased):
    series = 3 + RNG.standard_normal((4, num))
    found = analyse.autocorrelation(series, max_lag, unbiased=unbiased)
    assert_close(found, by_hand(series, max_lag, unbiased), "closed_form")
    one = analyse.autocorrelation(series[0], max_lag, unbiased=unbiased)
    assert_close(one, by_hand(series[:1], max_lag, unbiased), "closed_form")


def two(time, a, c, first, second):
    return a * c * np.exp(-time / first) + a * (1 - c) * np.exp(-time / second)


@pytest.mark.parametrize("tau", [0.3, 2.0, 8.0, 60.0])
def test_an_exact_exponential_is_found_and_one_is_enough(tau):
    found = analyse.fit_autocorrelation(0.8 * np.exp(-LAGS / tau), dt=0.5)
    np.testing.assert_allclose(found.timescale, 0.5 * tau, rtol=1e-5)
    np.testing.assert_allclose(found.amplitudes[0], 0.8, rtol=1e-5)
    assert int(found.num_exponentials) == 1


@pytest.mark.parametrize(("c", "first", "second"), [(0.5, 1.0, 10.0), (0.3, 0.7, 20.0), (0.8, 3.0, 30.0)])
def test_two_exact_exponentials_are_found_and_one_is_not_enough(c, first, second):
    found = analyse.fit_autocorrelation(two(LAGS, 0.95, c, first, second))
    np.testing.assert_allclose(found.double, [first, second], rtol=1e-3)
    np.testing.assert_allclose(found.weight, 1 - c, rtol=1e-3)
    np.testing.assert_allclose(found.timescale, second, rtol=1e-3)
    assert int(found.num_exponentials) == 2


def test_fits_are_as_good_as_scipys():
    """The least squares of many noisy curves, against curve_fit with the paper's bounds from a good start."""
    truth = np.array([two(LAGS, 1.0, c, 1.0, 12.0) for c in (0.1, 0.4, 0.7, 0.9)])
    noisy = truth + 0.01 * RNG.standard_normal(truth.shape)
    found = analyse.fit_autocorrelation(noisy)
    for row, c, residual in zip(noisy, (0.1, 0.4, 0.7, 0.9), np.asarray(found.residuals), strict=True):
        options = {"bounds": ((0, 0, 0, 0), (1, 1, 100, 100)), "maxfev": 4000}
        best = curve_fit(two, LAGS, row, p0=(0.99, c, 1.0, 12.0), **options)[0]
        assert residual[1] <= np.sqrt(np.mean((two(LAGS, *best) - row) ** 2)) * 1.001
        assert residual[0] >= residual[1]


def test_timescale_of_an_autoregressive_process():
    """x_t = exp(-1 / tau) x_{t-1} + noise, whose estimates vary by tau * sqrt(2 tau / T) and so."""
    tau, num = 5.0, 100_000
    series = lfilter([1.0], [1.0, -np.exp(-1 / tau)], RNG.standard_normal((4, num)))
    found = analyse.fit_autocorrelation(analyse.autocorrelation(series, 30))
    np.testing.assert_allclose(found.single, tau, rtol=5 * np.sqrt(2 * tau / (4 * num)))


def test_timescales_of_a_sum_of_two_processes():
    tau, num = np.array([1.0, 20.0]), 200_000
    alpha = np.exp(-1 / tau)
    parts = [np.sqrt(1 - a**2) * lfilter([1.0], [1.0, -a], RNG.standard_normal(num)) for a in alpha]
    found = analyse.fit_autocorrelation(analyse.autocorrelation(np.sum(parts, axis=0), 60))
    assert int(found.num_exponentials) == 2
    np.testing.assert_allclose(found.double, tau, rtol=0.15)
    np.testing.assert_allclose(found.weight, 0.5, atol=0.05)


@pytest.mark.slow
def test_single_precision_is_fitted_in_jaxs_own():
    values = np.exp(-np.arange(31) / 4.0).astype(np.float32)
    fit = analyse.fit_autocorrelation(values)
    assert fit.timescale.dtype == np.float64
    np.testing.assert_allclose(fit.single, 4.0, rtol=1e-3)


def test_many_units_are_one_program():
    values = np.exp(-LAGS / np.array([1.0, 3.0, 9.0])[:, None])
    found = analyse.fit_autocorrelation(values)
    np.testing.assert_allclose(found.timescale, [1.0, 3.0, 9.0], rtol=1e-3)  # amplitudes at their bound
    with count_compilations() as compiled:
        analyse.fit_autocorrelation(values**2)
    assert len(compiled) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.autocorrelation(np.arange(5.0), 5), ["5 points", "max_lag=5"]),
        (lambda: analyse.autocorrelation(np.ones(5), 2), ["constant"]),
        (lambda: analyse.autocorrelation(np.array([1.0, np.nan, 2.0]), 1), ["finite"]),
        (lambda: analyse.fit_autocorrelation(np.ones(5)), ["six"]),
        (lambda: analyse.fit_autocorrelation(np.full(9, np.nan)), ["finite"]),
        (lambda: analyse.fit_autocorrelation(np.ones(9), dt=0.0), ["dt"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
