"""Measures of neural collapse against their definitions in NumPy, and against frames that are exact."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from linnet import analyse

RNG = np.random.default_rng(0)
CLASSES, SIZES, FEATURES = 4, (3, 5, 2, 6), 7
LABELS = np.repeat(np.arange(CLASSES), SIZES)
Y = np.eye(CLASSES)[LABELS]
X = RNG.normal(size=(len(LABELS), FEATURES)) + 2 * RNG.normal(size=(CLASSES, FEATURES))[LABELS]
W = RNG.normal(size=(CLASSES, FEATURES))


collapse = eqx.filter_jit(analyse.neural_collapse)
distance = eqx.filter_jit(analyse.frame_distance)


def arrays(*parts):
    return [jnp.asarray(part) for part in parts]


def frame(num, features, centred):
    """Class means in an exact frame, randomly rotated."""
    basis = scipy.stats.ortho_group.rvs(features, random_state=2)[:num]
    return (np.eye(num) - centred / num) @ basis


def test_variability_is_the_trace_of_two_covariances():
    means = np.stack([X[k == LABELS].mean(0) for k in range(CLASSES)])
    within = np.cov((X - means[LABELS]).T, bias=True)
    between = np.cov(means.T, fweights=SIZES, bias=True)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / CLASSES
    np.testing.assert_allclose(collapse(*arrays(X, Y, W)).variability, expected, rtol=1e-10)
    np.testing.assert_allclose(analyse.class_means(*arrays(X, Y)), means, rtol=1e-12)


def test_a_weight_is_a_number_of_examples():
    times = RNG.integers(1, 4, len(LABELS))
    repeated = np.repeat(X, times, 0), np.repeat(Y, times, 0)
    weight = jnp.asarray(times, float)
    found = collapse(*arrays(X, Y, W), weight=weight)
    expected = collapse(*arrays(*repeated, W))
    for name in ("variability", "frame", "duality", "agreement"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10)


@pytest.mark.parametrize("centred", [False, True])
def test_an_exact_frame_has_collapsed(centred):
    means = frame(CLASSES, FEATURES, centred)
    shift = RNG.normal(size=FEATURES) if centred else 0  # a simplex frame may be anywhere
    found = collapse(*arrays(3 * means[LABELS] + shift, Y, 0.2 * means), centre=centred)
    np.testing.assert_allclose(found.variability, 0, atol=1e-20)
    np.testing.assert_allclose([found.frame, found.duality], 0, atol=1e-12)
    if not centred:  # a shift moves the classifier's outputs, not the nearest mean
        assert found.agreement == 1
    other = collapse(*arrays(3 * means[LABELS], Y, 0.2 * means), centre=not centred)
    # Orthogonal means are a simplex about their own mean; a simplex is never orthogonal.
    assert (float(other.frame) > 0.2) == centred


def test_frames_in_closed_form():
    simplex = np.asarray(analyse.simplex_frame(5))
    cosines = simplex / simplex[0, 0]
    np.testing.assert_allclose(cosines[~np.eye(5, dtype=bool)], -1 / 4)
    # The cosine of I and I - 11^T / K in the Frobenius product is sqrt((K - 1) / K).
    expected = np.sqrt(2 - 2 * np.sqrt(4 / 5))
    np.testing.assert_allclose(distance(jnp.eye(5), jnp.asarray(simplex)), expected)
    np.testing.assert_allclose(distance(jnp.zeros((5, 5)), jnp.eye(5)), 1)


def test_agreement_is_counted_by_brute_force():
    means = np.stack([X[k == LABELS].mean(0) for k in range(CLASSES)])
    nearest = np.argmin(np.linalg.norm(X[:, None] - means, axis=2), axis=1)
    expected = np.mean(nearest == np.argmax(X @ W.T, axis=1))
    assert 0 < expected < 1
    np.testing.assert_allclose(collapse(*arrays(X, Y, W)).agreement, expected)


def test_classes_without_difference():
    assert collapse(*arrays(np.ones_like(X), Y, W)).variability == np.inf


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: analyse.class_means(*arrays(X[:5], Y)), "5 rows of features and 16 of classes"),
        (lambda: analyse.neural_collapse(*arrays(X, Y, W.T)), r"\(4, 7\), got \(7, 4\)"),
        (lambda: analyse.frame_distance(jnp.eye(3), jnp.eye(4)), r"\(3, 3\) has no distance .* \(4, 4\)"),
    ],
)
def test_shapes_that_do_not_fit(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
