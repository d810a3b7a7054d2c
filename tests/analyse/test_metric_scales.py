"""Scales of metrics against closed forms, NumPy, and the numbers measured on published data of Lorenz's system."""

import json

import jax.random as jr
import numpy as np
import pytest

from linnet import analyse, systems
from tests.tolerances import assert_close

RNG = np.random.default_rng(6)


def walk(num):
    """A linear process in two dimensions, x_{t+1} = A x_t + noise, from its stationary distribution or nearly so."""
    matrix, series = np.array([[0.9, 0.2], [-0.2, 0.9]]), np.zeros((num, 2))
    for t in range(1, num):
        series[t] = matrix @ series[t - 1] + [1.0, 0.3] * RNG.standard_normal(2)
    return series + [5.0, -3.0]


PAST, TRUTH = walk(4000), walk(3000)


@pytest.fixture(scope="module")
def scales():
    return analyse.metric_scales(TRUTH, past=PAST, n=5, shift=0.3, key=jr.key(0))


def test_errors_are_the_closed_forms(scales):
    error = {scale: row["prediction_error"] for scale, row in scales.scales.items()}
    variance = TRUTH.var(axis=0).mean()
    assert_close(error["shifted"], 0.09 * variance, "closed_form")
    assert_close(error["persistence"], np.mean((TRUTH[5:] - TRUTH[:-5]) ** 2), "exact")
    inputs = np.concatenate([PAST[:-5], np.ones((3995, 1))], axis=1)
    weights = np.linalg.lstsq(inputs, PAST[5:])[0]
    forecast = np.concatenate([TRUTH[:-5], np.ones((2995, 1))], axis=1) @ weights
    assert_close(error["linear"], np.mean((TRUTH[5:] - forecast) ** 2), "closed_form")
    for name in ("gaussian", "correlated"):
        np.testing.assert_allclose(error[name], 2 * variance, rtol=0.1)
    assert error["linear"] < error["floor"] < error["gaussian"]  # nearest points have the noise twice


@pytest.mark.slow
def test_floor_of_the_error_is_that_of_nearest_points():
    small = analyse.metric_scales(TRUTH[:200], past=PAST[:300], n=3, key=jr.key(0))
    nearest = [np.argmin(np.linalg.norm(PAST[:297] - x, axis=1)) for x in TRUTH[:197]]
    expected = np.mean((PAST[np.array(nearest) + 3] - TRUTH[3:200]) ** 2)
    assert_close(small.scales["floor"]["prediction_error"], expected, "exact")


def test_distances_are_in_order(scales):
    """This process is what the linear model says, and has the correlated cloud for its distribution."""
    table = {scale: row["state_space_divergence"] for scale, row in scales.scales.items()}
    assert 0.5 < table["linear"] / table["floor"] < 2
    assert 0.5 < table["correlated"] / table["floor"] < 2
    assert max(table["linear"], table["correlated"], table["shifted"]) < 0.2 * table["persistence"]
    spectra = {scale: row["power_spectrum_distance"] for scale, row in scales.scales.items()}
    assert_close(spectra["shifted"], 0.0, "closed_form")
    assert spectra["persistence"] == 1
    assert spectra["floor"] < 0.1 and spectra["linear"] < 0.1 and spectra["gaussian"] > 0.4
    floor = analyse.state_space_divergence(TRUTH, PAST)
    assert_close(table["floor"], float(floor), "exact")


@pytest.mark.slow
def test_without_a_past_halves_are_compared():
    halves = analyse.metric_scales(TRUTH, key=jr.key(1))
    given = analyse.metric_scales(TRUTH[1500:], past=TRUTH[:1500], key=jr.key(1))
    assert halves.to_dict() == given.to_dict()


@pytest.mark.slow
def test_divergence_takes_its_own_arguments():
    options = {"method": "mixture", "variance": 0.5, "num_samples": 300}
    found = analyse.metric_scales(TRUTH, past=PAST, key=jr.key(0), divergence=options)
    truth, spread = TRUTH, TRUTH.std(axis=0)
    expected = analyse.state_space_divergence(truth, truth + 0.2 * spread, key=jr.split(jr.key(0), 4)[3], **options)
    assert_close(found.scales["shifted"]["state_space_divergence"], float(expected), "closed_form")


def test_table_and_json(scales):
    lines = scales.table({"state_space_divergence": 0.5}).split("\n")
    assert lines[0].split() == [
        "metric",
        "value",
        "floor",
        "gaussian",
        "correlated",
        "shifted",
        "persistence",
        "linear",
    ]
    assert [line.split()[0] for line in lines[1:]] == list(scales.scales["floor"])
    assert lines[1].split()[1] == "0.5" and lines[2].split()[1] == "-"
    assert "(5 steps)" in lines[3]
    assert max(map(len, lines)) <= 120
    assert str(scales).split("\n")[0].split()[1] == "floor"
    assert json.loads(json.dumps(scales.to_dict()))["persistence"]["power_spectrum_distance"] == 1
    infinite = analyse.MetricScales({"floor": dict.fromkeys(scales.scales["floor"], np.inf)}, 5, 0.1)
    assert infinite.to_dict()["floor"]["prediction_error"] is None
    assert "inf" in str(infinite)


def test_numbers_of_lorenz():
    """dynamics.md a.6: what was measured on the files of published papers, here on an orbit of linnet's."""
    orbit = np.asarray(systems.get("Lorenz").orbit(20_000, dt=0.1, transient=20.0, rtol=1e-6).states)
    orbit = (orbit - orbit.mean(axis=0)) / orbit.std(axis=0)
    found = analyse.metric_scales(orbit, key=jr.key(0)).scales
    # Points far apart in time fill the attractor: ten thousand are enough where the files had ten times as many.
    divergences = [found[scale]["state_space_divergence"] for scale in ("gaussian", "correlated", "persistence")]
    np.testing.assert_allclose(divergences, [7.5, 5.0, 14.0], rtol=0.1)


@pytest.mark.slow
def test_numbers_of_lorenz_at_full_length():
    """The same, at the length of the files: 100,000 points, 0.01 apart."""
    orbit = np.asarray(systems.get("Lorenz").orbit(200_000, dt=0.01, transient=20.0).states)
    orbit = (orbit - orbit.mean(axis=0)) / orbit.std(axis=0)
    found = analyse.metric_scales(orbit, shift=0.05, key=jr.key(0)).scales
    table = {scale: row["state_space_divergence"] for scale, row in found.items()}
    expected = {"gaussian": 3.59, "correlated": 2.38, "persistence": 16.3, "shifted": 0.22}
    for scale, number in expected.items():
        np.testing.assert_allclose(table[scale], number, rtol=0.1, err_msg=scale)
    assert table["floor"] < 0.14
    np.testing.assert_allclose(found["floor"]["power_spectrum_distance"], 0.055, atol=0.015)
    errors = {scale: row["prediction_error"] for scale, row in found.items()}
    np.testing.assert_allclose([errors["persistence"], errors["linear"]], [1.34, 0.73], rtol=0.03)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.metric_scales(TRUTH[:40], key=jr.key(0)), ["points", "(20, 2)"]),
        (lambda: analyse.metric_scales(TRUTH, past=PAST[:, :1], key=jr.key(0)), ["(4000, 1)"]),
        (lambda: analyse.metric_scales(TRUTH, key=jr.key(0)).table({"mse": 1.0}), ["prediction_error", "mse"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
