"""The distance of spectra against the same formula with SciPy's smoothing, and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from linnet import analyse
from linnet.analyse._power_spectrum import smooth
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(7)
FIRST = np.cumsum(RNG.standard_normal((800, 2)), axis=0)
SECOND = np.sin(0.3 * np.arange(1000))[:, None] + RNG.standard_normal((1000, 2))


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.4, 1.0, 2.3, 20.0, 300.0])
@pytest.mark.parametrize("num", [5, 200])
def test_smoothing_is_scipys(sigma, num):
    values = RNG.standard_normal((num, 3))
    expected = gaussian_filter1d(values, sigma, axis=0, mode="reflect") if sigma > 0 else values
    assert_close(smooth(jnp.asarray(values), sigma), expected, "exact")


def by_numpy(first, second, sigma):
    spectra = []
    for series in (first, second):
        scores = (series - series.mean(axis=0)) / series.std(axis=0)
        power = np.abs(np.fft.rfft(scores, axis=0)) ** 2
        power = gaussian_filter1d(power, sigma, axis=0) if sigma > 0 else power
        spectra.append(power / power.sum(axis=0))
    return np.mean(np.sqrt(1 - np.sum(np.sqrt(spectra[0] * spectra[1]), axis=0)))


@pytest.mark.parametrize("sigma", [0.0, 1.0, 20.0])
def test_it_is_the_definition(sigma):
    assert_close(
        analyse.power_spectrum_distance(FIRST, SECOND, sigma=sigma), by_numpy(FIRST, SECOND[:800], sigma), "closed_form"
    )


def test_scale_and_mean_do_not_count():
    other = 1e30 * FIRST + np.array([1e28, 0.0])
    assert_close(analyse.power_spectrum_distance(FIRST, other), 0.0, "closed_form")


def test_waves_of_other_frequencies_share_no_power():
    times = np.arange(512)
    waves = [np.cos(2 * np.pi * k * times / 512)[:, None] for k in (10, 40)]
    assert_close(analyse.power_spectrum_distance(*waves, sigma=0.0), 1.0, "closed_form")
    assert_close(analyse.power_spectrum_distance(waves[0], waves[0], sigma=0.0), 0.0, "exact")


def test_two_waves_against_one_is_the_closed_form():
    """Half of the power is shared: H^2 = 1 - sqrt(1/2)."""
    times = np.arange(512)
    one, other = (np.cos(2 * np.pi * k * times / 512)[:, None] for k in (10, 40))
    found = analyse.power_spectrum_distance(one, one + other, sigma=0.0)
    assert_close(found, np.sqrt(1 - np.sqrt(0.5)), "closed_form")


def test_what_stands_still_or_diverged_is_as_far_as_can_be():
    still = np.array(SECOND[:800])
    still[:, 1] = 0.1
    whole = analyse.power_spectrum_distance(FIRST, SECOND)
    assert 0.5 < float(analyse.power_spectrum_distance(FIRST, still)) < 1
    assert float(whole) < 1
    assert float(analyse.power_spectrum_distance(FIRST, np.full_like(FIRST, 0.1))) == 1
    assert float(analyse.power_spectrum_distance(FIRST, np.where(FIRST > 0, np.nan, FIRST))) == 1


def test_float32_agrees_and_nothing_compiles_twice():
    single = analyse.power_spectrum_distance(FIRST.astype(np.float32), SECOND.astype(np.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, analyse.power_spectrum_distance(FIRST, SECOND), rtol=1e-3)
    with count_compilations() as compiled:
        analyse.power_spectrum_distance(2 * FIRST, SECOND)
    assert len(compiled) == 0


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((FIRST, SECOND[:, :1]), {}, ["(800, 2)", "(1000, 1)"]),
        ((FIRST[:3], SECOND), {}, ["four"]),
        ((FIRST, SECOND), {"sigma": -1.0}, ["sigma", "-1"]),
        ((np.ones((9, 2)), SECOND), {}, ["move"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(arguments, options, words):
    with pytest.raises(ValueError) as caught:
        analyse.power_spectrum_distance(*arguments, **options)
    for word in words:
        assert word in str(caught.value)
