"""Fixed points against closed forms, against SciPy from a grid of starts, and what is no fixed point by its name."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.linalg import hadamard
from scipy.optimize import brentq, fsolve

from linnet import analyse, nn, systems
from tests.compilations import count_compilations
from tests.tolerances import assert_close


def matched(found, expected):
    """Found rows in the order of the expected ones, none left over."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, (found, expected)
    order = [int(np.argmin(np.max(np.abs(found - row), axis=1))) for row in expected]
    assert sorted(order) == list(range(len(expected))), (found, expected)
    return order


def test_lorenz_has_its_three(key):
    found = analyse.fixed_points(systems.get("Lorenz"), num_starts=128, key=key)
    side = np.sqrt(8 / 3 * 27)
    expected = np.array([[0.0, 0, 0], [side, side, 27], [-side, -side, 27]])
    order = matched(found.points, expected)
    assert_close(found.points[order], expected, "closed_form")
    # At the origin z separates; around the centres the characteristic polynomial is Lorenz' own.
    root = np.sqrt(121 + 40 * 27)
    assert_close(found.eigenvalues[order[0]], [(-11 + root) / 2, -8 / 3, (-11 - root) / 2], "closed_form")
    centre = np.roots([1, 41 / 3, 8 / 3 * 38, 2 * 10 * 8 / 3 * 27])
    assert_close(np.sort_complex(found.eigenvalues[order[1]]), np.sort_complex(centre), "closed_form")
    assert found.unstable_dimension[order].tolist() == [1, 2, 2] and not np.any(found.is_stable)
    assert found.num_unconverged == 0 and found.num_starts.sum() == 128 and len(found.slow_points) == 0


def test_henon_has_its_two(keys):
    a, b = 1.4, 0.3
    x = (b - 1 + np.array([1, -1]) * np.sqrt((1 - b) ** 2 + 4 * a)) / (2 * a)
    expected = np.stack([x, b * x], axis=1)
    found = analyse.fixed_points(systems.get("Henon"), jr.normal(keys(), (64, 2)))
    order = matched(found.points, expected)
    assert_close(found.points[order], expected, "closed_form")
    for values, at in zip(found.eigenvalues[order], x):
        roots = np.roots([1, 2 * a * at, -b])
        assert_close(np.sort(values.real), np.sort(roots), "closed_form")
    assert found.unstable_dimension.tolist() == [1, 1]


def test_linear_network_has_one(keys):
    network = nn.fan_in(0.9)(nn.LinearRNN, (2, 6, 1), key=keys())
    x = jnp.array([0.4, -1.0])
    found = analyse.fixed_points(network, inputs=x, num_starts=20, key=keys())
    weights = np.asarray(network.recurrent_weights)
    point = np.linalg.solve(np.eye(6) - weights, np.asarray(network.input_weights) @ np.asarray(x))
    assert_close(found.points, [point], "closed_form")
    moduli = np.sort(np.abs(np.linalg.eigvals(weights)))[::-1]
    assert_close(np.abs(found.eigenvalues[0]), moduli, "closed_form")
    assert found.num_starts.tolist() == [20]
    assert found.unstable_dimension[0] == np.sum(moduli > 1) and found.is_stable[0] == (moduli[0] < 1)


