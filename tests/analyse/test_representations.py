"""Measures of representations against their definitions in NumPy and SciPy, and against what they must not change."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance
import scipy.stats

from linnet import analyse

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(15, 4)), RNG.normal(size=(15, 6))
SIMILARITIES = [analyse.centred_kernel_alignment, analyse.representational_similarity]


def test_alignment_is_that_of_centred_gram_matrices():
    centre = np.eye(15) - 1 / 15
    a, b = centre @ X @ X.T @ centre, centre @ Y @ Y.T @ centre
    expected = np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b)
    np.testing.assert_allclose(analyse.centred_kernel_alignment(jnp.asarray(X), jnp.asarray(Y)), expected, rtol=1e-12)


def test_similarity_is_the_correlation_of_all_distances():
    first, second = scipy.spatial.distance.pdist(X), scipy.spatial.distance.pdist(Y)
    np.testing.assert_allclose(analyse.dissimilarity(jnp.asarray(X)), first, rtol=1e-12)
    expected = scipy.stats.pearsonr(first, second).statistic
    found = analyse.representational_similarity(jnp.asarray(X), jnp.asarray(Y))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("measure", SIMILARITIES)
def test_rotation_scale_and_shift_change_nothing(measure):
    rotation = scipy.stats.ortho_group.rvs(4, random_state=1)
    np.testing.assert_allclose(measure(jnp.asarray(X), jnp.asarray(3 * X @ rotation - 2)), 1, rtol=1e-12)


@pytest.mark.parametrize("measure", SIMILARITIES)
def test_a_constant_representation_is_like_nothing(measure):
    assert measure(jnp.asarray(X), jnp.ones((15, 3))) == 0


@pytest.mark.parametrize("measure", SIMILARITIES)
def test_other_examples_are_refused(measure):
    with pytest.raises(ValueError, match="first has 15 rows and the second 7"):
        measure(jnp.asarray(X), jnp.ones((7, 3)))


def test_effective_rank_counts_equal_directions():
    basis = scipy.linalg.qr(RNG.normal(size=(8, 8)))[0]
    for rank in (1, 3, 8):
        matrix = 0.3 * basis[:, :rank] @ basis[:rank]
        np.testing.assert_allclose(analyse.effective_rank(jnp.asarray(matrix)), rank, rtol=1e-10)
    assert analyse.effective_rank(jnp.zeros((3, 2))) == 0


def test_effective_rank_is_the_exponential_of_an_entropy():
    values = scipy.linalg.svdvals(X)
    expected = np.exp(scipy.stats.entropy(values))
    np.testing.assert_allclose(analyse.effective_rank(jnp.asarray(X)), expected, rtol=1e-12)
