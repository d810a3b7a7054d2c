"""Exponents from data against loops in NumPy and maps and flows whose exponents are known."""

import numpy as np
import pytest

from linnet import analyse, systems
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(4)


def by_hand(points, horizon, theiler, num_neighbours):
    """S(k) with all points as references."""
    usable, rows = len(points) - horizon, []
    for i in range(usable):
        distances = np.linalg.norm(points[:usable] - points[i], axis=1)
        distances[max(0, i - theiler) : i + theiler + 1] = np.inf
        near = np.argsort(distances)[:num_neighbours]
        gaps = [np.linalg.norm(points[near + k] - points[i + k], axis=1).mean() for k in range(horizon + 1)]
        rows.append(np.log(gaps))
    return np.mean(rows, axis=0)


@pytest.mark.parametrize(("theiler", "num_neighbours"), [(0, 1), (5, 1), (3, 4)])
def test_curve_is_the_definition(theiler, num_neighbours):
    points = np.asarray(systems.get("Henon").orbit(168, transient=50).states)
    options = {"theiler": theiler, "num_neighbours": num_neighbours, "dt": 0.5, "region": (0.5, 4.0)}
    found = analyse.maximum_lyapunov_from_series(points, **options)
    assert_close(found.divergence, by_hand(points, 8, theiler, num_neighbours), "closed_form")
    slope = np.polyfit(found.times[1:9], found.divergence[1:9], 1)[0]
    assert_close(float(found), slope, "closed_form")
    assert found.region == (0.5, 4.0)


def logistic():
    values = np.empty(4000)
    values[0] = 0.3
    for t in range(1, 4000):
        values[t] = 4 * values[t - 1] * (1 - values[t - 1])
    return values[:, None]


@pytest.mark.parametrize("num_neighbours", [1, 5])
def test_logistic_map_is_log_two(num_neighbours):
    found = analyse.maximum_lyapunov_from_series(logistic(), num_neighbours=num_neighbours)
    assert abs(float(found) - np.log(2)) < 5 * found.standard_error
    assert found.standard_error < 0.01


def test_henon_from_one_coordinate():
    series = systems.get("Henon").orbit(6000, transient=100).states[:, 0]
    found = analyse.maximum_lyapunov_from_series(analyse.delay_embedding(series, 2, 1))
    assert abs(float(found) - 0.4192) < 5 * found.standard_error + 0.005
    assert found.standard_error < 0.02


@pytest.mark.slow
def test_lorenz_within_a_tenth():
    """As good as the method is said to be: Rosenstein and others have 0.88 to 0.93 from their best choices."""
    states = systems.get("Lorenz").orbit(12_000, dt=0.02, transient=20.0, rtol=1e-6).states
    found = analyse.maximum_lyapunov_from_series(states, dt=0.02, theiler=40)
    assert abs(float(found) - 0.906) < 0.1 + 3 * found.standard_error
    assert 0.2 < found.region[0] < found.region[1] < 6


def test_motion_on_a_torus_is_not_chaotic():
    times = 0.1 * np.arange(4000)
    points = np.stack([np.cos(times), np.sin(times), np.cos(np.sqrt(2) * times), np.sin(np.sqrt(2) * times)], axis=1)
    found = analyse.maximum_lyapunov_from_series(points, dt=0.1, theiler=100)
    assert abs(float(found)) < 1e-3


def test_nothing_compiles_twice():
    points = np.asarray(systems.get("Henon").orbit(1000, transient=50).states)
    analyse.maximum_lyapunov_from_series(points)
    with count_compilations() as compiled:
        analyse.maximum_lyapunov_from_series(points + 1.0, theiler=4)
    assert len(compiled) == 0


@pytest.mark.parametrize(
    ("points", "options", "words"),
    [
        (RNG.random((50, 2)), {}, ["128", "(50, 2)"]),
        (RNG.random((500, 2)), {"dt": -1.0}, ["dt", "-1"]),
        (np.ones((500, 2)), {}, ["same"]),
        (RNG.random((500, 2)), {"region": (2.0, 2.5)}, ["three", "(2.0, 2.5)"]),
        (RNG.random((500, 2)), {"region": (2.0, 600.0)}, ["too few", "600"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(points, options, words):
    with pytest.raises(ValueError) as caught:
        analyse.maximum_lyapunov_from_series(points, **options)
    for word in words:
        assert word in str(caught.value)
