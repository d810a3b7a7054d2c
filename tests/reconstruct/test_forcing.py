"""Forced orbits and gradients against loops and JAX's own derivatives; norms, intervals, regularisers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.linalg import expm, logm

from linnet import nn, reconstruct, systems
from linnet.reconstruct import _adaptive, _predictability, _unroll
from tests.tolerances import assert_close

T, B, M, K = 9, 3, 4, 2
NETWORKS = {
    "shallow": lambda key: nn.ShallowPLRNN(M, 6, K, key=key),
    "dendritic": lambda key: nn.DendriticPLRNN(M, 3, K, clipped=True, key=key),
    "gru": lambda key: nn.GRU((K, M, 1), key=key),
    "lstm": lambda key: nn.LSTM((K, M, 1), key=key),
    "adapted": lambda key: nn.adapt(eqx.nn.GRUCell(K, M, dtype=jnp.float64, key=key), 1, key=key),
}


def randomised(net):
    params, rest = eqx.partition(net, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    return eqx.combine(unravel(jnp.asarray(0.5 * np.random.default_rng(1).normal(size=flat.shape))), rest)


def problem(net, seed=0):
    rng = np.random.default_rng(seed)
    size = _unroll.latent_size(net)
    strengths = rng.uniform(size=(T, size)) * (rng.uniform(size=(T, 1)) < 0.7)
    shapes = [(B, size), (T, B, size), (T, B, K)]
    starts, signals, inputs = (jnp.asarray(rng.normal(size=shape)) for shape in shapes)
    return starts, signals, jnp.asarray(strengths), inputs


def by_a_loop(net, starts, signals, strengths, inputs):
    """The definition, one state after the other."""
    orbits = []
    for z, signal, drive in zip(starts, jnp.swapaxes(signals, 0, 1), jnp.swapaxes(inputs, 0, 1)):
        states = []
        for t in range(T):
            z = _unroll.latent_step(net, z, drive[t])
            states.append(z)
            z = (1 - strengths[t]) * z + strengths[t] * signal[t]
        orbits.append(jnp.stack(states))
    return jnp.stack(orbits, axis=1)


@pytest.mark.parametrize(("name", "together"), [("shallow", 512), *((name, 7) for name in NETWORKS)])
def test_forced_orbits_and_gradients_are_those_of_a_loop(name, together, keys, monkeypatch):
    monkeypatch.setattr(_unroll, "_TOGETHER", together)  # the last piece of steps is then filled up
    net = randomised(NETWORKS[name](keys()))
    starts, *constants = problem(net)
    weights = jnp.asarray(np.random.default_rng(5).normal(size=(T, B, starts.shape[1])))

    def loss(orbits):
        return lambda moving: jnp.sum(jnp.sin(weights * orbits(*moving, *constants)))

    params, rest = eqx.partition(net, eqx.is_inexact_array)
    ours = jax.value_and_grad(
        lambda m: loss(lambda *a: reconstruct.forced_orbits(*a)[0])((eqx.combine(m[0], rest), m[1]))
    )
    theirs = jax.value_and_grad(lambda m: loss(by_a_loop)((eqx.combine(m[0], rest), m[1])))
    (value, gradient), (wanted, expected) = jax.jit(ours)((params, starts)), jax.jit(theirs)((params, starts))
    assert_close(value, wanted, "exact")
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected), strict=True):
        assert_close(a, b, "closed_form")


def test_signals_are_constants_for_the_gradient(keys):
    net = NETWORKS["shallow"](keys())
    starts, signals, strengths, inputs = problem(net)
    found = jax.grad(lambda s: jnp.sum(reconstruct.forced_orbits(net, starts, s, strengths, inputs)[0] ** 2))(signals)
    assert np.all(np.asarray(found) == 0)


@pytest.mark.parametrize(
    ("forcing", "expected"),
    [
        (reconstruct.SparseTeacherForcing(3), [0, 0, 1, 0, 0, 1, 0]),
        (reconstruct.IdentityTeacherForcing(), [1] * 7),
        (reconstruct.GeneralizedTeacherForcing(0.25), [0.25] * 7),
        (reconstruct.AdaptiveTeacherForcing(start=0.5), [0.5] * 7),
    ],
)
def test_when_and_how_much_states_are_forced(forcing, expected):
    assert_close(forcing.strengths(7, forcing.init()), expected, "exact")


def test_a_forcing_wraps_a_cell_with_more_units_than_are_seen(keys):
    """An LSTM's cell state and the units that are not seen are never overwritten; the others are, every two steps."""
    net = randomised(nn.LSTM((1, 3, 2), key=keys()))
    observation = nn.ObservedPart(nn.IdentityObservation(2, 3), net)
    xs = jnp.asarray(np.random.default_rng(3).normal(size=(7, 2)))
    orbit = reconstruct.SparseTeacherForcing(2)(net, xs, observation=observation, inputs=jnp.zeros((6, 1)))
    hidden, cell = np.append(np.asarray(xs[0]), 0.0), np.zeros(3)
    for t in range(6):
        (hidden, cell), _ = net.step((jnp.asarray(hidden), jnp.asarray(cell)), jnp.zeros(1))
        assert_close(orbit[t], jnp.concatenate([hidden, cell]), "exact")
        if (t + 1) % 2 == 0:
            hidden = jnp.concatenate([xs[t + 1], hidden[2:]])
    assert_close(jax.vmap(observation.observe)(orbit), orbit[:, :2], "exact")
    assert observation.known().tolist() == [True, True, False, False, False, False]


