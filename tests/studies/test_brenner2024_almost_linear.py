"""The numerics of the study of almost-linear networks, and one small run of it."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, reconstruct, studies
from linnet.studies import _brenner2024_almost_linear as study, _revolutions as revolutions


def test_revolutions_are_read_at_peaks():
    t = np.arange(2000) * 0.05
    side = np.where(np.floor((t + np.pi) / (2 * np.pi)) % 3 == 0, 1.0, -1.0)
    wave = np.stack([side, np.zeros_like(t), np.cos(t) + 1e-3 * np.cos(40 * t)], axis=1)
    section = revolutions.lorenz_section(wave)
    peaks = section.peaks(wave)
    np.testing.assert_allclose(t[peaks], 2 * np.pi * np.arange(1, len(peaks) + 1), atol=0.2)
    np.testing.assert_array_equal(section.code(wave), (np.arange(1, len(peaks) + 1) % 3 == 0).astype(int))


def test_the_critical_point_is_that_of_the_map():
    # Peaks whose heights follow the logistic map, with a critical point at 1/2.
    heights = [0.3]
    for _ in range(2000):
        heights.append(3.9 * heights[-1] * (1 - heights[-1]))
    values = np.zeros((2 * len(heights), 3))
    values[1::2, 0] = heights
    section = revolutions.rossler_section(values)._replace(scale=1e-3)
    assert abs(section.border - 0.5) < 0.02


def test_entropies_of_known_codes():
    rng = np.random.default_rng(0)
    free = rng.integers(0, 2, 20_000)
    topological, metric = revolutions.entropies(free)
    assert abs(topological - np.log(2)) < 1e-9 and abs(metric - np.log(2)) < 3e-3
    # The golden mean: no two ones in a row.
    golden = [0]
    for _ in range(20_000):
        golden.append(int(golden[-1] == 0 and rng.random() < 0.5))
    assert abs(revolutions.entropies(np.array(golden))[0] - np.log((1 + np.sqrt(5)) / 2)) < 1e-9
    assert revolutions.entropies(free[:50]) == (0.0, 0.0)


def test_agreement_counts_the_best_dictionary():
    code = np.array([0, 0, 1, 1, 1, 0])
    assert revolutions.agreement(np.array([5, 5, 3, 3, 5, 5]), code) == pytest.approx(5 / 6)
    assert revolutions.agreement(np.zeros(6, int), code) == pytest.approx(0.5)


def test_fixed_points_are_observed():
    network = nn.AlmostLinearRNN(4, 1, key=jr.key(0))
    seen = nn.IdentityObservation(3, 4, key=jr.key(1))
    mean, scale = jnp.array([1.0, 2.0, 3.0]), jnp.array([2.0, 3.0, 4.0])
    points = study.fixed_points(reconstruct.Reconstruction(network, seen, mean, scale, jnp.zeros((1, 3))))
    for point in points:
        # Only three of four units are seen: the last is solved for.
        first = (point - np.asarray(mean)) / np.asarray(scale)
        free = [jnp.append(jnp.asarray(first), last) for last in np.linspace(-5, 5, 200_001)[::40]]
        gaps = jax.vmap(lambda z: jnp.abs(network.advance(z) - z).max())(jnp.stack(free))
        assert gaps.min() < 1e-2
    assert study.wing_distance(points[:0], points, np.ones((2, 3))) == np.inf


@pytest.mark.slow
def test_a_small_study_holds():
    found = studies.STUDIES["brenner2024-almost-linear"](
        config.load("brenner2024-almost-linear", "quick"), key=jr.key(1)
    )
    assert found.hold, [claim for claim in found.claims if not claim.holds]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"systems": ("Lorenz96",)}, "--systems needs some of Lorenz, Rossler, each once"),
        ({"relus": (0, 1)}, "--relus needs rising numbers up to the 20 units with 0, 2 among them"),
        ({"noise": 0.0}, "--noise must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("brenner2024-almost-linear", "quick", **settings)
