"""Spectra along trajectories against closed forms and finite differences."""

import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import analyse, systems
from linnet.nn import GRU, LSTM, AlmostLinearRNN, VanillaRNN
from tests.analyse.unknown_inputs import OfUnknownInputs
from tests.compilations import count_compilations
from tests.tolerances import assert_close

RNG = np.random.default_rng(1)


def test_henon_is_the_closed_form():
    """J = [[-2 a x, 1], [b, 0]]: eigenvalues -a x +- sqrt(a^2 x^2 + b)."""
    henon = systems.get("Henon")
    states = henon.orbit(50).states
    found = analyse.jacobian_spectrum(henon, states)
    x, a, b = np.asarray(states[:, 0]), 1.4, 0.3
    roots = np.stack([-a * x + s * np.sqrt(a**2 * x**2 + b) for s in (1, -1)], axis=1)
    roots = np.take_along_axis(roots, np.argsort(-np.abs(roots), axis=1), axis=1)
    assert_close(found.eigenvalues, roots, "closed_form")
    assert_close(found.singular_values.prod(axis=1), 0.3 * np.ones(50), "closed_form")
    assert_close(found.spectral_radius, np.abs(roots[:, 0]), "closed_form")


def test_flow_at_the_fixed_points_of_lorenz():
    """At C+-: s^3 + (sigma + b + 1) s^2 + b (sigma + rho) s + 2 sigma b (rho - 1) = 0."""
    lorenz, b = systems.get("Lorenz"), 8 / 3
    point = np.array([np.sqrt(b * 27), np.sqrt(b * 27), 27.0])
    found = analyse.jacobian_spectrum(lorenz, np.stack([point, -point * [1, 1, -1]]))
    roots = np.roots([1, 10 + b + 1, b * 38, 2 * 10 * b * 27])
    for row in found.eigenvalues:
        assert np.all(np.diff(row.real) <= 1e-12)
        assert_close(np.sort(row.real), np.sort(roots.real), "closed_form")


@pytest.mark.parametrize("make", [GRU, LSTM, VanillaRNN])
def test_networks_under_changing_inputs_are_finite_differences(make, keys):
    network = make((2, 3, 1), key=keys())
    zero, unravel = jax.flatten_util.ravel_pytree(network.init_state())
    states, inputs = 0.5 * RNG.standard_normal((4, len(zero))), RNG.standard_normal((4, 2))
    found = analyse.jacobian_spectrum(network, states, inputs=inputs)
    for state, x, jacobian in zip(states, inputs, found.jacobians, strict=True):

        def move(z, x=x):
            return np.asarray(
                jax.flatten_util.ravel_pytree(network.step(unravel(jnp.asarray(z)), jnp.asarray(x))[0])[0]
            )

        steps = 1e-5 * np.eye(len(zero))
        expected = np.stack([(move(state + h) - move(state - h)) / 2e-5 for h in steps], axis=1)
        assert_close(jacobian, expected, "finite_difference")
    assert_close(found.singular_values, np.linalg.svd(np.asarray(found.jacobians))[1], "closed_form")
    constant = analyse.jacobian_spectrum(network, states[:1], inputs=jnp.asarray(inputs[0]))
    assert_close(constant.jacobians[0], found.jacobians[0], "exact")


def test_piecewise_linear_networks_have_the_matrix_of_their_region(keys):
    network = AlmostLinearRNN(5, 2, key=keys())
    states = RNG.standard_normal((20, 5))
    found = analyse.jacobian_spectrum(network, states)
    expected = jax.vmap(lambda z: network.affine(network.region(z))[0])(jnp.asarray(states))
    assert_close(found.jacobians, expected, "exact")


def test_nothing_compiles_twice():
    henon = systems.get("Henon")
    analyse.jacobian_spectrum(henon, RNG.random((30, 2)))
    with count_compilations() as compiled:
        analyse.jacobian_spectrum(henon, RNG.random((30, 2)))
    assert len(compiled) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: analyse.jacobian_spectrum(lambda x: x[:1], RNG.random((3, 2))), ["2 numbers to 1"]),
        (lambda: analyse.jacobian_spectrum(OfUnknownInputs(), RNG.random((3, 3))), ["`inputs`"]),
        (
            lambda: analyse.jacobian_spectrum(systems.get("Henon"), RNG.random((3, 2)), inputs=RNG.random((3, 1))),
            ["recurrent", "(3, 1)"],
        ),
        (lambda: analyse.jacobian_spectrum(systems.get("MackeyGlass"), RNG.random((3, 1))), ["DelayFlow"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
