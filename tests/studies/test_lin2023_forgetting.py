"""The numerics under the study of forgetting, and the study itself, small."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import config, learn, studies, tasks
from linnet.studies._lin2023_forgetting import _errors, cosine_teachers, ordered_teachers, score


def test_teachers_have_the_asked_geometry():
    found = cosine_teachers((2, 3), np.pi / 3, 7)
    expected = np.eye(4)
    expected[2, 3] = expected[3, 2] = 0.5
    np.testing.assert_allclose(found @ found.T, expected, atol=1e-15)
    signs = np.array([1, -1, -1, 1])
    found = ordered_teachers("ABBA", 5)
    np.testing.assert_allclose(found @ found.T, np.outer(signs, signs))


def test_errors_are_those_of_each_case_alone():
    rng = np.random.default_rng(0)
    teachers, keys = jnp.asarray(rng.normal(size=(2, 3, 6))), jr.split(jr.key(1), 3)
    found = _errors(teachers, 4, jnp.asarray(0.2), keys)
    maps = learn.minimum_norm(tasks.ContinualRegression(teachers[1], 4, 0.2).draw(key=keys[2]))[:, 0]
    expected = np.sum((np.asarray(maps)[:, None] - np.asarray(teachers[1])) ** 2, axis=-1)
    np.testing.assert_allclose(found[2, 1], expected, rtol=1e-9)


def test_scores_are_in_standard_errors():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(score(values, 1.5), 1.0 / (np.std(values, ddof=1) / 2))


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("lin2023-forgetting", "quick", geometries=2, draws=1000)
    found = studies.STUDIES["lin2023-forgetting"](settings, key=jr.key(3))
    assert [claim for claim in found.claims if not claim.holds] == []
    assert sum(claim.control for claim in found.claims) == 3
