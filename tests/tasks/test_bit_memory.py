"""Windows of bits: answers at every step by brute force, windows as arrays, and where targets count."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import tasks
from tests.compilations import count_compilations


def brute(name, bits, window, step):
    """The answer at one step, of a list of bits."""
    kept = bits[step - window + 1 : step + 1]
    return sum(kept) % 2 if name == "n_parity" else int(kept[0] == kept[-1])


@pytest.mark.parametrize("name", ["n_parity", "delayed_match"])
@pytest.mark.parametrize("window", [1, 2, 7])
def test_targets_from_the_first_whole_window_on(name, window):
    task = tasks.sequence_task(name, window=window, every_step=True)
    batch = task.sample(30, key=jr.key(window), length=20, min_length=window)
    x, y, mask = (np.asarray(part) for part in (batch.x, batch.y, batch.mask))
    sizes = np.sum(x != task.pad_token, axis=1)
    assert sizes.min() >= window and len(set(sizes)) > 5
    for row, targets, counted, size in zip(x.tolist(), y, mask, sizes):
        assert np.flatnonzero(counted).tolist() == list(range(window - 1, size))
        assert [brute(name, row, window, t) for t in range(window - 1, size)] == targets[counted].tolist()
        assert not np.any(targets[~counted])


def test_one_program_has_all_windows():
    bits = jr.randint(jr.key(0), (25,), 0, 2)
    parity, match = jax.jit(tasks.window_parity), jax.jit(tasks.window_match)
    parity(bits, jnp.asarray(2)), match(bits, jnp.asarray(2))
    with count_compilations() as compiled:
        found = {n: (parity(bits, jnp.asarray(n)), match(bits, jnp.asarray(n))) for n in range(1, 26)}
    assert not compiled
    kept = np.asarray(bits).tolist()
    for n, both in found.items():
        for name, values in zip(("n_parity", "delayed_match"), both):
            assert [brute(name, kept, n, t) for t in range(n - 1, 25)] == np.asarray(values)[n - 1 :].tolist()


def test_classes_are_even_and_one_bit_decides():
    """Half of the answers are 1, and any bit of the window, but none outside, turns the parity."""
    bits = np.asarray(jr.randint(jr.key(1), (4000,), 0, 2))
    for values in (tasks.window_parity(jnp.asarray(bits), 6), tasks.window_match(jnp.asarray(bits), 6)):
        assert abs(float(jnp.mean(values)) - 0.5) < 5 * 0.5 / np.sqrt(4000 / 6)
    turned = [bool(tasks.window_parity(jnp.asarray(bits[:20] ^ (np.arange(20) == j)), 6)[19]
                   != tasks.window_parity(jnp.asarray(bits[:20]), 6)[19]) for j in range(20)]  # fmt: skip
    assert turned == [j >= 14 for j in range(20)]


def test_refuses_what_is_no_window():
    for kind in (tasks.NParity, tasks.DelayedMatch):
        with pytest.raises(ValueError, match=f"{kind.__name__} needs a window of at least 1"):
            kind(window=0)
        with pytest.raises(ValueError, match="needs 5 <= min_length <= length"):
            kind(window=5).sample(3, key=jr.key(0), length=4)
