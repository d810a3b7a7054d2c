"""Cycles of piecewise-linear networks: closed forms of the tent map, brute force, and what iteration leads to."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from linnet import analyse, nn
from tests.compilations import count_compilations
from tests.tolerances import assert_close


def tent(slope=2.0):
    r"""The tent map on the line, $z \to s z - 2 s \max(z, 0) + 1$: from [-1, 1] onto itself for slope 2."""
    model = nn.AlmostLinearRNN(1, 1, key=jr.key(0))
    return eqx.tree_at(
        lambda m: (m.diagonal, m.weights, m.bias),
        model,
        (jnp.array([slope]), jnp.array([[-2 * slope]]), jnp.array([1.0])),
    )


def mobius(n):
    primes = [p for p in range(2, n + 1) if n % p == 0 and all(p % q for q in range(2, p))]
    return 0 if any(n % p**2 == 0 for p in primes) else (-1) ** len(primes)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 8, 10])
def test_tent_map_has_as_many_cycles_as_there_are_necklaces(order):
    """2^n points have $f^n(z) = z$; those of the shortest period n are counted by Moebius' inversion."""
    found = analyse.cycles(tent(), order)
    divisors = [d for d in range(1, order + 1) if order % d == 0]
    assert found.num == sum(mobius(order // d) * 2**d for d in divisors) // order
    assert found.exhaustive
    assert_close(np.abs(found.eigenvalues[:, 0]), [2.0**order] * found.num, "closed_form")
    assert not np.any(found.is_stable) and np.all(found.unstable_dimension == 1)
    states = found.points
    for _ in range(order):
        states = 2 * states - 4 * np.maximum(states, 0) + 1
    np.testing.assert_allclose(states, found.points, atol=1e-12 * 2**order)


def test_tent_map_of_order_three_in_closed_form():
    """Left, left, right and left, right, right: solved by hand."""
    found = analyse.cycles(tent(), 3)
    # t = (z + 1) / 2 has the tent map on [0, 1], with cycles 2/9, 4/9, 8/9 and 2/7, 4/7, 6/7.
    expected = {tuple(np.round(2 * np.sort(t) - 1, 9)) for t in (np.array([2, 4, 8]) / 9, np.array([2, 4, 6]) / 7)}
    assert {tuple(np.round(np.sort(cycle[:, 0]), 9)) for cycle in found.points} == expected


def random_model(kind, key, order=1):
    """A network with many regions that are used: its weights are larger than those that it begins with."""
    first, second, third = jr.split(key, 3)
    if kind == "almost":
        model = nn.AlmostLinearRNN(3, 2, key=first)
        matrix = 1.3 * jr.normal(second, (3, 3))
        return eqx.tree_at(lambda m: (m.weights, m.bias), model, (matrix, jr.normal(third, (3,))))
    if kind == "plain":
        model = nn.PLRNN(3, key=first)
        return eqx.tree_at(lambda m: (m.weights, m.bias), model, (jr.normal(second, (3, 3)), jr.normal(third, (3,))))
    model = nn.ShallowPLRNN(2, 3, clipped=kind == "clipped", key=first)
    parts = (2 * jr.normal(second, (2, 3)), jr.normal(third, (3,)), 0.5 * jnp.ones(2))
    return eqx.tree_at(lambda m: (m.outer_weights, m.hidden_bias, m.diagonal), model, parts)


@eqx.filter_jit
def _maps(model, regions):
    matrices, offsets = jax.vmap(model.affine)(regions)
    return matrices, jnp.broadcast_to(offsets, matrices.shape[:2])


@eqx.filter_jit
def _advance(model, state):
    return model.advance(state)


def by_brute_force(model, order):
    """Every sequence of regions solved by itself in NumPy, and kept if the model goes through its states."""
    switches, size, found = model.num_switches, model.state_size, []
    regions = np.array(list(itertools.product([False, True], repeat=switches)))
    maps = [(matrix, offset) for matrix, offset in zip(*map(np.asarray, _maps(model, regions)))]
    for word in itertools.product(range(2**switches), repeat=order):
        turn, offset = np.eye(size), np.zeros(size)
        for symbol in word:
            turn, offset = maps[symbol][0] @ turn, maps[symbol][0] @ offset + maps[symbol][1]
        states = [np.linalg.solve(np.eye(size) - turn, offset)]
        for symbol in word:
            states.append(maps[symbol][0] @ states[-1] + maps[symbol][1])
        if all(np.allclose(_advance(model, a), b, atol=1e-9) for a, b in zip(states, states[1:])):
            apart = [np.max(np.abs(states[0] - state)) for state in states[1:order]]
            if min(apart, default=1.0) > 1e-6:
                found.append(min(tuple(np.round(np.roll(states[:-1], k, axis=0).ravel(), 6)) for k in range(order)))
    return sorted(set(found))


def canonical(cycles):
    order = cycles.shape[1]
    return sorted(min(tuple(np.round(np.roll(c, k, axis=0).ravel(), 6)) for k in range(order)) for c in cycles)


@pytest.mark.parametrize(
    ("kind", "orders"),
    [("almost", (1, 3)), ("shallow", (2,)), pytest.param("plain", (1, 2), marks=pytest.mark.slow)],
)
def test_all_cycles_are_those_of_brute_force(kind, orders, keys):
    total = 0
    for _ in range(3):
        model = random_model(kind, keys())
        for order in orders:
            expected = by_brute_force(model, order)
            found = analyse.cycles(model, order, exhaustive=True)
            np.testing.assert_allclose(canonical(found.points), expected, atol=3e-6)
            assert len(found.points) == len(expected)
            guessed = analyse.cycles(model, order, exhaustive=False, num_guesses=512, key=keys())
            assert set(map(tuple, guessed.regions.reshape(guessed.num, order * model.num_switches))) <= set(
                map(tuple, found.regions.reshape(found.num, order * model.num_switches))
            )
            assert guessed.num == found.num and not guessed.exhaustive
            total += found.num
    assert total >= 1


def test_fixed_points_are_those_of_the_search_without_regions(keys):
    for _ in range(2):
        model = random_model("clipped", keys())
        exact = analyse.cycles(model, 1, key=keys(), num_guesses=512)
        free = analyse.fixed_points(model, 3 * jr.normal(keys(), (300, model.state_size)))
        assert exact.num == free.num >= 1
        for point, values in zip(exact.points[:, 0], exact.eigenvalues):
            at = int(np.argmin(np.max(np.abs(free.points - point), axis=1)))
            np.testing.assert_allclose(free.points[at], point, atol=1e-8)
            np.testing.assert_allclose(np.abs(free.eigenvalues[at]), np.abs(values), atol=1e-7)


def test_a_stable_cycle_is_where_iteration_leads(keys):
    """The skewed tent map with slopes -2.5 and 0.4 has a stable cycle of order 2."""
    model = nn.AlmostLinearRNN(1, 1, key=keys())
    parts = (jnp.array([0.3]), jnp.array([[-2.5]]), jnp.array([1.0]))
    model = eqx.tree_at(lambda m: (m.diagonal, m.weights, m.bias), model, parts)
    state = 0.1
    for _ in range(500):
        state = 0.3 * state - 2.5 * max(state, 0) + 1
    after = 0.3 * state - 2.5 * max(state, 0) + 1
    found = analyse.cycles(model, 2)
    assert found.num == 1 and found.is_stable[0]
    np.testing.assert_allclose(np.sort(found.points[0, :, 0]), np.sort([state, after]), atol=1e-12)
    assert_close(found.eigenvalues[0], [0.3 * (0.3 - 2.5)], "closed_form")


def test_large_orders_are_found_by_guesses_and_hold(keys):
    model = tent(1.9)
    found = analyse.cycles(model, 40, key=keys(), num_guesses=256)
    assert found.num > 10 and not found.exhaustive
    for cycle in found.points[:, :, 0]:
        after = 1.9 * cycle - 3.8 * np.maximum(cycle, 0) + 1
        np.testing.assert_allclose(after, np.roll(cycle, -1), atol=1e-12)
        assert len(np.unique(np.round(cycle, 9))) == 40
    words = {region.tobytes() for cycle in found.regions for region in (np.roll(cycle, k, 0) for k in range(40))}
    assert len(words) == 40 * found.num


def test_constant_inputs_move_the_points(keys):
    model = nn.AlmostLinearRNN(3, 1, 2, key=keys())
    x = jnp.array([1.0, -2.0])
    found = analyse.cycles(model, 1, inputs=x)
    assert found.num >= 1
    for point in found.points[:, 0]:
        np.testing.assert_allclose(model.step(jnp.asarray(point), x)[0], point, atol=1e-12)


def test_a_line_of_fixed_points_is_singular_and_none_is_returned():
    model = tent()
    model = eqx.tree_at(lambda m: (m.diagonal, m.weights, m.bias), model,
                        (jnp.array([1.0]), jnp.array([[-3.0]]), jnp.array([0.0])))  # fmt: skip
    found = analyse.cycles(model, 1)
    assert found.num_singular >= 1 and all(abs(point) < 1e-12 for point in found.points.ravel())


def test_float64_inside_float32(keys):
    with jax.enable_x64(False):
        model = nn.AlmostLinearRNN(4, 2, dtype=jnp.float32, key=keys())
        found = analyse.cycles(eqx.tree_at(lambda m: m.bias, model, jnp.ones(4, jnp.float32)), 1)
        assert jnp.ones(1).dtype == jnp.float32
    assert found.points.dtype == np.float64 and found.num >= 1


def test_second_call_compiles_nothing(keys):
    models = [random_model("shallow", keys()) for _ in range(2)]
    for exhaustive in (True, False):
        analyse.cycles(models[0], 2, exhaustive=exhaustive, num_guesses=100, key=keys())
        seed = keys()
        with count_compilations() as compiled:
            analyse.cycles(models[1], 2, exhaustive=exhaustive, num_guesses=100, key=seed)
        assert not compiled, compiled


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.cycles(nn.GRU((1, 4, 1), key=jr.key(0)), 2), ["piecewise-linear", "GRU", "fixed_points"]),
        (lambda: analyse.cycles(tent(), 0), ["`order`", "0"]),
        (lambda: analyse.cycles(tent(), 40), ["`key`"]),
        (lambda: analyse.cycles(tent(), 40, exhaustive=True), ["2^40", "`exhaustive`"]),
        (lambda: analyse.cycles(tent(), 1, inputs=jnp.ones(2)), ["0 external inputs", "(2,)"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