def test_full_forcing_makes_one_step_predictions(keys):
    net = randomised(nn.PLRNN(3, key=keys()))
    xs = jnp.asarray(np.random.default_rng(3).normal(size=(7, 3)))
    orbit = reconstruct.GeneralizedTeacherForcing(1.0)(net, xs, observation=nn.IdentityObservation(3))
    assert_close(orbit, jax.vmap(net.advance)(xs[:-1]), "exact")


def test_generalized_forcing_bounds_gradients_as_the_proposition_says(keys):
    """With alpha = 1 - 1 / sigma the product of (1 - alpha) J has norm at most 1; without forcing it explodes."""
    net = randomised(nn.ShallowPLRNN(3, 20, key=keys()))
    sigma = float(reconstruct.parameter_bound(net, jnp.zeros((0, 0, 3, 3))))
    xs = jnp.asarray(np.random.default_rng(3).normal(size=(60, 3)))

    def norm(strength):
        def last(start):
            orbit = reconstruct.GeneralizedTeacherForcing(strength)(
                net, jnp.concatenate([start[None], xs[1:]]), observation=nn.IdentityObservation(3)
            )
            return orbit[-1]

        return float(np.linalg.norm(jax.jacrev(last)(xs[0]), 2))

    assert norm(1 - 1 / sigma) <= sigma * (1 + 1e-6)
    assert norm(0.0) > 1e3


def test_spectral_norms_are_those_of_lapack():
    matrices = np.random.default_rng(0).normal(size=(40, 5, 5))
    matrices[0] = np.eye(5)  # all singular values alike
    matrices[1] = np.diag([3.0, 2.9999, 1, 0, 0])
    matrices[2] = 0
    np.testing.assert_allclose(
        _adaptive.spectral_norm(jnp.asarray(matrices)), np.linalg.norm(matrices, 2, axis=(1, 2)), rtol=2e-4, atol=1e-12
    )


def test_norm_estimators_are_their_formulas(keys):
    rng = np.random.default_rng(0)
    jacobians = np.eye(3) + 0.3 * rng.normal(size=(6, 2, 3, 3))
    given, net = jnp.asarray(jacobians), nn.PLRNN(3, key=keys())
    norms = np.linalg.norm(jacobians, 2, axis=(2, 3))
    means = [expm(np.mean([logm(j) for j in jacobians[:, p]], axis=0)) for p in range(2)]
    expected = {
        reconstruct.product_bound: np.exp(np.log(norms).mean(axis=0)).max(),
        reconstruct.arithmetic_mean: np.linalg.norm(jacobians.mean(axis=0), 2, axis=(1, 2)).max(),
        reconstruct.exp_log: max(np.linalg.norm(m, 2) for m in means),
        reconstruct.batch_maximum: norms.max(),
    }
    for estimator, value in expected.items():
        assert float(estimator(net, given)) == pytest.approx(value, rel=2e-4), estimator


@pytest.mark.parametrize("name", ["shallow", "dendritic"])
def test_the_bound_by_parameters_holds_for_all_jacobians(name, keys):
    net = randomised(NETWORKS[name](keys()))
    states = jnp.asarray(3 * np.random.default_rng(0).normal(size=(300, M)))
    norms = np.linalg.norm(jax.vmap(net.jacobian)(states), 2, axis=(1, 2))
    assert norms.max() <= float(reconstruct.parameter_bound(net, states[None, None])) * (1 + 1e-6)


def test_adaptive_forcing_rises_at_once_and_falls_slowly(keys):
    net = eqx.tree_at(lambda n: n.diagonal, nn.AlmostLinearRNN(2, 0, key=keys()), jnp.array([1.6, 0.5]))
    net = eqx.tree_at(lambda n: n.weights, net, jnp.zeros((2, 2)))
    forcing = reconstruct.AdaptiveTeacherForcing(decay=0.9)
    states, inputs = jnp.zeros((5, 3, 2)), jnp.zeros((5, 3, 0))
    wanted = 1 - 1 / 1.6
    assert_close(forcing.adapt(net, states, inputs, jnp.asarray(0.1)), wanted, "closed_form")
    assert_close(forcing.adapt(net, states, inputs, jnp.asarray(0.8)), 0.9 * 0.8 + 0.1 * wanted, "closed_form")
    calm = eqx.tree_at(lambda n: n.diagonal, net, jnp.array([0.5, 0.5]))
    assert_close(forcing.adapt(calm, states, inputs, jnp.asarray(0.8)), 0.9 * 0.8, "closed_form")
    wild = eqx.tree_at(lambda n: n.diagonal, net, jnp.array([jnp.nan, 0.5]))
    assert_close(forcing.adapt(wild, states, inputs, jnp.asarray(0.8)), 0.8, "exact")


