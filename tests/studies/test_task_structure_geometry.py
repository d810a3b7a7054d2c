"""The numerics under the study of task structure and geometry, by hand; the study itself, small."""

import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies
from linnet.studies._task_structure_geometry import CONDITIONS, inputs_of, own_regions


@pytest.mark.parametrize("share", [0.05, 0.25, 0.6])
def test_inputs_have_the_asked_share(share):
    x, y = inputs_of(share), CONDITIONS[:, 0]
    kernel = x @ x.T
    np.testing.assert_allclose(np.diag(kernel), 7.0)
    np.testing.assert_allclose(x.sum(0), 0, atol=1e-12)
    np.testing.assert_allclose(y @ kernel @ y / 8 / np.trace(kernel), share)
    alike = np.equal.outer(y, y) & ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(kernel[alike], 7 * (share - (1 - share) / 3), atol=1e-12)
    np.testing.assert_allclose(kernel[~np.equal.outer(y, y)], -7 * share)


def test_regions_that_ask_for_themselves():
    """Every part of a class below a quarter, only whole classes above."""
    y = CONDITIONS[:, 0]
    below, above = (own_regions(inputs_of(share), y) for share in (0.1, 0.4))
    assert above == {tuple(y > 0), tuple(y < 0)}
    assert len(below) == 30
    assert all(len({sign for sign, active in zip(y, region) if active}) == 1 for region in below)


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("task-structure-geometry", "quick", shares=(0.05, 0.3, 0.6), seeds=3)
    found = studies.STUDIES["task-structure-geometry"](settings, key=jr.key(1))
    assert [claim for claim in found.claims if not claim.holds] == []
    assert sum(claim.control for claim in found.claims) == 3
