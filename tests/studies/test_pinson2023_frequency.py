"""The numerics under the study of dominant frequencies, against direct sums and closed forms."""

import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies
from linnet.studies._pinson2023_frequency import (
    WAVES,
    dominant_shares,
    maps_of,
    passing,
    patterns,
    places,
    plateau,
    power_shares,
)


@pytest.mark.parametrize(("space", "waves"), [((24,), WAVES[0]), ((8, 7), WAVES[1])])
def test_patterns_have_the_power_they_are_given(space, waves):
    """By projections on cosine and sine: the wave has its share, every other frequency the same."""
    shares = (0.3, 0.6, 0.05)
    dominant, rest = patterns(np.random.default_rng(0), space, waves, shares)
    grid = np.indices(space).reshape(len(space), -1)
    np.testing.assert_allclose(np.linalg.norm(dominant + rest, axis=1), 1)
    np.testing.assert_allclose(np.sum(dominant * rest, axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.sum(dominant + rest, axis=1), 0, atol=1e-12)
    for index, (wave, share) in enumerate(zip(waves, shares)):
        turns = 2 * np.pi * sum(w * g / s for w, g, s in zip(wave, grid, space))
        basis = np.stack([np.cos(turns), np.sin(turns)])
        basis /= np.linalg.norm(basis, axis=1, keepdims=True)
        np.testing.assert_allclose(np.sum((basis @ (dominant + rest)[index]) ** 2), share)
        np.testing.assert_allclose(np.sum((basis @ dominant[index]) ** 2), share)
    spectrum = np.abs(np.fft.fftn(rest.reshape(-1, *space), axes=range(1, len(space) + 1))).reshape(3, -1)
    for index, wave in enumerate(waves):
        other = np.delete(spectrum[index], [0, *places(space, wave)])
        np.testing.assert_allclose(other, other[0])
    np.testing.assert_allclose(power_shares(dominant + rest, space, waves), shares)
    together = dominant_shares(dominant + rest, space, waves)
    assert np.all(together > shares) and np.all(together < np.array(shares) + 0.5)
    np.testing.assert_allclose(dominant_shares(dominant[::-1], space, waves), 1)
    np.testing.assert_allclose(
        power_shares(np.stack([dominant, rest]), space, waves), [[1, 1, 1], [0, 0, 0]], atol=1e-12
    )


def test_maps_are_those_of_the_networks():
    rng = np.random.default_rng(1)
    filters, readout = rng.normal(size=(2, 3, 4, 3)), rng.normal(size=(2, 5, 3, 4, 3))
    found = maps_of(filters, readout, 2)
    for k, w, linear_map in zip(filters, readout, found):
        image = rng.normal(size=(4, 3))
        hidden = [np.sum(k * np.roll(image, (-i, -j), (0, 1)), axis=(1, 2)) for i in range(4) for j in range(3)]
        np.testing.assert_allclose(linear_map @ image.ravel(), np.einsum("ocj,jc->o", w.reshape(5, 3, 12), hidden))


def test_times_at_which_curves_pass():
    ts = np.linspace(0, 4, 401)
    assert abs(passing(ts, 1 - np.exp(-ts), 0.5) - np.log(2)) < 1e-4
    assert passing(ts, np.ones_like(ts), 0.5) == 0 and np.isnan(passing(ts, 0 * ts, 0.5))
    assert abs(plateau(ts, 3 * np.exp(-2 * ts)) - np.log(0.95) / np.log(0.05)) < 1e-3
    sigmoid = 1 / (1 + np.exp(6 * (ts - 2)))
    assert abs(plateau(ts, sigmoid) - (2 - np.log(19) / 6) / (2 + np.log(19) / 6)) < 1e-3


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("pinson2023-frequency", "quick", seeds=2, shares=(0.1, 0.3, 0.7), channels=12)
    found = studies.STUDIES["pinson2023-frequency"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 7
