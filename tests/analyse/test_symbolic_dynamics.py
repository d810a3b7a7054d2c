"""Symbolic dynamics against shifts with known entropies, counts in plain Python, and regions one by one."""

import collections

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import analyse, nn, systems
from tests.tolerances import assert_close

GOLDEN = (1 + np.sqrt(5)) / 2


def chain(probabilities, num, seed=0):
    """A Markov chain, one step after the other."""
    rng, states = np.random.default_rng(seed), [0]
    for uniform in rng.random(num - 1):
        states.append(int(np.searchsorted(np.cumsum(probabilities[states[-1]]), uniform)))
    return np.array(states)


def test_full_shift():
    found = analyse.symbolic_dynamics(None, np.random.default_rng(0).integers(0, 3, 4000))
    for length in (1, 2, 3):
        assert_close(found.topological_entropy(length), np.log(3), "closed_form")
    # The plug-in entropy of words is low by (words - 1) / (2 steps); its scatter is of the same order here.
    for n, entropy in enumerate(found.block_entropies(3), 1):
        assert abs(entropy - (n * np.log(3) - (3**n - 1) / 8000)) < 5 * 3**n / 4000


def test_golden_mean_shift():
    """No two ones in a row: the eigenvalues of [[1, 1], [1, 0]] are the golden ratio and its conjugate."""
    found = analyse.symbolic_dynamics(None, chain(np.array([[0.5, 0.5], [1.0, 0.0]]), 3000))
    assert_close(found.topological_entropy(), np.log(GOLDEN), "closed_form")
    assert_close(found.topological_entropy(4), np.log(GOLDEN), "closed_form")
    assert [len(found.words(n)[0]) for n in range(1, 8)] == [2, 3, 5, 8, 13, 21, 34]
    # Its entropy rate: a zero is two thirds of all symbols and is followed by either.
    assert abs(found.entropy_rate - 2 / 3 * np.log(2)) < 5 * 0.5 / np.sqrt(3000)


def test_even_shift_needs_longer_words():
    """Ones come in even numbers: no graph of symbols says so; longer words approach the golden ratio from above."""
    rng = np.random.default_rng(1)
    symbols = np.concatenate([[1, 1] if coin else [0] for coin in rng.random(6000) < 0.5])
    found = analyse.symbolic_dynamics(None, symbols)
    entropies = [found.topological_entropy(n) for n in range(1, 7)]
    assert_close(entropies[0], np.log(2), "closed_form")
    assert np.all(np.diff(entropies) <= 1e-12) and np.log(GOLDEN) < entropies[-1] < np.log(GOLDEN) + 0.05


@pytest.mark.parametrize(("slope", "length"), [(2.0, 1), (GOLDEN, 3)])
def test_entropy_of_tent_maps_is_the_logarithm_of_their_slope(slope, length):
    """Starts of many orbits, for in the floating-point numbers one orbit of slope 2 ends at 0 in 53 steps."""
    x = np.random.default_rng(2).random((400, 1))
    for _ in range(30):
        x = np.append(x, slope * np.minimum(x[:, -1:], 1 - x[:, -1:]), axis=1)
    found = analyse.symbolic_dynamics(None, x[:, 10:] > 0.5)
    assert_close(found.topological_entropy(length), np.log(slope), "closed_form")


def test_logistic_map_is_the_full_shift():
    x = np.asarray(systems.get("Logistic").with_parameters(r=4.0).orbit(5000, initial=jnp.array([0.3])).states)[:, 0]
    found = analyse.symbolic_dynamics(None, x > 0.5)
    assert_close(found.topological_entropy(5), np.log(2), "closed_form")
    assert found.labels == ("False", "True") or found.labels == ("True", "False")


def test_a_cycle_has_no_entropy():
    found = analyse.symbolic_dynamics(None, np.tile([4, 7, 9], 100))
    assert abs(found.topological_entropy()) < 1e-12 and found.entropy_rate == 0.0
    entropies = found.block_entropies(4)
    np.testing.assert_allclose(entropies, np.log(3), atol=1e-3)
    assert set(found.labels) == {"4", "7", "9"} and np.all(found.crossings == found.transitions)


