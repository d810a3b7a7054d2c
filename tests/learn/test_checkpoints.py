"""A run that is killed at any chunk border resumes and ends with the same bits."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import linnet as ln
from tests.learn import references as ref


class Killed(Exception):
    """Stands for SIGKILL."""


class Memory:
    """A checkpointer that keeps bytes in memory, and kills the run after some saves.

    It holds a state only as the bytes of its leaves, so that whatever a run needs must be in the arrays of the
    template.
    """

    def __init__(self, kill_after=None):
        self.kept, self.kill_after, self.saves, self.loads = None, kill_after, 0, []

    def load(self, template):
        if self.kept is None:
            return None
        leaves, form = jax.tree.flatten(template)
        stored, index = self.kept
        assert [(np.shape(a), np.asarray(a).dtype) for a in leaves] == [(s, d) for s, d, _ in stored]
        self.loads.append(index)
        return jax.tree.unflatten(form, [np.frombuffer(b, d).reshape(s) for s, d, b in stored]), index

    def save(self, state, index):
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
        assert all(leaf.dtype != object for leaf in leaves)
        self.kept = [(a.shape, a.dtype, a.tobytes()) for a in leaves], index
        self.saves += 1
        if self.saves == self.kill_after:
            raise Killed


def bits(trajectory):
    """All that a run returns, as bytes."""
    arrays = (trajectory.ts, trajectory.values, jax.tree.leaves(trajectory.network), trajectory.result)
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(arrays)]


def killed_and_resumed(run, after):
    """The result of a run that was killed after some saves."""
    memory = Memory(after)
    with pytest.raises(Killed):
        run(memory)
    memory.kill_after = None
    found = run(memory)
    assert memory.loads == [after]
    return found


BATCH = ln.tasks.Batch(*(jnp.asarray(np.random.default_rng(2).standard_normal(s)) for s in ((14, 3), (14, 2))))
ADAM = ln.learn.Descent(0.01, optax.scale_by_adam(), batch_size=4)


@pytest.mark.parametrize("pace", ["every step", "any step"])
def test_descent_resumes_bit_identically(pace):
    net = ref.deep_linear(ref.random_weights(np.random.default_rng(0), (3, 4, 2)))
    ts = 0.01 * (np.arange(40) if pace == "every step" else np.sort(np.random.default_rng(1).integers(0, 90, 40)))

    def run(checkpointer):
        return ln.learn.simulate(
            net, BATCH, ts, rule=ADAM, key=jr.key(3), records_per_chunk=9, checkpointer=checkpointer
        )

    expected = bits(run(Memory()))
    assert bits(run(None)) == expected
    for after in (1, 3, 5):
        assert bits(killed_and_resumed(run, after)) == expected


def test_flow_resumes_bit_identically():
    rng = np.random.default_rng(4)
    net, task = ref.deep_linear(ref.random_weights(rng, (3, 2))), ln.tasks.Moments(*ref.random_moments(rng, 3, 2))

    def run(checkpointer):
        return ln.learn.simulate(net, task, jnp.linspace(0, 4, 11), records_per_chunk=4, checkpointer=checkpointer)

    expected = bits(run(Memory()))
    for after in (1, 2, 3):
        assert bits(killed_and_resumed(run, after)) == expected


def ensemble(checkpointer, members=3, records=12):
    """Seven members in groups, with mini-batches, Adam and rates of their own."""

    def make(key, rate):
        first, second = jr.split(key)
        net = ln.nn.DeepLinear((0.3 * jr.normal(first, (4, 3)), 0.3 * jr.normal(second, (2, 4))))
        return net, BATCH, ln.learn.Descent(rate, optax.scale_by_adam(), batch_size=4)

    return ln.learn.ensemble(
        make,
        np.linspace(0, 0.5, 30),
        {"seed": 7, "rate": [0.01]},
        key=jr.key(5),
        members_per_chunk=members,
        records_per_chunk=records,
        checkpointer=checkpointer,
    )


@pytest.mark.slow
def test_ensemble_resumes_bit_identically_over_members_and_records():
    memory = Memory()
    expected = bits(ensemble(memory))
    assert bits(ensemble(None)) == expected
    # In the middle of a group, at the end of one, in the last, and when all was done.
    for after in sorted({1, 3, 4, memory.saves - 1, memory.saves}):
        assert bits(killed_and_resumed(ensemble, after)) == expected


def test_a_checkpoint_of_another_plan_is_not_used():
    memory = Memory(2)
    with pytest.raises(Killed):
        ensemble(memory)
    memory.kill_after = None
    stored = memory.kept

    class Loose(Memory):
        """Gives back whatever it has, as a template of the same shapes would."""

    loose = Loose()
    loose.kept = stored
    fresh = Memory()
    np.testing.assert_array_equal(ensemble(loose, records=10)["loss"], ensemble(fresh, records=10)["loss"])
    assert loose.loads == [2] and loose.saves == fresh.saves


def test_the_protocol_is_that_of_the_store():
    assert isinstance(Memory(), ln.learn.Checkpointer) and isinstance(ln.store.FolderCheckpointer, type)
    assert {"load", "save"} <= set(dir(ln.store.FolderCheckpointer))
