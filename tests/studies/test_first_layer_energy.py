"""The numerics under the study of first layers, against loops, closed forms and SciPy."""

import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

from linnet import config, studies
from linnet.studies._first_layer_energy import (
    best_fit,
    components_of,
    crops,
    mean_energy,
    paper_profile,
    root_energy,
    spread_of_passed,
    standardised,
)


def test_crops_are_standardised_and_read_without_a_network():
    images, labels = crops(np.random.default_rng(0), 40, 7)
    assert images.shape == (40, 49) and sorted(np.bincount(labels)) == [20, 20]
    np.testing.assert_allclose(images.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(images.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(np.mean(images**2), 1)


def test_components_are_those_of_patches_cut_one_by_one():
    rng = np.random.default_rng(1)
    images = standardised(rng.normal(size=(5, 25)) @ rng.normal(size=(25, 25)))
    patches = [
        image.reshape(5, 5)[i : i + 3, j : j + 3].ravel() for image in images for i in range(3) for j in range(3)
    ]
    moments = np.mean([np.outer(patch, patch) for patch in patches], axis=0)
    variances, components = components_of(images, 5, 3)
    np.testing.assert_allclose((components * variances) @ components.T, moments, atol=1e-10)
    assert np.all(np.diff(variances) <= 0)
    filters = rng.normal(size=(2, 4, 9))
    expected = [[np.sqrt(sum((f @ p) ** 2 for f in bank)) for p in components.T] for bank in filters]
    np.testing.assert_allclose(root_energy(filters, components), expected)


def test_the_mean_over_labels_is_that_of_trained_filters():
    """SciPy trains the filters for each of three labels."""
    rng = np.random.default_rng(2)
    images, readout, labels = rng.normal(size=(6, 4)), rng.normal(size=(3, 3)), rng.normal(size=(6, 3))
    pixels = np.array([[0, 1], [1, 2], [2, 3]])
    components = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    energies = []
    for label in labels.T:

        def field(t, flat, label=label):
            filters, grown = flat.reshape(3, 2), np.zeros((3, 2))
            for image, wanted in zip(images, label):
                error = wanted - np.sum(readout * (filters @ image[pixels].T))
                grown += error * readout @ image[pixels] / len(images)
            return grown.ravel()

        end = scipy.integrate.solve_ivp(field, (0, 0.8), np.zeros(6), rtol=1e-10, atol=1e-12).y[:, -1]
        energies.append(np.sum((end.reshape(3, 2) @ components) ** 2, axis=0))
    found = mean_energy(images, readout, pixels, components, 0.8, labels)
    np.testing.assert_allclose(found, np.mean(energies, axis=0), rtol=1e-6)


def test_the_fit_finds_the_time_and_whitening_has_no_spread():
    variances = np.geomspace(5, 0.05, 12)
    profile = 3 * paper_profile(variances, 0.7)
    correlation, clock = best_fit(profile, variances)
    assert correlation > 0.999 and 0.5 < clock < 1
    assert best_fit(paper_profile(variances, np.inf), variances)[0] > 1 - 1e-12
    assert best_fit(variances, variances)[0] < 0.999
    energies = np.stack([paper_profile(variances, np.inf) ** 2, np.ones(12)])
    np.testing.assert_allclose(spread_of_passed(energies, variances), [0, np.std(np.log(variances))], atol=1e-12)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("first-layer-energy", "quick", images=200)
    found = studies.STUDIES["first-layer-energy"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) == 3