def test_jacobians_of_any_network_are_those_along_the_orbit(keys):
    net = randomised(NETWORKS["lstm"](keys()))
    starts, signals, strengths, inputs = problem(net)
    found = _adaptive.jacobians_along(net, signals, inputs)
    assert_close(
        found[2, 1], jax.jacrev(lambda z: _unroll.latent_step(net, z, inputs[2, 1]))(signals[2, 1]), "closed_form"
    )


def test_intervals():
    assert reconstruct.predictability_time(0.9056, 0.01) == round(np.log(2) / 0.009056)
    # White noise through a leak has the autocorrelation a^k: below 1/e after -1 / log a steps.
    noise = np.random.default_rng(0).normal(size=(40_000, 2))
    series = np.zeros_like(noise)
    for t in range(1, len(noise)):
        series[t] = 0.9 * series[t - 1] + noise[t]
    assert reconstruct.autocorrelation_interval(series) == pytest.approx(-1 / np.log(0.9), abs=2)
    lorenz = np.asarray(systems.get("Lorenz").orbit(20_000, dt=0.01, transient=10.0).states)
    # The known answer for the x coordinate of Lorenz-63: about 0.16 to 0.18.
    assert 0.14 <= 0.01 * reconstruct.mutual_information_interval(lorenz[:, :1], 60, 32) <= 0.20


def test_mutual_information_is_that_of_histograms():
    values = np.random.default_rng(0).normal(size=(300, 2)).cumsum(axis=0)
    places = np.stack([np.digitize(v, np.linspace(v.min(), v.max(), 9)[1:-1]) for v in values.T], axis=1)
    found = _predictability._information(jnp.asarray(places, jnp.int32), 5, 8)
    for lag in range(6):
        terms = []
        for column in places.T:
            joint = np.histogram2d(column[: 300 - lag], column[lag:], bins=np.arange(9))[0] / (300 - lag)
            product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
            terms.append(np.sum(joint[joint > 0] * np.log(joint[joint > 0] / product[joint > 0])))
        assert_close(found[lag], np.mean(terms), "closed_form")


def test_regularisers_are_their_formulas(keys):
    net = randomised(nn.ShallowPLRNN(4, 6, key=keys()))
    p = {name: np.asarray(leaf) for name, leaf in vars(net).items() if eqx.is_array(leaf)}
    rest = sum(np.sum(p[name] ** 2) for name in ("outer_weights", "inner_weights", "bias", "hidden_bias"))
    assert_close(reconstruct.LatentRegulariser(0.1)(net), 0.1 * (np.sum((1 - p["diagonal"]) ** 2) + rest), "exact")
    dendritic = randomised(nn.DendriticPLRNN(3, 4, key=keys()))
    far = eqx.tree_at(lambda n: n.thresholds, dendritic, 100 + dendritic.thresholds)
    assert_close(reconstruct.LatentRegulariser()(far), reconstruct.LatentRegulariser()(dendritic), "exact")
    plain = randomised(nn.PLRNN(5, key=keys()))
    d, w, h = (np.asarray(leaf) for leaf in (plain.diagonal, plain.weights, plain.bias))
    expected = 0.3 * (np.sum((1 - d[3:]) ** 2) + np.sum(w[3:] ** 2) + np.sum(h[3:] ** 2))
    assert_close(reconstruct.ManifoldAttractorRegulariser(0.3, 0.4)(plain), expected, "exact")
    with pytest.raises(ValueError, match="piecewise-linear"):
        reconstruct.ManifoldAttractorRegulariser()(nn.GRU((1, 2, 1), key=keys()))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: reconstruct.SparseTeacherForcing(0), "interval of SparseTeacherForcing"),
        (lambda: reconstruct.IdentityTeacherForcing(1.5), "whole number"),
        (lambda: reconstruct.GeneralizedTeacherForcing(1.5), "between 0 and 1"),
        (lambda: reconstruct.AdaptiveTeacherForcing(every=0), "every=0"),
        (lambda: reconstruct.predictability_time(-0.1), "positive exponent"),
        (lambda: reconstruct.autocorrelation_interval(np.ones((50, 1))), "max_lag"),
        (lambda: reconstruct.autocorrelation_interval(np.ones((500, 1))), "not constant"),
        (lambda: reconstruct.parameter_bound(nn.GRU((1, 2, 1), key=jr.key(0)), jnp.zeros((1, 1, 2, 2))), "estimator"),
        (
            lambda: reconstruct.IdentityTeacherForcing()(
                nn.PLRNN(3, key=jr.key(0)), jnp.ones((5, 3)), observation=nn.AffineObservation(3, 3, key=jr.key(0))
            ),
            "SparseTeacherForcing",
        ),
        (
            lambda: reconstruct.GeneralizedTeacherForcing(0.1)(
                nn.LSTM((1, 3, 2), key=jr.key(0)), jnp.ones((5, 2)), observation=nn.IdentityObservation(2, 3)
            ),
            "ObservedPart",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
