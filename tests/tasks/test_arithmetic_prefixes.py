"""Modular arithmetic with a target at every digit."""

import jax.random as jr
import numpy as np

from linnet import tasks


def test_targets_are_the_values_up_to_each_digit():
    task = tasks.ModularArithmetic(21, every_step=True)
    batch = task.sample(20, key=jr.key(0), min_length=5)
    assert task.supervision == "some"
    for x, y, counted in zip(*map(np.asarray, (batch.x, batch.y, batch.mask)), strict=True):
        size = np.sum(x != task.pad_token)
        np.testing.assert_array_equal(counted, (np.arange(21) < size) & (np.arange(21) % 2 == 0))
        for place in np.flatnonzero(counted):
            assert y[place] == eval(task.text(x[: place + 1])) % 5