@pytest.mark.slow
def test_orthogonal_patterns_of_a_hopfield_network(keys):
    r"""$h \to \tanh(\frac g N \sum_k \xi^k \xi^k \cdot h)$ has $\pm m \xi^k$ with $m = \tanh(g m)$, and 0."""
    size, gain = 16, 1.5
    patterns = hadamard(size)[1:4].astype(float)
    network = nn.VanillaRNN((1, size, 1), key=keys())
    network = eqx.tree_at(lambda n: n.recurrent_weights, network, jnp.asarray(gain / size * patterns.T @ patterns))
    m = brentq(lambda m: np.tanh(gain * m) - m, 0.1, 1.0, xtol=1e-15)
    known = np.concatenate([m * patterns, -m * patterns, np.zeros((1, size))])
    near = known[np.arange(140) % 7] + 0.1 * np.asarray(jr.normal(keys(), (140, size)))
    found = analyse.fixed_points(network, near, inputs=jnp.zeros(1))
    distances = np.max(np.abs(found.points[:, None] - known), axis=2)
    assert np.all(np.min(distances, axis=0) < 1e-10)
    at = np.argmin(distances, axis=0)
    # At a pattern every slope is 1 - m^2, so that there are three equal eigenvalues and else zeros.
    for index in at[:6]:
        assert_close(np.abs(found.eigenvalues[index]), [gain * (1 - m**2)] * 3 + [0.0] * 13, "closed_form")
    assert np.all(found.is_stable[at[:6]]) and found.unstable_dimension[at[6]] == 3
    # Mixtures of patterns are fixed points too; each one is a zero.
    step = np.tanh(found.points @ np.asarray(network.recurrent_weights).T)
    np.testing.assert_allclose(step, found.points, atol=1e-9)


def test_all_points_of_small_networks_are_those_of_a_grid(keys):
    """Brute force: SciPy's `fsolve` from each point of a grid on the square where tanh units live."""
    x = jnp.zeros(1)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 15)] * 2), axis=-1).reshape(-1, 2)
    counts = []
    for gain in (0.5, 1.5, 3.0):
        network = nn.VanillaRNN((1, 2, 1), key=keys())
        weights = gain * np.asarray(jr.normal(keys(), (2, 2))) + np.eye(2)
        bias = 0.1 * np.asarray(jr.normal(keys(), (2,)))
        parts = (jnp.asarray(weights), jnp.asarray(bias))
        network = eqx.tree_at(lambda n: (n.recurrent_weights, n.hidden_bias), network, parts)
        ends = [fsolve(_velocity, start, (weights, bias), xtol=1e-13, full_output=True) for start in grid]
        roots = np.array([end[0] for end in ends if end[2] == 1 and np.max(np.abs(end[1]["fvec"])) < 1e-11])
        expected = np.unique(np.round(roots, 6), axis=0)
        found = analyse.fixed_points(network, grid, inputs=x)
        np.testing.assert_allclose(found.points[matched(found.points, expected)], expected, atol=2e-6)
        counts.append(found.num)
    assert max(counts) > 2, counts


def _velocity(h, weights, bias):
    return np.tanh(weights @ h + bias) - h


@pytest.mark.slow
def test_tuples_of_states_and_other_dtypes(keys):
    """An LSTM in float32, where x64 is off: float64 is on inside only, and the state is its pair again."""
    with jax.enable_x64(False):
        network = nn.LSTM((2, 5, 1), dtype=jnp.float32, key=keys())
        starts = (jr.normal(keys(), (30, 5)), jr.normal(keys(), (30, 5)))
        assert starts[0].dtype == jnp.float32
        found = analyse.fixed_points(network, starts, inputs=jnp.array([0.5, -0.5]))
        state = found.state(0)
        assert jnp.ones(2).dtype == jnp.float32
    assert found.points.dtype == np.float64 and found.points.shape == (found.num, 10) and found.num >= 1
    exact = jax.tree_util.tree_map(lambda leaf: leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf, network)
    moved, _ = exact.step(state, jnp.array([0.5, -0.5]))
    for before, after in zip(state, moved):
        np.testing.assert_allclose(after, before, atol=1e-10)
    flat = analyse.fixed_points(network, np.concatenate([np.asarray(leaf) for leaf in starts], 1), inputs=[0.5, -0.5])
    np.testing.assert_allclose(flat.points, found.points, atol=1e-12)


