"""Mutual information, lags and embeddings against NumPy, scikit-learn and systems whose dimension is known."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from linnet import analyse, systems
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def lorenz():
    return np.asarray(systems.get("Lorenz").orbit(12_000, dt=0.02, rtol=1e-7).states[:, 0])


@pytest.mark.parametrize("bins", [2, 7, 64])
def test_mutual_information_is_scikit_learns(bins):
    series = np.cumsum(RNG.standard_normal(600))
    edges = np.linspace(series.min(), series.max(), bins + 1)
    places = np.digitize(series, edges[1:-1])
    found = analyse.mutual_information(series, 20, bins=bins)
    expected = [mutual_info_score(places[: 600 - k], places[k:]) for k in range(21)]
    assert_close(found, expected, "closed_form")


def test_mutual_information_of_a_gaussian_process_is_that_of_its_correlation():
    """-log(1 - rho^2) / 2, plus (K - 1)^2 / 2T of bias, minus what the bins hide."""
    num, rho = 200_000, 0.8
    series = np.empty(num)
    noise, series[0] = RNG.standard_normal(num), 0.0
    for t in range(1, num):
        series[t] = rho * series[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    found = np.asarray(analyse.mutual_information(series, 4))
    expected = -0.5 * np.log(1 - rho ** (2 * np.arange(1, 5))) + 63**2 / 2 / num
    np.testing.assert_allclose(found[1:], expected, atol=0.015)


def test_lag_of_a_wave_is_a_quarter_of_its_period():
    series = np.sin(2 * np.pi * np.arange(20_000) / 80.37) + 0.2 * RNG.standard_normal(20_000)
    assert abs(analyse.embedding_lag(series, bins=16) - 20) <= 3
    # The noise has 0.04 of 0.54: 0.5 cos(2 pi k / 80.37) / 0.54 < 1/e from k = 14.9 on
    assert analyse.embedding_lag(series, method="autocorrelation") == 15


def test_lag_of_lorenz_is_the_known_one(lorenz):
    """The first minimum is at about 0.16 to 0.18 units of time."""
    assert analyse.embedding_lag(lorenz, bins=32) in (8, 9)


def test_a_series_without_minimum_has_the_lag_of_its_correlations():
    series = np.exp(0.001 * np.arange(2000))
    assert analyse.embedding_lag(series, max_lag=30, bins=8) == 30


def test_embedding_has_the_newest_value_first():
    series = np.arange(10)
    expected = np.stack([np.arange(4, 10), np.arange(2, 8), np.arange(6)], axis=1)
    np.testing.assert_array_equal(analyse.delay_embedding(series.astype(float), 3, 2), expected)
    two = np.stack([series, -series], axis=1).astype(float)
    found = analyse.delay_embedding(two, 2, 3)
    np.testing.assert_array_equal(found[0], [3, -3, 0, 0])
    assert found.shape == (7, 4)


def by_hand(series, lag, theiler, max_dimension):
    """Cao's E and E* by loops."""
    delays = max_dimension + 2
    num = len(series) - (delays - 1) * lag
    states = np.stack([series[k * lag : k * lag + num] for k in range(delays)], axis=1)
    ratios, gaps = [], []
    for m in range(1, delays):
        ratio, gap = [], []
        for i in range(num):
            distances = np.abs(states[:, :m] - states[i, :m]).max(axis=1)
            distances[max(0, i - theiler) : i + theiler + 1] = np.inf
            distances[distances == 0] = np.inf
            n = np.argmin(distances)
            ratio.append(np.abs(states[n, : m + 1] - states[i, : m + 1]).max() / distances[n])
            gap.append(abs(states[n, m] - states[i, m]))
        ratios.append(np.mean(ratio))
        gaps.append(np.mean(gap))
    return np.array(ratios[1:]) / ratios[:-1], np.array(gaps[1:]) / gaps[:-1]


def test_measures_are_caos_by_loops():
    series = np.asarray(systems.get("Henon").orbit(160, transient=100).states[:, 0])
    found = analyse.embedding_dimension(series, 2, max_dimension=4, theiler=3)
    first, second = by_hand(series, 2, 3, 4)
    assert_close(found.saturation, first, "closed_form")
    assert_close(found.determinism, second, "closed_form")


@pytest.mark.slow
def test_dimension_of_known_attractors(lorenz):
    henon = np.asarray(systems.get("Henon").orbit(4000, transient=100).states[:, 0])
    assert int(analyse.embedding_dimension(henon, 1, num_references=500)) == 2
    found = analyse.embedding_dimension(lorenz, 8, theiler=40, max_dimension=6, num_references=2000)
    assert int(found) == 3
    assert found.saturated


def test_noise_is_told_from_what_is_deterministic(lorenz):
    options = {"max_dimension": 4, "num_references": 600}
    noise = analyse.embedding_dimension(RNG.standard_normal(4000), 1, **options)
    assert np.all(np.abs(np.asarray(noise.determinism) - 1) < 0.1)
    assert np.abs(np.asarray(analyse.embedding_dimension(lorenz, 8, **options).determinism) - 1).max() > 0.2


def test_nothing_compiles_twice(lorenz):
    analyse.embedding_dimension(lorenz[:3000], 8, max_dimension=4)
    with count_compilations() as compiled:
        analyse.embedding_dimension(lorenz[3000:6000], 8, max_dimension=4, theiler=20)
    assert len(compiled) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.mutual_information(np.arange(10.0), 20), ["(10,)", "20"]),
        (lambda: analyse.mutual_information(np.ones(10), 2), ["constant"]),
        (lambda: analyse.mutual_information(np.arange(10.0), 2, bins=1), ["two bins"]),
        (lambda: analyse.embedding_lag(np.arange(300.0), method="best"), ["autocorrelation", "best"]),
        (lambda: analyse.delay_embedding(np.arange(10.0), 5, 3), ["12 points", "10"]),
        (lambda: analyse.delay_embedding(np.arange(10.0), 0, 3), ["0"]),
        (lambda: analyse.embedding_dimension(np.arange(50.0), 8), ["50", "`max_dimension`"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
