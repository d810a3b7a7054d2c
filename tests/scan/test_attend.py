"""`attend` in every mode against a loop in NumPy, its gradients against finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import scan
from linnet.scan import _policy
from tests.compilations import count_compilations
from tests.scan.cases import ATTEND, KEYS, VALUES, attend_loop, move
from tests.tolerances import assert_close

#: Not a multiple of the chunk.
STEPS, CHUNK = 19, 8


def problem(name, num, seed=0):
    rng = np.random.default_rng(seed)
    memory = ATTEND[name](rng, num)
    resets = rng.uniform(size=num) < 0.2
    resets[num // 2 : num // 2 + 2] = True
    return memory, rng.normal(size=(KEYS, VALUES)), resets


def arrays(memory):
    keys = None if memory.keys is None else jnp.asarray(memory.keys)
    return memory.transition, jnp.asarray(memory.queries), keys, jnp.asarray(memory.values)


def compare(name, num, chunks=(CHUNK,), modes=None, turns=(True,)):
    """Modes of a case, with and without start, resets and reverse, in one compiled program."""
    memory, start, resets = problem(name, num)
    settings = [
        (mode, chunk, state, cut, reverse)
        for mode in modes or memory.transition.attend_admitted()
        for chunk in (chunks if mode in ("scan", "chunk") else (None,))
        for state, cut, reverse in ((None, None, False), *((start, resets, turn) for turn in turns))
        if not (mode == "fft" and cut is not None)
    ]

    def run():
        out = []
        for mode, chunk, state, cut, reverse in settings:
            start, cut = (None if part is None else jnp.asarray(part) for part in (state, cut))
            options = {"mode": mode, "chunk_size": chunk, "resets": cut, "reverse": reverse}
            out.append(scan.attend(*arrays(memory), start, **options))
        return out

    for (mode, chunk, state, cut, reverse), (outputs, last) in zip(settings, jax.jit(run)()):
        expected, end = attend_loop(memory, state, cut, reverse)
        label = f"{name}, {mode}, chunk {chunk}, resets {cut is not None}, reverse {reverse}"
        for found, wanted in ((outputs, expected), (last, end)):
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12 * scale, err_msg=label)


@pytest.mark.parametrize("name", ["diagonal", "scalar, two pairs", "undecayed, signed", "product, own keys"])
def test_chunks_are_the_loop(name):
    compare(name, STEPS, modes=("chunk",))


#: More than two groups of chunks, whose last one is filled up.
LONG = 531


@pytest.mark.parametrize("name", ["scalar", "constant", "diagonal", "undecayed, signed", "product, own keys"])
def test_groups_of_chunks_are_the_loop(name):
    assert 2 * _policy.CPU_GROUP < LONG
    compare(name, LONG, modes=("chunk",))


@pytest.mark.parametrize("name", ["scalar", "undecayed, signed"])
def test_gradients_through_groups_of_chunks_are_those_of_the_loop(name):
    memory, start, resets = problem(name, LONG)
    parts = (*arrays(memory), jnp.asarray(start))

    def objective(parts, mode):
        transition, queries, keys, values, start = parts
        # Signs are no numbers that change: chunks use that their squares are 1.
        transition = eqx.tree_at(lambda t: t.sign, transition, jax.lax.stop_gradient(transition.sign))
        outputs, last = scan.attend(
            transition, queries, keys, values, start, mode=mode, chunk_size=CHUNK, resets=jnp.asarray(resets)
        )
        return jnp.sum(jnp.sin(outputs)) + jnp.sum(jnp.cos(last))

    found, expected = (jax.grad(objective)(parts, mode) for mode in ("chunk", "step"))
    for one, other in zip(jtu.tree_leaves(found), jtu.tree_leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-9 * np.abs(other).max())


@pytest.mark.parametrize("name", ["scalar", "product"])
def test_every_mode_is_the_loop(name):
    compare(name, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTEND)
def test_every_mode_is_the_loop_at_any_length(name):
    for num in (1, 16, 37):
        compare(name, num, (4, 16, 100), turns=(False, True))


def derivatives(name, modes, num=11):
    """Gradients beside central differences, along one direction through all arrays and the start."""
    memory, start, resets = problem(name, num)
    flat, unravel = ravel_pytree((*arrays(memory), jnp.asarray(start)))
    rng = np.random.default_rng(1)
    weight, direction = rng.normal(size=(num, VALUES)), move(jnp.asarray(rng.normal(size=flat.shape)), unravel)

    def objective(vector, mode):
        options = {"mode": mode, "chunk_size": 4, "resets": None if mode == "fft" else jnp.asarray(resets)}
        outputs, last = scan.attend(*unravel(vector), **options)
        return jnp.sum(jnp.sin(outputs) * weight) + jnp.sum(jnp.cos(last))

    def values(vector):
        return [objective(vector, mode) for mode in modes]

    value, step = jax.jit(values), 1e-6
    expected = (np.array(value(flat + step * direction)) - np.array(value(flat - step * direction))) / (2 * step)

    def backward(vector):
        return [jax.grad(objective)(vector, mode) @ direction for mode in modes]

    assert_close(jax.jit(backward)(flat), expected, "finite_difference")


@pytest.mark.parametrize("name", ["diagonal", "delta, scalar"])
def test_gradients_of_chunks_are_finite_differences(name):
    derivatives(name, ("chunk",))


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTEND)
def test_gradients_of_every_mode_are_finite_differences(name):
    derivatives(name, problem(name, 11)[0].transition.attend_admitted())


def test_gates_that_are_nearly_shut_bear_chunks():
    # Cumulative decays of e^-6000 underflow, and their inverses would overflow: only differences may be taken.
    num = 40
    q, k, v = np.random.default_rng(0).normal(size=(3, num, 4))
    log = -np.random.default_rng(1).uniform(0, 300, (num, 4))
    log[::5] = 0.0
    j = jnp.asarray

    def run(log):
        unit = j(k / np.linalg.norm(k, axis=1, keepdims=True))[:, None]
        decays = scan.Diagonal(log=log), scan.Scalar(log=log[:, 0])
        outputs = [scan.attend(t, j(q), j(k), j(v), mode=m, chunk_size=20) for t in decays for m in ("chunk", "step")]
        low = scan.LowRank(-unit, unit, log)
        return [*outputs, *(scan.attend(low, j(q), None, j(v), mode=m, chunk_size=20) for m in ("chunk", "step"))]

    found = jax.jit(run)(j(log))
    for chunk, step in zip(found[::2], found[1::2]):
        assert_close(chunk[0], step[0], "exact")
        assert_close(chunk[1], step[1], "exact")
    gradient = jax.jit(jax.grad(lambda log: sum(jnp.sum(outputs) for outputs, _ in run(log))))(j(log))
    assert np.all(np.isfinite(gradient))


def test_low_precision_is_summed_in_float32():
    # In bfloat16 256 + 1 rounds to 256. Outputs are rounded once, at the end.
    num = 1024
    ones = jnp.ones((num, 1), "bfloat16")
    modes = ("step", "scan", "chunk", "associative")
    found = jax.jit(lambda: [scan.attend(scan.Identity(), ones, ones, ones, mode=mode) for mode in modes])()
    for outputs, last in found:
        assert outputs.dtype == jnp.bfloat16 and last.dtype == jnp.float32
        assert last[0, 0] == num and outputs[511, 0] == 512


def test_second_call_compiles_nothing():
    memory, start, _ = problem("delta", STEPS)
    compiled = jax.jit(lambda transition, q, v, start: scan.attend(transition, q, None, v, start, mode="chunk"))
    transition, q, _, v = arrays(memory)
    compiled(transition, q, v, jnp.asarray(start))
    others = jtu.tree_map(lambda leaf: 0.5 * leaf, transition), 2 * q, v, jnp.asarray(start)
    with count_compilations() as count:
        compiled(*others)
    assert not count


def temporary_bytes(mode, num, low_rank):
    """What the gradient needs beside its arguments and results."""

    def objective(log, q, k, v):
        transition = scan.LowRank(-k[:, None], k[:, None], log) if low_rank else scan.Scalar(log=log)
        return jnp.sum(scan.attend(transition, q, None if low_rank else k, v, mode=mode)[0] ** 2)

    one, many = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((num,), (num, 32)))
    compiled = jax.jit(jax.grad(objective, (0, 1, 2, 3))).lower(one, many, many, many).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("low_rank", [False, True])
def test_the_gradients_of_scan_and_chunk_do_not_keep_all_states(low_rank):
    num = 8192  # several groups of chunks
    states = num * 32 * 32 * 4
    found = {mode: temporary_bytes(mode, num, low_rank) for mode in ("step", "scan", "chunk")}
    assert found["step"] > states, found  # it does keep them
    assert found["scan"] < states / 3 and found["chunk"] < states / 2.5, found


def test_gradient_of_the_mode_by_use_is_mapped_over_examples_and_heads():
    # Two maps and outputs whose heads are not first: the loop and the chunks must leave mapped axes in one place.
    log = -jnp.abs(jr.normal(jr.key(0), (2, 3, 20, 4)))
    q, k, v = jr.normal(jr.key(1), (3, 2, 20, 3, 4))

    def objective(v, mode):
        def heads(log, q, k, v):
            one = jax.vmap(lambda log, *qkv: scan.attend(scan.Diagonal(log=log), *qkv, mode=mode), (0, 1, 1, 1), (1, 0))
            outputs, _ = one(log, q, k, v)
            return outputs / jnp.mean(outputs**2, axis=-1, keepdims=True)

        return jnp.sum(jnp.sin(jax.vmap(heads)(log, q, k, v)))

    # The compiled program is traced before it is differentiated.
    compiled = jax.jit(objective, static_argnums=1)
    assert_close(jax.grad(compiled)(v, "auto"), jax.grad(compiled)(v, "scan"), "closed_form")


@pytest.mark.parametrize("size", [16, 64])
def test_decays_that_are_known_to_be_bounded_take_one_product_with_the_same_result(size):
    rng, num, least = np.random.default_rng(3), 64, -0.6  # 64 steps of it are just within what one product bears
    keys = rng.standard_normal((num, 1, 4))
    keys = jnp.asarray(keys / np.linalg.norm(keys, axis=-1, keepdims=True))
    log = jnp.asarray(least * rng.uniform(size=(num, 4)))
    queries, values = jnp.asarray(rng.standard_normal((num, 4))), jnp.asarray(rng.standard_normal((num, 3)))

    def run(log, least):
        transition = scan.LowRank(-keys, keys, log, least=least)
        return scan.attend(transition, queries, keys[:, 0], values, mode="chunk", chunk_size=size)[0]

    def slope(least):
        return jax.jit(jax.grad(lambda log: jnp.sum(jnp.sin(run(log, least)))))(log)

    assert_close(run(log, least), run(log, None), "closed_form")
    assert_close(slope(least), slope(None), "closed_form")
