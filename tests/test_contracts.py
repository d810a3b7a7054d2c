"""One suite for every registered thing: what any network, observer, task or theory has to keep.

The registries are tables: a new network is a line in `tests/nn/registry.py`, a new observer one in
`tests/learn/registry.py`, a new generator one in `tests/tasks/registry.py`; theories register themselves. To be
exported and not in its table fails here.
"""

import functools as ft
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import SquaredError, _cite, learn, nn, theory
from linnet.theory import _registry
from tests.compilations import count_compilations
from tests.learn.registry import OBSERVERS
from tests.nn.registry import NETWORKS, NUM_IN, NUM_OUT
from tests.tolerances import assert_close

STEPS = 6


def exported(room, base):
    """The concrete classes of a kind that a room exports."""
    found = (value for name in dir(room) if not name.startswith("_") and inspect.isclass(value := getattr(room, name)))
    return {kind for kind in found if issubclass(kind, base) and not kind.__name__.startswith("Abstract")}


def assert_documented(thing):
    assert inspect.getdoc(thing), f"{thing} has no docstring."
    missing = set(_cite.citations(thing)) - set(_cite.references())
    assert not missing, f"{thing} cites {missing}, which references.bib does not hold."


# --- networks ---------------------------------------------------------------------------------------------------------


@ft.cache
def network(name, dtype="float64"):
    return NETWORKS[name](jr.key(0), jnp.dtype(dtype))


def example(name, dtype="float64", seed=0):
    """One input of a network: a vector, or a sequence."""
    shape = (STEPS, NUM_IN) if isinstance(network(name, dtype), nn.AbstractRecurrent) else (NUM_IN,)
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


@eqx.filter_jit
def apply(net, x):
    return nn.apply(net, x)


networks = pytest.mark.parametrize("name", NETWORKS)


def test_every_exported_network_is_registered():
    layers = exported(nn, nn.AbstractSequenceLayer)  # they have a suite of their own: tests/nn/test_layer_contract.py
    kinds = exported(nn, (nn.AbstractLinearNetwork, nn.AbstractRecurrent)) - layers | {nn.MLP}
    missing = kinds - {type(network(name)) for name in NETWORKS}
    assert not missing, f"Add {missing} to tests/nn/registry.py."


@networks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_network_keeps_shape_and_dtype(name, dtype):
    net, x = network(name, dtype), example(name, dtype)
    leaves = [leaf for leaf in jtu.tree_leaves(net) if eqx.is_array(leaf)]
    # Real arrays only: JAX's gradient of a complex leaf is the conjugate of the descent direction.
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype(dtype)}
    y = apply(net, x)
    assert y.dtype == x.dtype and y.shape == (*x.shape[:-1], NUM_OUT)
    assert nn.apply_last(net, x).shape == (NUM_OUT,)


@networks
def test_network_is_the_same_without_jit(name):
    net, x = network(name), example(name)
    with jax.disable_jit():
        plain = nn.apply(net, x)
    assert_close(apply(net, x), plain, "exact")


@networks
def test_network_maps_over_examples_and_over_members(name):
    xs = jnp.stack([example(name, seed=seed) for seed in range(3)])
    together = eqx.filter_jit(eqx.filter_vmap(nn.apply, in_axes=(None, 0)))(network(name), xs)
    for x, y in zip(xs, together):
        assert_close(y, apply(network(name), x), "exact")
    keys = jr.split(jr.key(1), 2)
    members = eqx.filter_jit(eqx.filter_vmap(lambda key: NETWORKS[name](key, jnp.dtype("float64"))))(keys)
    ys = eqx.filter_jit(eqx.filter_vmap(nn.apply, in_axes=(eqx.if_array(0), None)))(members, xs[0])
    assert_close(ys[1], apply(NETWORKS[name](keys[1], jnp.dtype("float64")), xs[0]), "exact")


