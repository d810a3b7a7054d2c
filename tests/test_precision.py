"""Products of float32 on an accelerator: what is asked of it, read from the traced programs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest

import linnet as ln
from linnet import _precision, nn, scan
from tests.scan.cases import ATTEND

HIGHEST = (jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)


@pytest.fixture(autouse=True)
def unset():
    """Nobody has set a precision, as a command line that was run in this process did."""
    before = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", None)
    yield
    jax.config.update("jax_default_matmul_precision", before)


@pytest.fixture
def accelerated(monkeypatch):
    """linnet believes it is on an accelerator; programs are traced only."""
    jax.clear_caches()
    monkeypatch.setattr(_precision, "is_accelerated", lambda: True)
    yield
    jax.clear_caches()


def products(jaxpr):
    """The precisions of all products of matrices in a program, inner programs included."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found.append(equation.params["precision"])
        if equation.primitive.name == "product":  # linnet's own, which keeps the word
            word = equation.params["precision"]
            found.append(None if word is None else (jax.lax.Precision(word),) * 2)
        for value in jtu.tree_leaves(equation.params, is_leaf=lambda leaf: hasattr(leaf, "eqns")):
            inner = getattr(value, "jaxpr", value)
            found += products(inner) if hasattr(inner, "eqns") else []
    return found


def traced(run, *arrays):
    """The products of a function and of its gradient, which is taken of the finished program as `jax.jit` leaves it."""
    program = jax.make_jaxpr(jax.grad(jax.jit(lambda arrays: sum(jnp.sum(part) for part in run(*arrays)))))
    return products(program(arrays).jaxpr)


@pytest.mark.parametrize("name", ["scalar", "diagonal", "delta, diagonal", "product"])
def test_products_of_the_engine_are_not_rounded(name, accelerated):
    memory = ATTEND[name](np.random.default_rng(0), 20)
    leaves = memory.transition, memory.queries, memory.keys, memory.values
    arrays = jtu.tree_map(lambda leaf: jnp.asarray(leaf, jnp.float32), leaves)
    for mode in ("scan", "chunk", "auto"):
        precisions = traced(lambda *parts, mode=mode: scan.attend(*parts, mode=mode, chunk_size=8), *arrays)
        assert len(precisions) > 3 and set(precisions) == {HIGHEST}, mode


@pytest.mark.parametrize("name", ["gated-delta-net", "mamba2", "lssl", "s4", "block-diagonal-lrnn"])
def test_products_of_layers_are_not_rounded(name, accelerated):
    layer = nn.LAYERS[name](8, key=jr.key(0), dtype=jnp.float32)
    arrays, rest = eqx.partition(layer, eqx.is_inexact_array)
    precisions = traced(lambda arrays, xs: eqx.combine(arrays, rest)(xs)[:1], arrays, jnp.ones((20, 8), jnp.float32))
    assert len(precisions) > 3 and set(precisions) == {HIGHEST}


def test_who_sets_a_precision_is_followed(accelerated):
    transition, ones = scan.Scalar(jnp.float32(0.9)), jnp.ones((20, 4), jnp.float32)
    with jax.default_matmul_precision("bfloat16"):
        precisions = traced(lambda x: scan.attend(transition, x, x, x, mode="chunk"), ones)
    assert set(precisions) == {(jax.lax.Precision.DEFAULT, jax.lax.Precision.DEFAULT)}


def test_cpus_are_left_alone():
    x = jnp.ones((20, 4), jnp.float32)
    assert set(traced(lambda x: ln.scan.attend(scan.Scalar(jnp.float32(0.9)), x, x, x, mode="chunk"), x)) == {None}
