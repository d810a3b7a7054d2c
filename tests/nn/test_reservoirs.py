"""Reservoirs and observation models against NumPy."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from linnet import nn
from tests.nn.registry import with_readout
from tests.tolerances import assert_close


def test_echo_state_is_its_equation(keys):
    net = with_readout(nn.EchoState(2, 6, 3, leak=0.3, spectral_radius=1.2, input_scale=0.7, key=keys()))
    w, wu, wy, c, b, s = (
        np.asarray(leaf)
        for leaf in (
            net.recurrent_weights,
            net.feedback_weights,
            net.output_weights,
            net.output_bias,
            net.hidden_bias,
            net.input_weights,
        )
    )
    assert np.abs(np.linalg.eigvals(w)).max() == pytest.approx(1.2, rel=0.01)
    assert np.abs(wu).max() <= 0.7
    state, x = np.linspace(-1, 1, 6), np.array([0.3, -0.2, 1.0])
    after, y = net.step(jnp.asarray(state), jnp.asarray(x))
    expected = 0.7 * state + 0.3 * np.tanh(w @ state + wu @ (wy @ state + c) + s @ x + b)
    assert_close(after, expected, "exact")
    assert_close(y, wy @ expected + c, "exact")
    seen = np.array([0.1, 2.0])
    taken = net.absorb(jnp.asarray(state), jnp.asarray(seen), jnp.asarray(x))
    assert_close(taken, 0.7 * state + 0.3 * np.tanh(w @ state + wu @ seen + s @ x + b), "exact")


@pytest.mark.parametrize(("delays", "stride", "degree"), [(1, 1, 1), (2, 1, 2), (3, 2, 3)])
def test_next_generation_reservoir_is_a_polynomial_of_its_window(delays, stride, degree):
    net = with_readout(nn.NextGenerationReservoir(2, delays, degree, stride=stride))
    rng = np.random.default_rng(0)
    window = rng.normal(size=((delays - 1) * stride + 1, 2))
    used = window[::stride].reshape(-1)
    monomials = [
        np.prod(used[list(places)])
        for num in range(degree + 1)
        for places in itertools.combinations_with_replacement(range(used.size), num)
    ]
    features = net.monomials(jnp.asarray(window.reshape(-1)))
    np.testing.assert_allclose(np.sort(features), np.sort(monomials), rtol=1e-12)
    state, y = net.step(jnp.asarray(window.reshape(-1)), jnp.zeros(0))
    assert_close(y, window[0] + np.asarray(net.weights) @ np.asarray(features), "exact")
    assert_close(state, np.concatenate([y[None], window[:-1]]).reshape(-1), "exact")
    seen = jnp.array([5.0, 6.0])
    assert_close(net.absorb(jnp.asarray(window.reshape(-1)), seen, jnp.zeros(0))[:2], seen, "exact")


def test_reservoirs_map_over_seeds(keys):
    nets = eqx.filter_vmap(lambda key: nn.EchoState(2, 20, key=key))(keys(3))
    for weights in nets.recurrent_weights:
        assert np.abs(np.linalg.eigvals(np.asarray(weights))).max() == pytest.approx(0.9, rel=0.01)


def test_affine_observation_is_inverted_by_the_pseudo_inverse(keys):
    for out, size in ((2, 5), (5, 2)):
        model = nn.AffineObservation(out, size, bias=np.arange(out, dtype=float), key=keys())
        x = jnp.linspace(-1, 2, out)
        expected = np.linalg.pinv(np.asarray(model.weights)) @ (np.asarray(x) - np.arange(out))
        assert_close(model.invert(x), expected, "closed_form")
        assert_close(model.start(x), expected, "closed_form")
        values = np.linalg.svd(np.asarray(model.weights), compute_uv=False)
        assert_close(model.penalty(), (1 - values[0] / values[-1]) ** 2, "closed_form")
        assert np.all(model.known())
        if out < size:
            assert_close(model.observe(model.invert(x)), x, "closed_form")
    orthonormal = nn.AffineObservation(2, 3, weights=3.0 * np.eye(2, 3))
    assert_close(orthonormal.penalty(), 0.0, "closed_form")


def test_penalty_of_the_condition_number_has_its_gradient(keys):
    model = nn.AffineObservation(2, 3, key=keys())
    gradient = jax.grad(lambda w: eqx.tree_at(lambda m: m.weights, model, w).penalty())(model.weights)
    direction = np.random.default_rng(0).normal(size=(2, 3))

    def penalty(step):
        values = np.linalg.svd(np.asarray(model.weights) + step * direction, compute_uv=False)
        return (1 - values[0] / values[-1]) ** 2

    assert_close(jnp.sum(gradient * direction), (penalty(1e-5) - penalty(-1e-5)) / 2e-5, "finite_difference")


def test_identity_observation_sees_the_first_units(keys):
    model = nn.IdentityObservation(2, 5, key=keys())
    state, x = jnp.arange(5.0), jnp.array([3.0, -1.0])
    assert_close(model.observe(state), [0.0, 1.0], "exact")
    assert_close(model.invert(x), [3.0, -1.0, 0, 0, 0], "exact")
    assert model.known().tolist() == [True, True, False, False, False]
    assert_close(model.start(x), np.concatenate([x, np.asarray(model.start_weights) @ np.asarray(x)]), "exact")
    assert float(model.penalty()) == 0
    full = nn.IdentityObservation(3)
    assert full.start_weights is None and np.all(full.known())
    assert_close(full.start(jnp.arange(3.0)), jnp.arange(3.0), "exact")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.IdentityObservation(3, 2), "state_size"),
        (lambda: nn.AffineObservation(3, 2), "needs a key"),
        (lambda: nn.AffineObservation(3, 2, weights=np.eye(2)), "shape"),
        (lambda: nn.NextGenerationReservoir(2, 0), "num_delays"),
        (lambda: nn.EchoState(2, 5, leak=1.5, key=jax.random.key(0)), "leak"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
