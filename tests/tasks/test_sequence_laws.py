"""What sequence tasks are drawn from: laws of their parts with k-sigma bounds, and groups by their axioms."""

import collections
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import tasks
from linnet.tasks._bits import draw_positive
from linnet.tasks._distinct import draw_distinct, draw_weighted
from linnet.tasks._listops_trees import can_fill, capacities, choose_argument

NUM = 4000


@eqx.filter_jit
def many(function, key, num=NUM):
    return jax.vmap(function)(jr.split(key, num))


def assert_shares(values, probabilities):
    """Each value occurs as often as its probability says, to five standard errors."""
    values = [tuple(np.ravel(value).tolist()) for value in np.asarray(values)]
    counts = collections.Counter(values)
    assert set(counts) <= set(probabilities), set(counts) - set(probabilities)
    for value, p in probabilities.items():
        assert abs(counts[value] / len(values) - p) < 5 * np.sqrt(p * (1 - p) / len(values)), value


def test_positive_numbers_are_uniform():
    bits = many(lambda key: draw_positive(key, 6, jnp.array(4)), jr.key(0))
    assert_shares((bits @ 2 ** np.arange(6))[:, None], {(n,): 1 / 15 for n in range(1, 16)})


def test_distinct_numbers_are_uniform_in_every_order():
    chosen = many(lambda key: draw_distinct(key, 2, 4), jr.key(1))
    assert_shares(chosen, dict.fromkeys(itertools.permutations(range(4), 2), 1 / 12))
    assert sorted(many(lambda key: draw_distinct(key, 7, 7), jr.key(1), 1)[0].tolist()) == list(range(7))


def test_weighted_draws_are_successive():
    weights = np.array([0.5, 0.3, 0.2])
    chosen = many(lambda key: draw_weighted(key, 2, jnp.log(weights)), jr.key(2))
    expected = {(i, j): weights[i] * weights[j] / (1 - weights[i]) for i, j in itertools.permutations(range(3), 2)}
    assert_shares(chosen, expected)


