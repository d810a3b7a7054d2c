"""Decays that forget everything, next to ones that forget nothing: chunks add logarithms, and must not lose digits."""

import jax.numpy as jnp
import numpy as np
import pytest

from linnet import scan


@pytest.mark.parametrize("structure", ["scalar", "diagonal", "low rank", "low rank, by key"])
def test_huge_decays_leave_the_digits_of_small_ones(structure):
    rng = np.random.default_rng(0)
    num, size = 64, 4
    log = np.where(rng.random((num, size)) < 0.2, -1e8, -1e-3)
    log = log if structure in ("diagonal", "low rank, by key") else np.tile(log[:, :1], size)
    keys = rng.normal(size=(num, size))
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    queries, values = rng.normal(size=(2, num, size))
    corrected = structure.startswith("low rank")
    state, expected = np.zeros((size, size)), []
    for query, key, value, decay in zip(queries, keys, values, log):
        state = np.exp(decay)[:, None] * state
        state = state + np.outer(key, value - (key @ state if corrected else 0))
        expected.append(query @ state)
    given = jnp.asarray(log if structure in ("diagonal", "low rank, by key") else log[:, 0], "float32")
    queries, keys, values = (jnp.asarray(part, "float32") for part in (queries, keys, values))
    if corrected:
        transition = scan.LowRank(-keys[:, None], keys[:, None], log=given)
    else:
        transition = scan.Diagonal(log=given) if structure == "diagonal" else scan.Scalar(log=given)
    read, _ = scan.attend(transition, queries, None if corrected else keys, values, mode="chunk", chunk_size=32)
    assert np.sqrt(np.mean((read - np.stack(expected)) ** 2) / np.mean(np.stack(expected) ** 2)) <= 1e-5
