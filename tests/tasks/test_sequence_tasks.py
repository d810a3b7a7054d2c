"""One contract for every sequence task: brute force, lengths, padding, keys, and one compiled program."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import citations, tasks
from tests.compilations import count_compilations
from tests.tasks.brute_force import ANSWERS

#: Lengths beyond those of training; 61 is odd, for the tasks that have no even ones, and 4 K and more for recall.
LONG = {"induction": 300, "delayed_copy": 113, "listops": 90, "selective_copy": 80, "mqar": 70}
TOKEN_TASKS = sorted(ANSWERS)


@eqx.filter_jit
def draw(task, key, num, length, min_length=None):
    return task.sample(num, key=key, length=length, min_length=min_length)


def examples(task, batch):
    """The real inputs, the steps with targets and the targets of each example."""
    x, y = np.asarray(batch.x), np.asarray(batch.y)
    query = task.query_token if isinstance(task, tasks.AbstractStringTask) else None
    for i in range(batch.num):
        size = int(np.sum(x[i] != task.pad_token))
        assert np.all(x[i, size:] == task.pad_token), "Padding comes behind the end."
        inputs = [int(token) for token in x[i, :size] if token != query]
        if query is not None:
            assert size == len(inputs) + task.output_length(len(inputs)) and np.all(x[i, len(inputs) : size] == query)
        if y.ndim == 1:
            targets = [(len(inputs) - 1, int(y[i]))]
        else:
            steps = range(size) if batch.mask is None else np.flatnonzero(batch.mask[i])
            targets = [(int(t), int(y[i, t])) for t in steps]
            assert batch.mask is None or np.all(y[i][~np.asarray(batch.mask[i])] == 0)
        yield inputs, targets


def check(name, task, batch):
    for inputs, targets in examples(task, batch):
        assert targets == ANSWERS[name](inputs, task.text(np.array(inputs)))
        assert all(0 <= target < task.num_classes for _, target in targets)


def test_registry_holds_every_task_of_the_brute_force_and_names_them():
    others = {"adding", "flip_flop", "sequential_digits", "text"}
    assert set(tasks.SEQUENCE_TASKS) == set(ANSWERS) | others
    for name in set(tasks.SEQUENCE_TASKS) - {"text"}:
        task = tasks.sequence_task(name)
        assert task.name == name and citations(task) and "Args:" in (type(task).__doc__ or "")
        assert 0 < task.chance <= 1


@pytest.mark.parametrize("name", sorted(set(TOKEN_TASKS) - {"s4", "a5", "z60"}))
def test_answers_of_any_length_are_those_of_brute_force(name):
    """Each example has its own length; one compiled program gives all of them, the same for the same key."""
    task = tasks.sequence_task(name)
    length = LONG.get(name, 61)
    batch = draw(task, jr.key(0), 40, length, task.shortest)
    assert batch.x.dtype == batch.y.dtype == jnp.int32
    assert batch.x.shape == batch.y.shape == batch.mask.shape == (40, task.num_steps(length))
    assert 0 <= int(jnp.min(batch.x)) and int(jnp.max(batch.x)) < task.vocab_size
    check(name, task, batch)
    sizes = [len(inputs) for inputs, _ in examples(task, batch)]
    assert min(sizes) >= task.shortest and max(sizes) <= length and len(set(sizes)) > 10
    with count_compilations() as compiled:
        again, other = (draw(task, jr.key(seed), 40, length, task.shortest) for seed in (0, 1))
    assert not compiled
    assert eqx.tree_equal(batch, again) and not np.array_equal(batch.x, other.x)


@pytest.mark.parametrize(
    "name", ["s3", "parity", "solve_equation", "duplicate_string", "compute_sqrt", "mqar", "listops"]
)
def test_answers_at_one_length_are_those_of_brute_force(name):
    task = tasks.sequence_task(name)
    length = LONG.get(name, 61)
    batch = draw(task, jr.key(2), 8, length)
    assert batch.x.shape == (8, task.num_steps(length))
    # Where all lengths are equal, an answer to the whole input is that of the last step, and no mask is needed.
    assert batch.y.shape == ((8,) if task.supervision == "last" else batch.x.shape)
    assert (batch.mask is None) == (task.supervision != "some")
    assert {len(inputs) for inputs, _ in examples(task, batch)} == {length}
    check(name, task, batch)


@pytest.mark.parametrize("name", ["parity", "cycle_navigation", "sum", "even_pairs"])
def test_every_step_has_the_answer_to_its_prefix(name):
    task = tasks.sequence_task(name, every_step=True)
    batch = draw(task, jr.key(3), 6, 12)
    assert batch.mask is None and batch.y.shape == (6, 12)
    for row, targets in zip(np.asarray(batch.x).tolist(), np.asarray(batch.y)):
        for t in range(12):
            prefix = row[: t + 1]
            assert ANSWERS[name](prefix, task.text(np.array(prefix))) == [(t, targets[t])]
    padded = draw(task, jr.key(3), 6, 12, 2)
    assert np.array_equal(padded.mask, padded.x != task.pad_token)


def test_compiled_is_the_same_as_not():
    task = tasks.sequence_task("s3")
    assert eqx.tree_equal(task.sample(3, key=jr.key(4), length=9), draw(task, jr.key(4), 3, 9))


@pytest.mark.parametrize("name", ["stack_manipulation", "listops"])
def test_shortest_sequences(name):
    task = tasks.sequence_task(name)
    check(name, task, draw(task, jr.key(5), 8, task.shortest))


def test_other_settings_keep_the_definitions():
    brackets = tasks.ModularArithmeticBrackets(30, modulus=7, multiply=True)
    batch = draw(brackets, jr.key(0), 30, 30)
    texts = [brackets.text(row) for row in np.asarray(batch.x)]
    assert any("*" in text for text in texts)
    assert [eval(text) % 7 for text in texts] == batch.y.tolist()
    plain = tasks.ModularArithmetic(21, modulus=3, operators="+*")
    batch = draw(plain, jr.key(0), 30, 21)
    assert [eval(plain.text(row)) % 3 for row in np.asarray(batch.x)] == batch.y.tolist()
    assert not any("-" in plain.text(row) for row in np.asarray(batch.x))
    even = draw(plain, jr.key(0), 4, 22)  # one step longer than the longest expression, which is padded
    assert even.x.shape == (4, 22) and np.all(even.x[:, -1] == plain.pad_token) and np.all(even.mask[:, 20])


@pytest.mark.slow
@pytest.mark.parametrize("name", TOKEN_TASKS)
def test_answers_of_long_sequences(name):
    task = tasks.sequence_task(name)
    check(name, task, draw(task, jr.key(6), 128, 512, task.shortest))


def test_large_recall_needs_no_large_table():
    task = tasks.AssociativeRecall(1024, num_pairs=256, num_tokens=8192)
    program = str(jax.make_jaxpr(lambda key: task.sample(16, key=key).x)(jr.key(0)))
    axes = {int(size) for shape in re.findall(r"\w\[([\d,]+)\]", program) for size in shape.split(",")}
    assert max(axes) == 1024, "No array has an axis of the vocabulary."
    batch = draw(task, jr.key(0), 4, 1024)
    for row, mask, y in zip(np.asarray(batch.x), np.asarray(batch.mask), np.asarray(batch.y)):
        values = dict(zip(row[:512:2].tolist(), row[1:512:2].tolist()))
        assert len(values) == 256 and mask.sum() == 256
        assert [values[k] for k in row[mask].tolist()] == y[mask].tolist()


def test_refusals_say_what_to_do():
    with pytest.raises(ValueError, match="closest names are .*parity"):
        tasks.sequence_task("parety")
    with pytest.raises(ValueError, match="does not take these settings"):
        tasks.sequence_task("parity", colour=3)
    parity = tasks.Parity()
    with pytest.raises(ValueError, match="1 <= min_length <= length"):
        parity.sample(2, key=jr.key(0), length=3, min_length=4)
    with pytest.raises(ValueError, match="at least 1 example"):
        parity.sample(0, key=jr.key(0))
    with pytest.raises(ValueError, match=r"one_hot\(vocab_size, num_classes\)\.moments\(\)"):
        parity.moments()
    with pytest.raises(ValueError, match="32 <= min_length"):
        tasks.AssociativeRecall().sample(2, key=jr.key(0), length=30)
    with pytest.raises(ValueError, match="fewer pairs"):
        tasks.AssociativeRecall(num_pairs=8, num_tokens=16)
    with pytest.raises(ValueError, match="at most 12 tokens"):
        tasks.ListOps(max_depth=1).sample(2, key=jr.key(0))
    with pytest.raises(ValueError, match="swaps"):
        tasks.sequence_task("z60", generators="swaps")
    for make in (
        lambda: tasks.Sum(modulus=1),
        lambda: tasks.CycleNavigation(cycle_length=1),
        lambda: tasks.ModularArithmetic(operators="/"),
        lambda: tasks.ModularArithmeticBrackets(modulus=1),
        lambda: tasks.ReverseString(num_symbols=1),
        lambda: tasks.DelayedCopy(num_copied=0),
        lambda: tasks.InductionHeads(num_symbols=1),
        lambda: tasks.ListOps(max_args=2),
        lambda: tasks.Group(jnp.zeros((2, 3), jnp.int32)),
    ):
        with pytest.raises(ValueError, match="needs"):
            make()