def test_recall_has_power_law_gaps():
    task = tasks.AssociativeRecall(24, num_pairs=2, num_tokens=8, power=0.01)
    batch = eqx.filter_jit(lambda key: task.sample(NUM, key=key))(jr.key(3))
    x = np.asarray(batch.x)
    first = np.array([np.flatnonzero(row[4:] == row[0])[0] // 2 for row in x])
    law = np.arange(1.0, 11) ** (0.01 - 1)
    assert_shares(first[:, None], {(j,): p for j, p in enumerate(law / law.sum())})
    assert_shares(x[:, [0, 2]], dict.fromkeys(itertools.permutations((1, 2, 3), 2), 1 / 6))


def test_lengths_are_uniform_and_answers_balanced():
    task = tasks.Sum(7, modulus=3)
    batch = eqx.filter_jit(lambda key: task.sample(NUM, key=key, min_length=4))(jr.key(4))
    sizes = np.sum(np.asarray(batch.x) != task.pad_token, axis=1)
    assert_shares(sizes[:, None], {(n,): 1 / 4 for n in range(4, 8)})
    assert_shares(np.sum(np.asarray(batch.y), axis=1)[:, None], {(c,): 1 / 3 for c in range(3)})
    share = tasks.accuracy(jnp.zeros((NUM, 7, 3)), batch)  # class 0 always
    assert abs(float(share) - task.chance) < 5 * np.sqrt(2 / 9 / NUM)


def test_bracket_expressions_split_evenly():
    task = tasks.ModularArithmeticBrackets(7)
    batch = eqx.filter_jit(lambda key: task.sample(NUM, key=key))(jr.key(5))
    forms = [[task.text(row).translate(str.maketrans("01234+", "ddddd-"))] for row in np.asarray(batch.x)]
    assert_shares(forms, {(form,): 1 / 3 for form in ("(d-(d))", "(-d--d)", "((d)-d)")})
    assert_shares(np.asarray(batch.y)[:, None], {(c,): 1 / 5 for c in range(5)})


def test_puzzles_are_drawn_as_defined():
    stack = tasks.StackManipulation(5)
    x = np.asarray(eqx.filter_jit(lambda key: stack.sample(NUM, key=key))(jr.key(6)).x)
    assert_shares(np.sum(x[:, :5] < 2, axis=1)[:, None], {(n,): 1 / 4 for n in range(1, 5)})
    hole = tasks.MissingDuplicateString(6)
    x = np.asarray(eqx.filter_jit(lambda key: hole.sample(NUM, key=key))(jr.key(7)).x)
    assert_shares(np.argmax(x == 2, axis=1)[:, None], {(n,): 1 / 6 for n in range(6)})
    copy = tasks.SelectiveCopy(4, num_copied=2, num_symbols=2)
    x = np.asarray(eqx.filter_jit(lambda key: copy.sample(NUM, key=key))(jr.key(8)).x)
    places = [np.flatnonzero(row[:4] != 2) for row in x]
    assert_shares(places, dict.fromkeys(itertools.combinations(range(4), 2), 1 / 6))


# --- nested lists -----------------------------------------------------------------------------------------------------


def rows(longest, max_args, limit):
    """By dynamic programming: the lengths of rows of exactly so many expressions."""
    lengths = {1, *range(4, longest + 1)}
    exact = [{0}]
    for _ in range(max_args):
        exact.append({a + b for a in exact[-1] for b in lengths if a + b <= limit})
    return exact


@jax.jit
def choose(states, longest, first, draws):
    """The next argument's length in every state, for every draw."""

    def one(state, draw):
        return choose_argument(state[0], state[1], longest, first, draw[0] > 0, draw[1])

    return jax.vmap(lambda draw: jax.vmap(lambda state: one(state, draw))(states))(draws)


@pytest.mark.parametrize("max_args", [4, 10])
def test_arguments_always_fill_a_list(max_args):
    """Whatever is drawn, a list that can be filled stays one that can; every state of lists up to 60 tokens."""
    for longest in capacities(2, max_args, 60)[1:]:
        exact = rows(longest, max_args, 60)
        grid = np.array([(t, a) for t in range(61) for a in range(max_args + 1)])
        up_to = [set().union(*exact[: a + 1]) for a in range(max_args + 1)]
        fillable = np.array([t in up_to[a] for t, a in grid])
        assert np.array_equal(can_fill(jnp.array(grid[:, 0]), jnp.array(grid[:, 1]), jnp.array(longest)), fillable)
        for first in (0, 1):
            # A list's first argument leaves something for a second.
            starts = np.array([any(t in exact[n] for n in range(1 + first, a + 1)) for t, a in grid])
            states = grid[(grid[:, 0] > 0) & starts]
            draws = jnp.array([(value, cut) for value in (0.0, 1.0) for cut in (0.0, 0.3, 0.6, 0.999)])
            for cost in np.asarray(choose(jnp.array(states), jnp.array(longest), jnp.array(first), draws)):
                rest = states[:, 0] - cost
                assert np.all((cost == 1) | ((cost >= 4) & (cost <= longest))) and np.all(rest >= first)
                assert all(t in up_to[a - 1] for t, a in zip(rest, states[:, 1]))


def test_lists_of_every_length_and_operator():
    task = tasks.ListOps(60, max_depth=4, max_args=4)
    batch = eqx.filter_jit(lambda key: task.sample(400, key=key, min_length=4))(jr.key(9))
    x = np.asarray(batch.x)
    sizes = np.sum(x != task.pad_token, axis=1)
    assert set(sizes) == set(range(4, 61))
    depth = np.cumsum(((x >= 10) & (x < 14)).astype(int) - (x == 14), axis=1)
    assert np.max(depth) == 4 and np.all(depth[np.arange(400), sizes - 1] == 0)
    operators = x[(x >= 10) & (x < 14)]
    assert_shares(operators[:, None], {(o,): 1 / 4 for o in range(10, 14)})


# --- groups -----------------------------------------------------------------------------------------------------------

GROUPS = {
    "s3": (6, False),
    "s4": (24, False),
    "a5": (60, False),
    "s5": (120, False),
    "z60": (60, True),
    "a4xz5": (60, False),
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups_keep_the_axioms(name):
    group = tasks.sequence_task(name).group
    table, (order, commutes) = np.asarray(group.table), GROUPS[name]
    element = np.arange(order)
    assert group.order == order and group.name == name
    assert np.array_equal(table[0], element) and np.array_equal(table[:, 0], element)
    assert np.all(np.sort(table, axis=0) == element[:, None]) and np.all(np.sort(table, axis=1) == element)
    assert np.array_equal(table[table], table[element[:, None, None], table]), "(a b) c = a (b c)"
    assert np.array_equal(table, table.T) == commutes


def test_derived_series_tell_solvable_groups():
    """A5 is its own commutator subgroup, and S5's is A5; those of the others come down to the neutral element."""

    def derived(table, elements):
        inverse = np.argmin(table, axis=1)  # where the product is 0
        found = {int(table[table[a, b], table[inverse[a], inverse[b]]]) for a in elements for b in elements}
        while True:
            more = found | {int(table[a, b]) for a in found for b in found}
            if more == found:
                return found
            found = more

    for name, last in {"s3": 1, "s4": 1, "a4xz5": 1, "a5": 60, "s5": 60}.items():
        table = np.asarray(tasks.sequence_task(name).group.table)
        elements = set(range(len(table)))
        while (smaller := derived(table, elements)) != elements:
            elements = smaller
        assert len(elements) == last


@eqx.filter_jit
def sample(task, key):
    return task.sample(40, key=key)


def test_generators_are_the_permutations_that_move_few_points():
    for generators, num in {"all": 120, "swaps": 1 + 10, "swaps_and_3_cycles": 1 + 10 + 20}.items():
        task = tasks.sequence_task("s5", generators=generators, length=50)
        assert len(task.inputs) == num
    x = sample(task, jr.key(0)).x
    assert set(np.unique(x)) == set(task.inputs.tolist())
    assert len(tasks.sequence_task("a5", generators="swaps_and_3_cycles").inputs) == 1 + 20
    only_last = sample(tasks.sequence_task("s3", every_step=False), jr.key(0))
    assert np.array_equal(only_last.y, sample(tasks.sequence_task("s3"), jr.key(0)).y[:, -1])
