"""Correlation dimensions against counts of all pairs, and sets and attractors whose dimension is known."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from linnet import analyse, systems
from linnet.analyse._scaling_region import fit_line, straightest
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(4)


@pytest.mark.parametrize("theiler", [0, 7])
def test_integrals_are_counts_of_all_pairs(theiler):
    points = RNG.standard_normal((240, 2))
    found = analyse.correlation_dimension(points, theiler=theiler)
    distances = cdist(points, points)
    apart = np.abs(np.subtract.outer(np.arange(240), np.arange(240))) > theiler
    expected = [np.mean(distances[apart] < radius) for radius in np.asarray(found.radii)]
    assert_close(found.integrals, expected, "exact")


def circle():
    angles = 2 * np.pi * RNG.random(6000)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def torus():
    times = np.arange(8000)
    return np.stack([np.cos(times), np.sin(times), np.cos(np.sqrt(2) * times), np.sin(np.sqrt(2) * times)], axis=1)


@pytest.mark.parametrize(
    ("points", "theiler", "dimension", "bias"),
    [
        (circle, 0, 1.0, 0.01),
        (torus, 0, 2.0, 0.06),
        (lambda: RNG.random((6000, 2)), 0, 2.0, 0.06),  # too small by what the edges cut off
        # Grassberger and Procaccia: 1.21 +- 0.01; Lorenz 2.05 +- 0.01
        (lambda: systems.get("Henon").orbit(8000, transient=100).states, 0, 1.21, 0.02),
        (lambda: systems.get("Lorenz").orbit(12_000, dt=0.05, transient=20.0, rtol=1e-6).states, 20, 2.05, 0.03),
    ],
)
def test_known_dimensions(points, theiler, dimension, bias):
    found = analyse.correlation_dimension(points(), theiler=theiler, num_references=1000)
    assert abs(float(found) - dimension) < bias + 3 * found.standard_error, found.dimension
    assert found.standard_error < 0.08
    assert found.region[1] > 2 * found.region[0]


def test_pairs_close_in_time_are_no_pairs():
    """Ten slow steps around each of many places: a point by its neighbours in time, and a volume without these."""
    cloud = np.repeat(RNG.standard_normal((600, 3)), 10, axis=0) + 1e-3 * RNG.standard_normal((6000, 3))
    near = analyse.correlation_dimension(cloud, theiler=0, region=(0.02, 0.2), num_references=800)
    far = analyse.correlation_dimension(cloud, theiler=10, region=(0.2, 0.6), num_references=800)
    assert float(near) < 1.0 and float(far) > 2.5


@pytest.mark.slow
def test_error_is_what_repetitions_show():
    """Between eight independent sets the dimension varies by about its standard error, or the error says more."""
    found = [analyse.correlation_dimension(RNG.random((2000, 2)), region=(0.03, 0.12)) for _ in range(8)]
    spread = np.std([float(one) for one in found], ddof=1)
    assert spread < 3 * np.mean([one.standard_error for one in found])
    assert np.mean([one.standard_error for one in found]) < 8 * spread


def test_straight_piece_is_found():
    x = np.arange(40.0)
    y = np.where(x < 10, 3 * x, np.where(x < 30, 30 + 1.5 * (x - 10), 60 + 0.2 * (x - 30)))
    y += 0.02 * RNG.standard_normal(40)
    start, stop = straightest(x, y, 6)
    assert 8 <= start <= 12 and 28 <= stop <= 33
    line = fit_line(x, y, np.stack([y + 0.01 * x, y - 0.01 * x]), start, stop)
    assert abs(line.slope - 1.5) < 0.05
    assert line.standard_error > 0.0099  # half of the difference of both parts' slopes


def test_nothing_compiles_twice():
    analyse.correlation_dimension(RNG.random((1000, 2)))
    with count_compilations() as compiled:
        analyse.correlation_dimension(RNG.random((1000, 2)), theiler=5)
    assert len(compiled) == 0


@pytest.mark.parametrize(
    ("points", "options", "words"),
    [
        (RNG.random((50, 2)), {}, ["(50, 2)"]),
        (RNG.random((500, 2)), {"theiler": 200}, ["theiler=200"]),
        (np.ones((500, 2)), {}, ["same"]),
        (np.full((500, 2), np.nan), {}, ["finite"]),
        (RNG.random((500, 2)), {"region": (0.1, 0.1)}, ["four", "(0.1, 0.1)"]),
        (RNG.random((100, 20)), {}, ["too few"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(points, options, words):
    with pytest.raises(ValueError) as caught:
        analyse.correlation_dimension(points, **options)
    for word in words:
        assert word in str(caught.value)
