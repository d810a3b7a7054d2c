"""Piecewise-linear networks against their equations in NumPy, their regions against derivatives, and their bounds."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import nn
from tests.tolerances import assert_close

M, L, B, K = 4, 7, 3, 2
MAKE = {
    "plrnn": lambda key: nn.PLRNN(M, K, key=key),
    "mean-centred": lambda key: nn.MeanCentredPLRNN(M, K, key=key),
    "dendritic": lambda key: nn.DendriticPLRNN(M, B, K, key=key),
    "dendritic clipped": lambda key: nn.DendriticPLRNN(M, B, K, clipped=True, key=key),
    "shallow": lambda key: nn.ShallowPLRNN(M, L, K, key=key),
    "shallow clipped": lambda key: nn.ShallowPLRNN(M, L, K, clipped=True, key=key),
    "almost linear": lambda key: nn.AlmostLinearRNN(M, 2, K, key=key),
}
SWITCHES = dict(zip(MAKE, (M, M, M * B, M * (B + 1), L, 2 * L, 2)))
families = pytest.mark.parametrize("name", MAKE)


def relu(x):
    return np.maximum(x, 0)


def expected(net, z, s):
    """The paper's equation."""
    p = {name: np.asarray(value) for name, value in vars(net).items()}
    if isinstance(net, nn.ShallowPLRNN):
        u = p["inner_weights"] @ z
        act = relu(u + p["hidden_bias"]) - (relu(u) if net.clipped else 0)
        return p["diagonal"] * z + p["outer_weights"] @ act + p["bias"] + p["input_weights"] @ s
    weights = p["weights"] - np.diag(np.diag(p["weights"]))
    if isinstance(net, nn.AlmostLinearRNN):
        weights, act = p["weights"], np.append(z[:-2], relu(z[-2:]))
    elif isinstance(net, nn.MeanCentredPLRNN):
        act = relu(z - z.mean())
    elif isinstance(net, nn.DendriticPLRNN):
        act = sum(a * (relu(z - h) - (relu(z) if net.clipped else 0)) for a, h in zip(p["slopes"], p["thresholds"].T))
    else:
        act = relu(z)
    return p["diagonal"] * z + weights @ act + p["bias"] + p["input_weights"] @ s


