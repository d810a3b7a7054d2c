"""Circulation under noise against the closed form of a linear spiral, a loop in NumPy, and reversible controls."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from linnet import analyse, nn
from tests.compilations import count_compilations

SIGMAS = 5


def linear(weights):
    size = len(weights)
    return nn.LinearRNN(np.eye(size), np.asarray(weights, float), np.ones((1, size)))


def spiral(radius=0.95, angle=0.4):
    cos, sin = radius * np.cos(angle), radius * np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def test_a_spiral_goes_round_under_noise_and_rests_without(keys):
    """The covariance C = A C A' + s^2: in a step the area (A C - C A')_{21} / 2 = r sin(a) s^2 / (1 - r^2) is swept."""
    strengths = jnp.array([0.5, 2.0])
    found = analyse.noise_sustained_orbits(linear(spiral()), strengths, inputs=jnp.zeros(2), key=keys())
    assert found.rests and found.rest.num == 1 and np.max(np.abs(found.rest.points)) < 1e-9
    assert found.strengths.tolist() == [0.0, 0.5, 2.0]
    assert found.radius[0] == found.area_rate[0] == found.turns[0] == found.circulation[0] == 0.0
    variance = np.asarray(strengths) ** 2 / (1 - 0.95**2)
    expected = 0.95 * np.sin(0.4) * variance
    assert np.all(np.abs(found.area_rate[1:] - expected) < SIGMAS * found.area_error[1:])
    assert np.all(found.area_error[1:] < 0.05 * expected)
    np.testing.assert_allclose(found.radius[1:], np.sqrt(2 * variance), rtol=0.05)
    np.testing.assert_allclose(found.circulation[1:], 0.95 * np.sin(0.4) / 2, rtol=0.05)


def test_turns_are_those_of_a_loop_in_numpy(keys):
    weights, rng = spiral(), np.random.default_rng(0)
    found = analyse.noise_sustained_orbits(linear(weights), [1.0, 2.0], inputs=jnp.zeros(2), key=keys())
    turns = []
    for _ in range(20):
        x, angle = np.zeros(2), 0.0
        for step in range(1500):
            after = weights @ x + rng.normal(size=2)
            if step >= 200:
                angle += np.angle(complex(*after) / complex(*x))
            x = after
        turns.append(angle / (2 * np.pi * 1300))
    error = np.hypot(np.std(turns) / np.sqrt(20), float(found.turns_error[1]))
    assert abs(float(found.turns[1]) - np.mean(turns)) < SIGMAS * error


@pytest.mark.slow
def test_the_plane_is_found_in_many_dimensions(keys):
    """A spiral among four real modes, in a rotated basis: the area is that of the whole antisymmetric part."""
    basis = np.linalg.qr(np.asarray(jr.normal(keys(), (6, 6))))[0]
    block = np.diag([0.0, 0.0, 0.9, 0.5, -0.3, 0.2])
    block[:2, :2] = spiral()
    weights = basis @ block @ basis.T
    found = analyse.noise_sustained_orbits(linear(weights), [1.0, 3.0], inputs=jnp.zeros(6), key=keys())
    lagged = weights @ solve_discrete_lyapunov(weights, np.eye(6))
    largest = np.linalg.svd(lagged - lagged.T)[1][0] / 2
    assert abs(float(found.area_rate[1]) - largest) < SIGMAS * float(found.area_error[1]) + 0.01 * largest
    inside = np.linalg.norm(np.asarray(found.planes[1]) @ basis[:, :2])
    np.testing.assert_allclose(inside, np.sqrt(2), rtol=0.02)


def test_nothing_goes_round_where_detailed_balance_holds(keys):
    """Symmetric weights: moments of the plane come from other trials, so that the mean is zero."""
    weights = np.asarray(jr.normal(keys(), (2, 2)))
    weights = 0.9 * (weights + weights.T) / np.max(np.abs(np.linalg.eigvalsh(weights + weights.T)))
    found = analyse.noise_sustained_orbits(linear(weights), [1.0, 3.0], inputs=jnp.zeros(2), key=keys())
    assert np.all(np.abs(found.area_rate[1:]) < SIGMAS * found.area_error[1:])
    assert np.all(np.abs(found.turns[1:]) < SIGMAS * found.turns_error[1:])


@pytest.mark.slow
def test_what_goes_round_by_itself_does_not_rest(keys):
    """A limit cycle: tanh units whose linear part is an unstable spiral turn without noise as well."""
    network = nn.VanillaRNN((2, 2, 1), key=keys())
    parts = (jnp.asarray(spiral(1.5, 0.5)), jnp.eye(2))
    network = eqx.tree_at(lambda n: (n.recurrent_weights, n.input_weights), network, parts)
    found = analyse.noise_sustained_orbits(network, [0.1], inputs=jnp.ones(2) * 0.01, key=keys(), num_trials=4)
    assert not found.rests
    assert found.radius[0] > 0.1 and found.turns[0] > 0.01 and found.area_rate[0] > 0


@pytest.mark.slow
def test_second_call_compiles_nothing(keys):
    networks = [nn.GRU((1, 4, 1), key=keys()) for _ in range(2)]
    options = {"inputs": jnp.zeros(1), "num_steps": 50, "num_trials": 4}
    analyse.noise_sustained_orbits(networks[0], [1.0], key=keys(), **options)
    seed = keys()
    with count_compilations() as compiled:
        analyse.noise_sustained_orbits(networks[1], [2.0], key=seed, **options)
    assert not compiled, compiled


@pytest.mark.parametrize(
    ("weights", "strengths", "words"),
    [
        (spiral(), [], "strengths"),
        (spiral(), [-1.0], "at least 0"),
        (spiral(1.2), [1.0], "leaves every bound"),
        ([[0.5]], [1.0], "at least two"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(weights, strengths, words):
    with pytest.raises(ValueError, match=words):
        analyse.noise_sustained_orbits(
            linear(weights), strengths, inputs=jnp.zeros(len(weights)), key=jr.key(0), num_steps=5000, num_trials=2
        )