@networks
def test_network_gradient_is_a_finite_difference(name):
    params, rest = eqx.partition(network(name), eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    x = example(name)

    def objective(vector):
        return jnp.sum(jnp.sin(nn.apply(eqx.combine(unravel(vector), rest), x)))

    direction = jnp.asarray(np.random.default_rng(2).normal(size=flat.shape))
    value, step = jax.jit(objective), 1e-5
    expected = (value(flat + step * direction) - value(flat - step * direction)) / (2 * step)
    assert_close(jax.jit(jax.grad(objective))(flat) @ direction, expected, "finite_difference")


@networks
def test_network_compiles_once(name):
    apply(network(name), example(name))
    other, x = jtu.tree_map(lambda leaf: leaf, network(name)), example(name, seed=5)
    with count_compilations() as compiled:
        apply(other, x)
    assert not compiled


@networks
def test_network_is_documented_and_cited(name):
    assert_documented(type(network(name)))
    assert _cite.citations(type(network(name)))


def is_recurrent(name):
    """From the network's abstract shape: nothing is computed when tests are collected."""
    return isinstance(eqx.filter_eval_shape(NETWORKS[name], jr.key(0), jnp.dtype("float64")), nn.AbstractRecurrent)


@pytest.mark.parametrize("name", list(filter(is_recurrent, NETWORKS)))
def test_steps_are_the_call_and_states_go_on(name):
    net, xs = network(name), example(name)
    ys, final = net(xs)
    stepped, end = nn.run_steps(net, xs)
    assert_close(ys, stepped, "exact")
    # Half a sequence, then the rest from the state between.
    first, state = net(xs[:2])
    rest, last = net(xs[2:], state)
    assert_close(jnp.concatenate([first, rest]), ys, "exact")
    for a, b, c in zip(*map(jtu.tree_leaves, (final, end, last)), strict=True):
        assert_close(a, b, "exact")
        assert_close(a, c, "exact")
    start = net.init_state()
    assert [leaf.shape for leaf in jtu.tree_leaves(start)] == [leaf.shape for leaf in jtu.tree_leaves(final)]


# --- observers --------------------------------------------------------------------------------------------------------


@ft.cache
def bound(name, dtype="float64"):
    """A bound observer, the network before training, another one, and the data."""
    make, kind, data = OBSERVERS[name]
    task = data(jnp.dtype(dtype))
    initial, trained = (kind(key, jnp.dtype(dtype)) for key in jr.split(jr.key(0)))
    return make(jnp.dtype(dtype)).bind(initial, task, SquaredError()), initial, trained, task


@eqx.filter_jit
def measure(observer, net, initial, task):
    return observer.measure(net, initial=initial, task=task, key=None)


observers = pytest.mark.parametrize("name", OBSERVERS)


def test_every_exported_observer_is_registered():
    missing = exported(learn, learn.AbstractObserver) - {type(bound(name)[0]) for name in OBSERVERS}
    assert not missing, f"Add {missing} to tests/learn/registry.py."


@observers
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_observer_keeps_shape_and_dtype(name, dtype):
    observer, initial, trained, task = bound(name, dtype)
    value = measure(observer, trained, initial, task)
    assert value.dtype == jnp.dtype(dtype)
    assert value.ndim == len(observer.dims) == len(set(observer.dims)) and "time" not in observer.dims
    assert np.all(np.isfinite(value))
    for axis, coordinate in observer.coords().items():
        assert axis in observer.dims and len(coordinate) == value.shape[observer.dims.index(axis)]


@observers
def test_observer_is_the_same_without_jit(name):
    observer, initial, trained, task = bound(name)
    with jax.disable_jit():
        plain = observer.measure(trained, initial=initial, task=task, key=None)
    assert_close(measure(observer, trained, initial, task), plain, "closed_form")


@observers
def test_observer_maps_over_members(name):
    """Bound and measured within one mapped program, as an ensemble does it."""
    make, kind, _ = OBSERVERS[name]
    task = bound(name)[3]

    def member(key):
        before, after = (kind(k, jnp.dtype("float64")) for k in jr.split(key))
        observer = make(jnp.dtype("float64")).bind(before, task, SquaredError())
        return observer.measure(after, initial=before, task=task, key=None)

    keys = jnp.stack([jr.key(3), jr.key(0)])
    together = jax.jit(jax.vmap(member))(keys)
    observer, initial, trained, task = bound(name)
    assert_close(together[1], measure(observer, trained, initial, task), "closed_form")


@observers
def test_observer_compiles_once(name):
    observer, initial, trained, task = bound(name)
    measure(observer, trained, initial, task)
    with count_compilations() as compiled:
        measure(observer, initial, trained, task)
    assert not compiled


@observers
def test_observer_is_documented(name):
    observer = bound(name)[0]
    assert_documented(type(observer))
    assert observer.name.isidentifier()


# --- tasks: `tests/tasks/registry.py` and the tests beside it --------------------------------------------------------
# --- theories ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", _registry.THEORIES, ids=lambda made: type(made).__name__)
def test_theory_is_documented_and_cited(made):
    assert_documented(type(made))
    assert _cite.citations(type(made))
    assert made.strength in range(5)
    assert type(made) in exported(theory, theory.AbstractTheory), "Every registered theory is exported."