def randomised(net, scale=0.7):
    params, rest = eqx.partition(net, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    return eqx.combine(unravel(jnp.asarray(scale * np.random.default_rng(1).normal(size=flat.shape))), rest)


@families
def test_step_is_the_equation(name, keys):
    net = randomised(MAKE[name](keys()))
    for z, s in zip(np.random.default_rng(0).normal(size=(20, M)), np.random.default_rng(2).normal(size=(20, K))):
        state, y = net.step(jnp.asarray(z), jnp.asarray(s))
        assert_close(state, expected(net, z, s), "exact")
        assert_close(y, state, "exact")


@families
def test_regions_hold_the_map_and_its_jacobian(name, keys):
    net = randomised(MAKE[name](keys()))
    assert net.num_switches == SWITCHES[name]
    states = jnp.asarray(np.random.default_rng(3).normal(size=(60, M)))
    regions = jax.vmap(net.region)(states)
    assert regions.shape == (60, net.num_switches) and len(np.unique(np.asarray(regions), axis=0)) > 3
    matrices, offsets = jax.vmap(net.affine)(regions)
    assert_close(jnp.einsum("ijk,ik->ij", matrices, states) + offsets, jax.vmap(net.advance)(states), "exact")
    assert_close(matrices, jax.vmap(jax.jacfwd(net.advance))(states), "exact")
    assert_close(jax.vmap(net.jacobian)(states), matrices, "exact")


@families
def test_without_external_inputs_any_input_of_width_zero_goes(name, keys):
    net = MAKE[name](keys())
    bare = eqx.tree_at(lambda n: n.input_weights, net, None)
    assert (net.in_size, bare.in_size) == (K, 0)
    ys, final = bare(jnp.zeros((5, 0)), jnp.ones(M))
    still, _ = net(jnp.zeros((5, K)), jnp.ones(M))
    assert_close(ys, still, "exact")
    assert ys.shape == (5, M) and final.shape == (M,)


@pytest.mark.parametrize("name", ["shallow clipped", "dendritic clipped"])
def test_clipped_networks_stay_in_a_ball(name, keys):
    """Every orbit ends in the ball of the radius (bound of the drive) / (1 - max |A|), however large the weights."""
    net = randomised(MAKE[name](keys()), 5.0)
    net = eqx.tree_at(lambda n: n.diagonal, net, jnp.array([0.9, -0.8, 0.3, 0.95]))
    if isinstance(net, nn.ShallowPLRNN):
        drive = jnp.abs(net.outer_weights) @ jnp.abs(net.hidden_bias)
    else:
        weights = net.weights - jnp.diag(jnp.diagonal(net.weights))
        drive = jnp.abs(weights) @ jnp.sum(jnp.abs(net.slopes * net.thresholds), axis=1)
    radius = (drive + jnp.abs(net.bias)) / (1 - jnp.abs(net.diagonal))
    starts = jnp.asarray(1e4 * np.random.default_rng(4).normal(size=(30, M)))
    states = jax.vmap(lambda z: net(jnp.zeros((400, K)), z)[0])(starts)
    assert np.all(np.abs(states[:, 300:]) <= 1.0001 * radius)
    # The plain network of the same parameters leaves every bound.
    plain = MAKE[name.split()[0]](keys())
    plain = jax.tree.unflatten(jax.tree.structure(plain), jax.tree.leaves(net))
    assert not np.all(np.isfinite(jax.vmap(lambda z: plain(jnp.zeros((400, K)), z)[0])(starts)))


def test_initial_weights_are_those_of_the_papers(keys):
    net = nn.PLRNN(30, key=keys())
    matrix = np.asarray(net.weights) + np.diag(np.asarray(net.diagonal))
    values = np.linalg.eigvalsh(matrix)
    assert values[-1] == pytest.approx(1) and values[0] > 0 and np.allclose(matrix, matrix.T)
    assert np.all(np.diag(net.weights) == 0) and np.all(net.bias == 0)
    shallow = nn.ShallowPLRNN(4, 400, clipped=True, key=keys())
    for leaf, fan in ((shallow.outer_weights, 400), (shallow.inner_weights, 4), (shallow.hidden_bias, 400)):
        bound = fan**-0.5
        assert np.abs(leaf).max() <= bound and np.std(leaf) == pytest.approx(bound / 3**0.5, rel=0.15)
    assert np.all(nn.ShallowPLRNN(4, 5, key=keys()).hidden_bias == 0)
    almost = nn.AlmostLinearRNN(40, 2, key=keys())
    assert np.std(almost.weights) == pytest.approx(0.01, rel=0.1)
    thresholds = nn.DendriticPLRNN(3, 200, thresholds=(2.0, 5.0), key=keys()).thresholds
    assert thresholds.min() >= 2 and thresholds.max() <= 5 and np.std(thresholds) == pytest.approx(3 / 12**0.5, rel=0.1)


def test_the_diagonal_of_the_coupling_is_never_learned(keys):
    net = randomised(nn.PLRNN(M, key=keys()))
    grads = eqx.filter_grad(lambda n: jnp.sum(n.advance(jnp.ones(M)) ** 2))(net)
    assert np.all(np.diag(grads.weights) == 0) and np.any(np.asarray(grads.weights) != 0)


@families
def test_they_have_kinks(name, keys):
    assert nn.has_kinks(MAKE[name](keys()))
    assert nn.has_kinks({"inside": [MAKE[name](keys())]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda key: nn.PLRNN(0, key=key), "state_size"),
        (lambda key: nn.MeanCentredPLRNN(1, key=key), "at least 2"),
        (lambda key: nn.ShallowPLRNN(3, 2.5, key=key), "hidden_size"),  # pyright: ignore[reportArgumentType]
        (lambda key: nn.AlmostLinearRNN(3, 4, key=key), "at most all"),
        (lambda key: nn.DendriticPLRNN(3, 4, thresholds=(1.0, 0.0), key=key), "thresholds"),
        (lambda key: nn.PLRNN(3, -1, key=key), "in_size"),
    ],
)
def test_what_cannot_be_is_refused(make, words, key):
    with pytest.raises(Exception, match=words):
        make(key)
