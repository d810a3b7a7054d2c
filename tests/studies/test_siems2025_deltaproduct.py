"""The representations and reflections of the study of DeltaProduct, and one small run of it."""

import jax.random as jr
import numpy as np
import pytest

from linnet import config, studies, tasks
from linnet.studies._siems2025_deltaproduct import follow, reflections, representation, third


@pytest.mark.parametrize(("group", "order", "size"), [("s3", 6, 2), ("s4", 24, 3), ("a5", 60, 3)])
def test_matrices_multiply_as_the_tasks_elements_do(group, order, size):
    matrices = representation(group)
    assert matrices.shape == (order, size, size)
    np.testing.assert_allclose(np.swapaxes(matrices, 1, 2) @ matrices, np.tile(np.eye(size), (order, 1, 1)), atol=1e-12)
    table = np.asarray(tasks.sequence_task(group).group.table)
    np.testing.assert_allclose(np.einsum("aij,bjk->abik", matrices, matrices), matrices[table], atol=1e-12)
    # Faithful: no two elements have one matrix.
    apart = np.linalg.norm(matrices[:, None] - matrices[None], axis=(2, 3)) + np.eye(order)
    assert np.min(apart) > 0.1


@pytest.mark.parametrize("group", ["s3", "s4", "a5"])
def test_every_element_is_two_reflections_or_fewer(group):
    for matrix in representation(group):
        product, normals = np.eye(len(matrix)), reflections(matrix)
        for normal in normals:
            assert np.linalg.norm(normal) == pytest.approx(1)
            product = (np.eye(len(matrix)) - 2 * np.outer(normal, normal)) @ product
        np.testing.assert_allclose(product, matrix, atol=1e-12)
        assert len(normals) == np.linalg.matrix_rank(matrix - np.eye(len(matrix)), tol=1e-9) <= 2


def test_a_recurrence_set_by_hand_follows_the_group():
    batch = tasks.sequence_task("s3", length=100).sample(1, key=jr.key(0))
    tokens, products = np.asarray(batch.x[0]), np.asarray(batch.y[0])
    share, gap = follow(representation("s3"), tokens, products, 2, 2.0)
    assert share == 1.0 and gap < 1e-11
    assert follow(representation("s3"), tokens, products, 1, 2.0)[0] < 0.5


def test_the_distance_from_a_third_of_a_turn():
    turned = np.exp(2j * np.pi * np.array([[[0, 1 / 3], [0, 1 / 4]], [[1 / 3, 0], [1 / 3, 0]]]))
    assert third(turned) == pytest.approx(0, abs=1e-12)
    assert third(turned[:, 1:]) == pytest.approx(abs(np.exp(2j * np.pi / 3) - 1j))


@pytest.mark.slow
def test_a_small_study_holds():
    settings = config.load("siems2025-deltaproduct", "quick")
    found = studies.STUDIES["siems2025-deltaproduct"](settings, key=jr.key(1))
    assert found.hold, [claim for claim in found.claims if not claim.holds]
    assert sum(claim.control for claim in found.claims) >= 7


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"groups": ("s4",)}, "--groups needs s3"),
        ({"positive": (3,)}, "--positive may have 1 and 2, got 3"),
        ({"test_length": 20}, "--test-length must be at least 4 times"),
        ({"num_heads": 5}, "--num-heads must divide"),
    ],
)
def test_wrong_settings_are_sentences(settings, message):
    with pytest.raises(ValueError, match=message):
        config.load("siems2025-deltaproduct", "quick", **settings)