@pytest.mark.slow
def test_a_minimum_that_is_no_zero_is_a_slow_point():
    r"""The ghost of a saddle-node: $x \to x + \epsilon + x^2$ is slowest at 0, and fixed nowhere."""
    gap = 1e-4

    def step(s):
        return jnp.stack([s[0] + gap + s[0] ** 2, 0.5 * s[1]])

    starts = np.stack(np.meshgrid([-0.5, -0.1, 0.3], [-1.0, 1.0]), axis=-1).reshape(-1, 2)
    found = analyse.fixed_points(step, starts)
    assert found.num == 0 and found.num_unconverged == 0
    np.testing.assert_allclose(found.slow_points, [[0.0, 0.0]], atol=1e-9)
    assert_close(found.slow_speeds, [gap**2 / 2], "closed_form")
    np.testing.assert_allclose(found.slow_eigenvalues, [[1.0, 0.5]], atol=1e-8)
    assert found.slow_num_starts.tolist() == [6]
    # On the other side of the bifurcation there are two fixed points and no ghost.
    found = analyse.fixed_points(lambda s: step(s) - jnp.array([2 * gap, 0.0]), starts)
    expected = np.array([[np.sqrt(gap), 0.0], [-np.sqrt(gap), 0.0]])
    np.testing.assert_allclose(found.points[matched(found.points, expected)], expected, atol=1e-12)
    assert len(found.slow_points) == 0


def test_what_leads_nowhere_is_counted_and_no_point():
    """The speed falls for ever, and has a maximum between two such ways."""
    found = analyse.fixed_points(lambda x: x + 1 / (1 + x**2), jnp.linspace(-3.0, 3.0, 12)[:, None], max_steps=30)
    assert found.num == 0 and len(found.slow_points) == 0 and found.num_unconverged == 12


def test_border_of_stability():
    def flow(matrix):
        return systems.Flow("Linear", _linear, {"matrix": jnp.asarray(matrix)}, jnp.ones(2), 1.0, 0.1,
                            shapes=(("matrix", (2, 2)),))  # fmt: skip

    starts = jnp.eye(2)
    verdicts = []
    for matrix in ([[-0.1, 1.0], [-1.0, -0.1]], [[0.0, 1.0], [-1.0, 0.0]], [[0.1, 1.0], [-1.0, 0.1]]):
        found = analyse.fixed_points(flow(matrix), starts)
        np.testing.assert_allclose(found.points, [[0.0, 0.0]], atol=1e-10)
        verdicts.append((bool(found.is_stable[0]), int(found.unstable_dimension[0])))
    assert verdicts == [(True, 0), (False, 0), (False, 2)]


def _linear(t, x, matrix):
    return matrix @ x


@pytest.mark.slow
def test_second_call_compiles_nothing(keys):
    starts = jr.normal(keys(), (20, 8))
    others = starts + 1
    networks = [nn.GRU((1, 8, 1), key=keys()) for _ in range(2)]
    analyse.fixed_points(networks[0], starts, inputs=jnp.zeros(1))
    with count_compilations() as compiled:
        analyse.fixed_points(networks[1], others, inputs=jnp.ones(1), tolerance=1e-18)
    assert not compiled, compiled


class _OfUnknownInputs(nn.AbstractRecurrent):
    """A network that does not say how many inputs it reads."""

    def init_state(self):
        return jnp.zeros(2)

    def step(self, state, x):
        return state, state

    def __call__(self, xs, state=None):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.fixed_points(3), ["system", "int"]),
        (lambda: analyse.fixed_points(lambda x: x), ["`starts`"]),
        (lambda: analyse.fixed_points(systems.get("Henon")), ["`key`"]),
        (lambda: analyse.fixed_points(systems.get("Henon"), num_starts=0, key=jr.key(0)), ["at least one", "0"]),
        (lambda: analyse.fixed_points(systems.get("Henon"), jnp.ones((4, 3))), ["2 numbers", "3"]),
        (lambda: analyse.fixed_points(systems.get("Henon"), jnp.ones(2)), ["(start, state)", "(2,)"]),
        (lambda: analyse.fixed_points(systems.get("Henon"), jnp.ones((1, 2)), separation=0.0), ["positive", "0.0"]),
        (lambda: analyse.fixed_points(systems.get("MackeyGlass"), key=jr.key(0)), ["delay"]),
        (lambda: analyse.fixed_points(_OfUnknownInputs(), key=jr.key(0)), ["`inputs`"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
