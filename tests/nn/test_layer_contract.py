"""The contract of every layer of sequence models: one table, one suite.

The default tests take one dtype and the main mode of each layer; the slow ones the whole product of layers, modes,
dtypes and lengths. What is independent: the oracles of `tests/nn/layers.py`, loops in NumPy, and finite differences.
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

from linnet import _cite, nn
from tests.compilations import count_compilations
from tests.nn.layers import LAYERS, WIDTH
from tests.tolerances import assert_close

#: Not a multiple of any chunk, and longer than two.
STEPS = 37
CHUNK = 8

layers = pytest.mark.parametrize("name", LAYERS)


def modes_of(name):
    """The modes of a layer, from its abstract shape: nothing is computed when tests are collected."""
    return eqx.filter_eval_shape(LAYERS[name].make, jr.key(0), jnp.float64).modes


every_mode = pytest.mark.parametrize(("name", "mode"), [(name, mode) for name in LAYERS for mode in modes_of(name)])


@ft.cache
def made(name, dtype="float64", mode="auto", chunk=CHUNK):
    """A layer whose parameters are all random: also those that begin at 0 or 1."""
    layer = LAYERS[name].make(jr.key(0), jnp.dtype(dtype), mode=mode, chunk_size=chunk)
    params, rest = eqx.partition(layer, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    noise = np.random.default_rng(0).normal(size=flat.shape)
    return eqx.combine(unravel(flat + jnp.asarray(0.05 * noise, flat.dtype)), rest)


def inputs(num, dtype="float64", seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num, WIDTH)), dtype)


@eqx.filter_jit
def call(layer, xs, state=None, resets=None):
    return layer(xs, state, resets=resets)


def assert_same(states, others, kind, dtype=jnp.float64):
    for state, other in zip(jtu.tree_leaves(states), jtu.tree_leaves(others), strict=True):
        assert_close(state, other, kind, dtype)


def scaled(layer, factor):
    """All parameters times a factor: gates that are nearly shut and nearly open."""
    return jtu.tree_map(lambda leaf: leaf * factor if eqx.is_inexact_array(leaf) else leaf, layer)


def test_every_exported_layer_is_registered():
    kinds = {kind for kind in vars(nn).values() if inspect.isclass(kind)}
    kinds = {k for k in kinds if issubclass(k, nn.AbstractSequenceLayer) and not k.__name__.startswith("Abstract")}
    assert not kinds - {type(made(name)) for name in LAYERS}, "Add it to tests/nn/layers.py."
    assert not kinds - set(nn.LAYERS.values()), "Add it to nn/_layer_registry.py."


@layers
def test_layer_is_its_formula(name):
    layer, xs = made(name), inputs(STEPS)
    ys, _ = call(layer, xs)
    assert ys.dtype == xs.dtype and ys.shape == xs.shape
    assert_close(ys, LAYERS[name].oracle(layer, np.asarray(xs)), "exact")
    assert {leaf.dtype for leaf in jtu.tree_leaves(eqx.filter(layer, eqx.is_array))} == {jnp.dtype("float64")}


@layers
def test_prefill_and_steps_are_the_call(name):
    layer, xs = made(name), inputs(STEPS)
    ys, final = call(layer, xs)
    first, state = call(layer, xs[:CHUNK])  # exactly one chunk
    rest, last = nn.run_steps(layer, xs[CHUNK:], state)
    assert_close(jnp.concatenate([first, rest]), ys, "exact")
    assert_same(last, final, "exact")
    start = layer.init_state()
    assert [leaf.shape for leaf in jtu.tree_leaves(start)] == [leaf.shape for leaf in jtu.tree_leaves(final)]
    assert [leaf.dtype for leaf in jtu.tree_leaves(start)] == [leaf.dtype for leaf in jtu.tree_leaves(final)]


@layers
def test_resets_are_separate_sequences(name):
    layer, xs = made(name), inputs(STEPS)
    if "resets" in getattr(LAYERS[name], "eager", ()):
        pytest.skip("its resets are tested by themselves")
    resets = jnp.zeros(STEPS, bool).at[jnp.array([5, CHUNK, CHUNK + 1, 30])].set(True)
    ys, final = call(layer, xs, None, resets)
    borders = [0, 5, CHUNK, CHUNK + 1, 30, STEPS]
    for first, last in zip(borders, borders[1:]):
        alone = LAYERS[name].oracle(layer, np.asarray(xs[first:last]))
        assert_close(ys[first:last], alone, "exact")
    assert_same(final, nn.run_steps(layer, xs[30:])[1], "exact")


@layers
def test_gradients_are_finite_differences(name):
    layer, xs = made(name), inputs(CHUNK + 3)
    _, start = call(layer, inputs(CHUNK, seed=3))
    arrays, rest = eqx.partition((layer, xs, start), eqx.is_inexact_array)
    flat, unravel = ravel_pytree(arrays)

    def objective(vector):
        layer, xs, state = eqx.combine(unravel(vector), rest)
        ys, final = layer(xs, state)
        return jnp.sum(jnp.sin(ys)) + sum(jnp.sum(jnp.cos(leaf)) for leaf in jtu.tree_leaves(final))

    direction = jnp.asarray(np.random.default_rng(2).normal(size=flat.shape))
    value = jax.jit(objective)

    def difference(step):
        return (value(flat + step * direction) - value(flat - step * direction)) / (2 * step)

    # Of fourth order: keys that are divided by their length bend strongly where they are short.
    expected = (4 * difference(1e-5) - difference(2e-5)) / 3
    assert_close(jax.jit(jax.grad(objective))(flat) @ direction, expected, "finite_difference")


@layers
def test_layer_maps_over_examples_and_compiles_once(name):
    layer, xs = made(name), jnp.stack([inputs(5, seed=seed) for seed in range(2)])
    together = eqx.filter_jit(eqx.filter_vmap(nn.apply, in_axes=(None, 0)))
    for x, y in zip(xs, together(layer, xs)):
        assert_close(y, LAYERS[name].oracle(layer, np.asarray(x)), "exact")
    others = xs[::-1]
    with count_compilations() as compiled:
        together(jtu.tree_map(lambda leaf: leaf, layer), others)
    assert not compiled


@layers
def test_layer_is_documented_cited_and_refuses_what_it_cannot(name):
    layer = made(name)
    assert inspect.getdoc(type(layer)) and _cite.citations(type(layer))
    assert not set(_cite.citations(type(layer))) - set(_cite.references())
    assert nn.LAYERS and type(layer) in nn.LAYERS.values()
    with pytest.raises(ValueError, match=rf"needs xs of shape \(step, {WIDTH}\), got \(4, {WIDTH + 1}\)"):
        layer(jnp.zeros((4, WIDTH + 1)))
    with pytest.raises(ValueError, match="at least 1 step"):
        layer(jnp.zeros((0, WIDTH)))
    with pytest.raises(ValueError, match="does not admit the mode 'newton'"):
        LAYERS[name].make(jr.key(0), jnp.float64, mode="newton")


# --- the whole product ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("num", [1, 5, 64, 257])
@every_mode
def test_every_mode_is_the_formula(name, mode, num, dtype):
    layer, xs = made(name, dtype, mode, 16), inputs(num, dtype)
    ys, final = call(layer, xs)
    wide, wide_xs = jtu.tree_map(
        lambda leaf: leaf.astype("float64") if eqx.is_inexact_array(leaf) else leaf, (layer, xs)
    )
    expected = LAYERS[name].oracle(wide, np.asarray(wide_xs))
    if dtype == "float64":
        np.testing.assert_allclose(ys, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    else:
        # The relative error of the whole, as the field reports it.
        assert np.sqrt(np.mean((ys - expected) ** 2)) <= 1e-5 * np.sqrt(np.mean(expected**2))
    assert_same(final, nn.run_steps(layer, xs)[1], "closed_form", jnp.dtype(dtype))


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.01, 10.0])
@every_mode
def test_every_mode_bears_extreme_gates(name, mode, factor):
    layer, xs = scaled(made(name, "float64", mode), factor), inputs(STEPS)
    expected = LAYERS[name].oracle(layer, np.asarray(xs))
    ys, _ = call(layer, xs)
    assert np.all(np.isfinite(ys))
    np.testing.assert_allclose(ys, expected, rtol=1e-8, atol=1e-10 * max(np.abs(expected).max(), 1e-300))
    gradient = eqx.filter_jit(eqx.filter_grad(lambda layer: jnp.sum(layer(xs)[0] ** 2)))(layer)
    assert all(np.all(np.isfinite(leaf)) for leaf in jtu.tree_leaves(gradient))


@pytest.mark.slow
@every_mode
def test_every_mode_has_the_gradient_of_the_token_loop(name, mode):
    layer, xs = made(name, "float64", mode), inputs(STEPS)
    _, start = call(layer, inputs(CHUNK, seed=3))

    def objective(both, run):
        layer, xs, state = both
        ys, final = run(layer, xs, state)
        return jnp.sum(jnp.sin(ys)) + sum(jnp.sum(jnp.cos(leaf)) for leaf in jtu.tree_leaves(final))

    def gradient(run):
        return eqx.filter_jit(eqx.filter_grad(lambda both: objective(both, run)))((layer, xs, start))

    assert_same(gradient(lambda layer, xs, s: layer(xs, s)), gradient(nn.run_steps), "closed_form")


@pytest.mark.slow
@every_mode
def test_every_mode_resets(name, mode):
    layer, xs = made(name, "float64", mode), inputs(STEPS)
    resets = jnp.zeros(STEPS, bool).at[jnp.array([0, 5, CHUNK, CHUNK + 1, 30])].set(True)
    _, start = call(layer, inputs(CHUNK, seed=3))
    if mode == "fft":
        return  # a Fourier transform has no resets; the layer takes another mode or says so
    ys, _ = call(layer, xs, start, resets)
    assert_close(ys[30:], LAYERS[name].oracle(layer, np.asarray(xs[30:])), "exact")
    assert_close(ys[:5], LAYERS[name].oracle(layer, np.asarray(xs[:5])), "exact")
