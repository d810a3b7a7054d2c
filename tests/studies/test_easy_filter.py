"""The numerics under the study of easy filters, against counts by hand, SciPy and linnet's rates."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, nn, studies, tasks, theory
from linnet.studies._easy_filter import (
    AXES,
    Paced,
    angles,
    best_pairs,
    clusters,
    first_below,
    last_rate,
    predicted_rate,
    units,
)


def test_angles_keep_their_digits():
    teacher, across = np.array([[2.0, 0.0]]), np.array([[0.0, 1.0]])
    for angle in (1e-9, 0.4, np.pi / 2, np.pi - 1e-9):
        found = angles(3 * (np.cos(angle) * teacher / 2 + np.sin(angle) * across), teacher)
        np.testing.assert_allclose(found, [angle], rtol=1e-12)


def test_the_last_rate_is_that_of_an_exponential():
    ts = np.linspace(0, 40, 81)
    curve = 3 * np.exp(-0.3 * ts) + 5 * np.exp(-3 * ts)
    assert last_rate(ts, curve, (1e-5, 1e-2)) == pytest.approx(0.3, rel=1e-6)
    assert np.isnan(last_rate(ts, curve, (1e-9, 1e-8)))


@pytest.mark.parametrize("closeness", [0.0, 0.3, 1.0])
def test_predicted_rates_are_curvatures(closeness):
    correlations = jnp.array([[1.0, closeness], [closeness, 1.0]])
    task = tasks.FilterTeacher.correlated(jnp.array([0.3, -1.0, 0.5]), correlations)
    np.testing.assert_allclose(theory.filter_rates(task)[0], predicted_rate(closeness), rtol=1e-6)


def test_places_below():
    curves = np.array([[3.0, 1.0, 0.5], [3.0, 2.0, 2.0]])
    np.testing.assert_array_equal(first_below(curves, 1.5), [1, np.inf])


def test_the_best_pair_of_rates():
    steps = np.array([[9.0, 4.0], [8.0, 7.0]])
    one, two, place = best_pairs(steps[None])
    assert (one[0], two[0], tuple(place[0])) == (7, 4, (0, 1))


def test_clusters_have_one_second_moment():
    for width in (0.0, 0.3, 1.0):
        inputs = clusters(np.random.default_rng(0), 40_000, width)
        np.testing.assert_allclose(inputs.T @ inputs / len(inputs), np.eye(AXES), atol=0.05)
    assert np.all(np.sum(clusters(np.random.default_rng(1), 50, 0.0) != 0, axis=1) == 1)
    np.testing.assert_allclose(np.linalg.norm(units(np.random.default_rng(2), 5, 3), axis=1), 1)


def test_paces_change_at_the_switch():
    patches = np.random.default_rng(0).normal(size=(20, 1, 3))
    task = tasks.FilterPatches(jnp.ones(3), jnp.asarray(patches))
    paced, network = Paced(task, jnp.asarray(0.2), jnp.asarray(0.5), 4), nn.PatchFilter(jnp.array([1.0, -1.0, 0.3]))
    losses = [float(paced.loss_at(network, jnp.asarray(t)) / paced.loss(network)) for t in (0.0, 3.0, 4.0, 9.0)]
    np.testing.assert_allclose(losses, [0.2, 0.2, 0.5, 0.5])


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("easy-filter", "quick", seed=1)
    found = studies.STUDIES["easy-filter"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"closeness": (0.0, 0.3, 0.5, 1.0)}, "--closeness needs -1 and three rising"),
        ({"closeness": (-1.0, -0.5, 0.0, 1.0)}, "--closeness needs numbers from 0 to 1 after -1"),
        ({"widths": (0.3, 0.1)}, "--widths needs rising numbers"),
        ({"rates": 2}, "--rates must be at least 4"),
        ({"shift": 0.0}, "--shift must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("easy-filter", "quick", **settings)