def test_counts_are_those_of_plain_python():
    symbols = chain(np.array([[0.1, 0.6, 0.3], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]]), 500)
    found = analyse.symbolic_dynamics(None, symbols)
    names = [int(label) for label in found.labels]
    assert [names[s] for s in found.symbols] == symbols.tolist()
    assert dict(zip(names, found.visits)) == collections.Counter(symbols.tolist())
    assert found.visits.tolist() == sorted(found.visits, reverse=True)
    pairs = collections.Counter(zip(symbols[:-1].tolist(), symbols[1:].tolist()))
    for i, j in np.ndindex(3, 3):
        assert found.transitions[i, j] == pairs[names[i], names[j]]
    for length in (1, 3, 6):
        words, counts = found.words(length)
        expected = collections.Counter(tuple(symbols[k : k + length].tolist()) for k in range(501 - length))
        assert {tuple(names[s] for s in word): count for word, count in zip(words, counts)} == expected
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0)


def test_regions_of_a_network_one_by_one(keys):
    model = nn.AlmostLinearRNN(4, 3, key=keys())
    states = jr.normal(keys(), (2, 60, 4))
    found = analyse.symbolic_dynamics(model, states)
    assert found.symbols.shape == (2, 60)
    for trial in range(2):
        for state, symbol in zip(np.asarray(states[trial]), found.symbols[trial]):
            bits = "".join(str(int(bit)) for bit in state[1:] > 0)
            assert found.labels[symbol] == bits
            np.testing.assert_array_equal(found.regions[symbol], state[1:] > 0)
    # Nothing leads from the end of one trial to the beginning of the next.
    assert found.transitions.sum() == 2 * 59 and found.visits.sum() == 120


def test_steps_that_stay_can_be_left_out():
    found = analyse.symbolic_dynamics(None, [0, 0, 1, 1, 1, 2, 0, 0, 1], collapse=True)
    assert [found.labels[s] for s in found.symbols] == ["0", "1", "2", "0", "1"]
    assert np.all(np.diagonal(found.transitions) == 0)


def test_comparison_of_two_graphs():
    first = analyse.symbolic_dynamics(None, np.tile([0, 1], 200))
    same = analyse.compare_symbols(first, first)
    assert same.visit_distance == same.transition_distance == same.edge_distance == same.entropy_difference == 0
    assert_close(same.information, np.log(2), "closed_form")
    assert_close(same.uncertainty, 1.0, "closed_form")
    other = analyse.compare_symbols(first, analyse.symbolic_dynamics(None, np.tile([2, 3], 200)))
    assert other.shared == () and set(other.only_first) == {"0", "1"} and set(other.only_second) == {"2", "3"}
    assert other.visit_distance == other.transition_distance == other.edge_distance == 1.0
    # Two edges of three are in both; a quarter of the visits differs.
    third = analyse.symbolic_dynamics(None, np.tile([0, 1, 0, 0], 100))
    compared = analyse.compare_symbols(first, third)
    assert_close(compared.edge_distance, 1 / 3, "closed_form")
    assert_close(compared.visit_distance, 0.25, "closed_form")
    assert_close(compared.entropy_difference, np.log(GOLDEN), "closed_form")
    fair = [analyse.symbolic_dynamics(None, np.random.default_rng(k).integers(0, 2, 10_000)) for k in range(2)]
    # 2 N times the information of independent symbols is chi-squared with one degree of freedom.
    assert analyse.compare_symbols(*fair).information < 25 / 20_000
    assert np.isnan(analyse.compare_symbols(first, fair[0]).information)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.symbolic_dynamics(nn.GRU((1, 4, 1), key=jr.key(0)), jnp.ones((5, 4))), ["GRU", "model=None"]),
        (lambda: analyse.symbolic_dynamics(None, np.ones(5)), ["integers", "float64", "`model`"]),
        (lambda: analyse.symbolic_dynamics(None, [3]), ["two steps", "(1,)"]),
        (lambda: analyse.symbolic_dynamics(nn.PLRNN(3, key=jr.key(0)), jnp.ones((5, 4))), ["(..., time, 3)", "(5, 4)"]),
        (lambda: analyse.symbolic_dynamics(None, [[0, 1], [1, 0]], collapse=True), ["one trial", "(2, 2)"]),
        (lambda: analyse.symbolic_dynamics(None, [0, 1]).words(3), ["at most the 2", "3"]),
        (
            lambda: analyse.symbolic_dynamics(None, np.random.default_rng(0).permutation(5000)).topological_entropy(),
            ["more than 3000", "shorter"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
