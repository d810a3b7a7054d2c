"""The flip-flop against a loop over steps, and the share of its pulses."""

import jax.random as jr
import numpy as np
import pytest

from linnet import tasks


def held(x):
    """A loop in Python over the steps of one sequence."""
    out, memory = [], np.zeros(x.shape[-1])
    for row in np.asarray(x):
        memory = np.where(row != 0, row, memory)
        out.append(memory)
    return np.array(out)


def test_outputs_hold_the_last_pulse(keys):
    task = tasks.FlipFlop(30, num_bits=4, pulse_probability=0.1)
    batch = task.sample(20, key=keys())
    assert batch.x.shape == batch.y.shape == (20, 30, 4) and batch.mask is None
    for x, y in zip(np.asarray(batch.x), np.asarray(batch.y)):
        np.testing.assert_array_equal(y, held(x))
    assert set(np.unique(batch.x)) == {-1.0, 0.0, 1.0} and set(np.unique(batch.y)) == {-1.0, 1.0}


def test_share_of_pulses_is_the_probability_and_signs_are_fair(keys):
    x = np.asarray(tasks.FlipFlop(51, pulse_probability=0.3).sample(2000, key=keys()).x)
    assert np.all(x[:, 0] != 0)
    later = x[:, 1:]
    num = later.size
    assert abs(np.mean(later != 0) - 0.3) < 5 * np.sqrt(0.3 * 0.7 / num)
    assert abs(np.mean(later)) < 5 * np.sqrt(0.3 / num)


def test_lengths_of_their_own_are_masked(keys):
    task = tasks.FlipFlop()
    batch = task.sample(200, key=keys(), length=12, min_length=3)
    sizes = np.sum(np.asarray(batch.mask), axis=1)
    assert set(sizes) == set(range(3, 13))
    for x, y, size in zip(np.asarray(batch.x), np.asarray(batch.y), sizes):
        np.testing.assert_array_equal(y[:size], held(x[:size]))
        assert not np.any(x[size:]) and not np.any(y[size:])


def test_refuses_what_is_no_flip_flop():
    for settings in ({"num_bits": 0}, {"pulse_probability": 1.5}):
        with pytest.raises(ValueError, match="FlipFlop needs"):
            tasks.FlipFlop(**settings)
    with pytest.raises(ValueError, match="flip_flop needs"):
        tasks.FlipFlop().sample(1, key=jr.key(0), length=0)
