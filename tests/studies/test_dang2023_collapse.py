"""The numerics under the study of neural collapse, against linnet's own measures and counts by hand."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import xarray as xr

from linnet import analyse, config, studies, theory
from linnet.studies._dang2023_collapse import (
    PART,
    TOTAL,
    flips,
    frame_gap,
    numpy_means,
    numpy_variability,
    product_of,
    weight_decay,
)

RNG = np.random.default_rng(0)
Y = np.repeat(np.eye(3), (3, 2, 4), axis=0)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_decay_gives_up_classes_of_that_size(depth):
    size = theory.smallest_class(TOTAL, depth, weight_decay=weight_decay(depth), feature_decay=1 / TOTAL)
    np.testing.assert_allclose(size, PART * TOTAL, rtol=1e-12)


def test_means_and_frames_are_those_of_linnet():
    features, target = RNG.normal(size=(9, 5)), RNG.normal(size=(3, 3))
    means = numpy_means(features, Y)
    np.testing.assert_allclose(means, analyse.class_means(jnp.asarray(features), jnp.asarray(Y)), rtol=1e-12)
    gap = analyse.frame_distance(jnp.asarray(means @ means.T), jnp.asarray(target))
    assert frame_gap(means @ means.T, target) == pytest.approx(float(gap))


def test_variability_by_hand():
    features = np.array([[0.0], [2.0], [5.0], [7.0]])
    y = np.repeat(np.eye(2), 2, axis=0)
    # Means 1 and 6; every feature is 1 away from its own, both means 2.5 from theirs.
    assert numpy_variability(features, y) == pytest.approx(1 / 2.5**2)
    assert numpy_variability(features, y, np.median) == pytest.approx(1 / 2.5**2)


def test_products_act_first_to_last():
    first, second, third = (RNG.normal(size=shape) for shape in ((4, 3), (5, 4), (2, 5)))
    np.testing.assert_allclose(product_of([first, second, third]), third @ second @ first)


def test_flips_are_between_two_sizes():
    """The class is lost below 0.7 by training that begins with it; without it losses are less up to 1.1."""
    size = np.array([0.5, 0.9, 1.3, 1.7])
    norm = np.array([[[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]])
    loss = np.array([[[0.1, 0.1], [0.3, 0.2], [0.3, 0.4], [0.3, 0.5]]])
    dims = ("depth", "size", "begins")
    found, kept = flips(xr.Dataset({"norm": (dims, norm), "loss": (dims, loss)}, {"size": size}))
    np.testing.assert_allclose([found[0], kept[0]], [1.1, 0.7])


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("dang2023-collapse", "quick", seeds=1)
    found = studies.STUDIES["dang2023-collapse"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depths": (2, 3)}, "--depths needs rising numbers, 1"),
        ({"depths": (1,)}, "--depths needs rising numbers, 1"),
        ({"sizes": 5}, "--sizes must be even"),
        ({"features": 8}, "--features must be at least 10"),
        ({"head_decay": 0.0}, "--head-decay must be a positive number"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("dang2023-collapse", "quick", **settings)
