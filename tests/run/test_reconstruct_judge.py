"""Which seeds of `linnet reconstruct` have failed, and by which measure that is decided."""

import numpy as np
import pytest

from linnet.config import ReconstructConfig
from linnet.reconstruct import VERDICTS
from linnet.run._reconstruct_judge import judge, order, spectrum_width


def ring(num, period, seed=0):
    t = 2 * np.pi * np.arange(num) / period
    return np.stack([np.cos(t), np.sin(t)], axis=1) + 0.05 * np.random.default_rng(seed).normal(size=(num, 2))


def test_divergence_decides_where_halves_are_alike():
    train = ring(2000, 20)
    runs = np.stack([ring(2000, 20, 1), 0.2 * ring(2000, 20, 2), ring(2000, 20, 3)])
    found = judge(train, runs, np.array([0, 0, 2]), ReconstructConfig())
    assert found.attrs["decides"] == "divergence" and found.attrs["floor"] < found.attrs["threshold"]
    assert found["verdict"].values.tolist() == [0, 5, 2] and order(found)[0] == 0
    assert found["divergence"].values[2] == np.inf
    np.testing.assert_array_equal(found["divergence"], found["distance"])


def test_spectra_decide_where_divergences_tell_nothing():
    # The second half is elsewhere, as far as any cloud: yet it goes round as fast.
    train = np.concatenate([ring(300, 20), ring(300, 20, 1) + 6])
    noise = np.random.default_rng(2).normal(size=(600, 2)) * train.std(axis=0) + train.mean(axis=0)
    found = judge(train, np.stack([noise, train[::-1]]), np.array([0, 0]), ReconstructConfig())
    assert found.attrs["decides"] == "spectrum" and 0 < found.attrs["floor"] < found.attrs["gaussian"]
    assert found["verdict"].values.tolist() == [6, 0] and "spectrum" in VERDICTS[6]
    assert order(found) == [1, 0] and found["distance"].values[1] == pytest.approx(0, abs=1e-3)


def test_spectra_of_short_series_are_smoothed_less():
    assert [spectrum_width(num) for num in (100, 1000, 100_000)] == [1, 8, 20]
