"""`recur` in every mode against a loop in NumPy, its derivatives against finite differences."""

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from linnet import scan
from tests.compilations import count_compilations
from tests.scan.cases import RECUR, move, recur_loop
from tests.tolerances import assert_close

#: Not a multiple of the chunk.
STEPS, CHUNK = 19, 8


def problem(name, num, seed=0):
    """A case with drives, a state to start from, and resets, two of them in a row."""
    rng = np.random.default_rng(seed)
    case = RECUR[name](rng, num)
    kind = np.result_type(case.apply(0, np.zeros(case.shape)))
    drives, start = (rng.normal(size=shape).astype(kind) for shape in ((num, *case.shape), case.shape))
    resets = rng.uniform(size=num) < 0.2
    resets[num // 2 : num // 2 + 2] = True
    return case, drives, start, resets


def run(case, drives, start, resets, mode, **options):
    j = jnp.asarray
    return scan.recur(
        case.transition,
        j(drives),
        None if start is None else j(start),
        mode=mode,
        resets=None if resets is None else j(resets),
        **options,
    )


def compare(name, num, chunks=(CHUNK,)):
    """All modes of a case, with and without start, resets and reverse, in one compiled program."""
    case, drives, start, resets = problem(name, num)
    settings = [
        (mode, chunk, state, cut, reverse)
        for mode in case.transition.admitted()
        for chunk in (chunks if mode in ("scan", "chunk") else (None,))
        for state, cut, reverse in ((None, None, False), (start, None, True), (start, resets, False))
        if not (mode == "fft" and cut is not None)
    ]
    found = jax.jit(lambda: [run(case, drives, s, c, m, chunk_size=k, reverse=r) for m, k, s, c, r in settings])()
    for (mode, chunk, state, cut, reverse), (states, last) in zip(settings, found):
        expected = recur_loop(case, drives, state, cut, reverse)
        label = f"{name}, {mode}, chunk {chunk}, resets {cut is not None}, reverse {reverse}"
        scale = np.abs(expected).max()
        np.testing.assert_allclose(states, expected, rtol=1e-10, atol=1e-12 * scale, err_msg=label)
        np.testing.assert_array_equal(last, states[0 if reverse else -1], err_msg=label)


@pytest.mark.parametrize("name", ["diagonal", "complex", "low rank", "log sum exp"])
def test_every_mode_is_the_loop(name):
    compare(name, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECUR)
def test_every_mode_is_the_loop_at_any_length(name):
    for num in (1, 8, 37):
        compare(name, num, (3, 8, 100))


def derivatives(name, modes):
    """Reverse and forward mode of `recur` beside central differences of the loop in NumPy, along one direction."""
    case, drives, start, resets = problem(name, 11)
    drives, start = drives.real, start.real  # what is drawn is real; the transition may be complex
    arrays = jtu.tree_map(jnp.asarray, (case.transition, drives, start))
    flat, unravel = ravel_pytree(arrays)
    rng = np.random.default_rng(1)
    weight = rng.normal(size=drives.shape)
    direction = move(jnp.asarray(rng.normal(size=flat.shape)).astype(flat.dtype), unravel)

    def objective(vector, mode):
        transition, drives, start = unravel(vector)
        options = {"mode": mode, "chunk_size": 4, "resets": None if mode == "fft" else jnp.asarray(resets)}
        states, last = scan.recur(transition, drives, start, **options)
        return jnp.sum(jnp.sin(states.real) * weight) + jnp.sum(jnp.cos(last).imag + last.real)

    def values(vector):
        return [objective(vector, mode) for mode in modes]

    value, step = jax.jit(values), 1e-6
    expected = (np.array(value(flat + step * direction)) - np.array(value(flat - step * direction))) / (2 * step)
    _, forward = jax.jit(lambda vector: jax.jvp(values, (vector,), (direction,)))(flat)
    assert_close(forward, expected, "finite_difference")

    def backward(vector):
        gradients = [jax.grad(objective)(vector, mode) for mode in modes]
        return [jnp.sum(gradient * direction).real for gradient in gradients]

    assert_close(jax.jit(backward)(flat), expected, "finite_difference")


@pytest.mark.parametrize("name", ["diagonal", "low rank"])
def test_derivatives_are_finite_differences(name):
    derivatives(name, ("scan", "chunk") if name == "diagonal" else ("scan",))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECUR)
def test_derivatives_of_every_mode_are_finite_differences(name):
    derivatives(name, problem(name, 11)[0].transition.admitted())


def test_derivatives_in_reverse_are_finite_differences():
    case, drives, start, _ = problem("diagonal", 7)
    drives, start = jnp.asarray(drives), jnp.asarray(start)

    def objectives(scale):
        transition = scan.Diagonal(scale * case.transition.value)
        options = {"reverse": True, "chunk_size": 3}
        runs = [scan.recur(transition, scale * drives, scale * start, mode=m, **options) for m in ("scan", "chunk")]
        return jnp.stack([jnp.sum(states**3) for states, _ in runs])

    value = jax.jit(objectives)
    assert_close(jax.jit(jax.jacrev(objectives))(1.0), (value(1 + 1e-6) - value(1 - 1e-6)) / 2e-6, "finite_difference")


def test_steps_before_a_reset_have_no_gradient_and_there_is_no_nan():
    resets, kinds = jnp.zeros(6, bool).at[4].set(True), (scan.MaxPlus, scan.LogSumExp, scan.Diagonal)

    def gradients(drives, log):
        def objective(drives, log, kind, mode):
            return jnp.sum(scan.recur(kind(log=log), drives, mode=mode, resets=resets, chunk_size=4)[0][4:])

        settings = [(kind, mode) for kind in kinds for mode in ("scan", "chunk")]
        return [jax.grad(objective, (0, 1))(drives, log, *setting) for setting in settings]

    for of_drives, of_log in jax.jit(gradients)(jnp.arange(12.0).reshape(6, 2), jnp.full((6, 2), -0.5)):
        assert np.all(of_drives[:4] == 0) and np.any(of_drives[4:] != 0) and np.all(of_log[:5] == 0)
        assert np.all(np.isfinite(of_drives)) and np.all(np.isfinite(of_log))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_summed_in_float32(dtype):
    # In bfloat16 256 + 1 rounds to 256, in float16 2048 + 1 to 2048.
    ones = jnp.ones((4096, 1), dtype)
    transitions = (scan.Identity(), scan.Diagonal(ones), scan.Scalar(jnp.ones((), dtype)))
    modes = ("scan", "chunk", "associative")
    found = jax.jit(lambda: [scan.recur(transition, ones, mode=mode) for transition in transitions for mode in modes])()
    for states, last in found:
        assert states.dtype == jnp.float32 and last.dtype == jnp.float32
        assert last[0] == 4096.0 and states[2048, 0] == 2049.0


def test_the_precision_is_that_of_the_drives():
    # Under x64 too: numbers of another precision do not spread.
    drives = jnp.ones((5, 2), "float32")
    for values, expected in ((jnp.ones((5, 2), "float64"), "float32"), (jnp.ones((5, 2), "complex128"), "complex64")):
        assert scan.recur(scan.Diagonal(values), drives)[0].dtype == expected
    assert scan.recur(scan.Identity(), drives)[0].dtype == "float32"
    assert scan.recur(scan.Dense(jnp.ones((5, 2, 2), "float64")), drives)[0].dtype == "float32"
    assert scan.recur(scan.Diagonal(jnp.ones((5, 2), "float32")), drives.astype("float64"))[0].dtype == "float64"


def test_a_complex_state_is_carried_over_real_drives():
    rng = np.random.default_rng(0)
    poles, drives = jnp.asarray([0.9j, -0.5 + 0.3j]), jnp.asarray(rng.normal(size=(9, 2)))
    transitions = scan.Diagonal(poles, invariant=True), scan.Dense(jnp.diag(poles), invariant=True)
    modes = [(transition, mode) for transition in transitions for mode in transition.admitted()]

    def both(transition, mode):
        _, state = scan.recur(transition, drives[:4], mode=mode)
        return scan.recur(transition, drives, mode=mode)[1], scan.recur(transition, drives[4:], state, mode=mode)[1]

    for whole, parts in jax.jit(lambda: [both(*setting) for setting in modes])():
        assert_close(parts, whole, "exact")


def test_second_call_compiles_nothing():
    case, drives, start, _ = problem("block", STEPS)
    compiled = jax.jit(lambda transition, drives, start: scan.recur(transition, drives, start, mode="chunk"))
    compiled(case.transition, jnp.asarray(drives), jnp.asarray(start))
    others = jtu.tree_map(lambda leaf: 2 * leaf, case.transition), jnp.asarray(2 * drives), jnp.asarray(start)
    with count_compilations() as count:
        compiled(*others)
    assert not count


def temporary_bytes(mode, num, **options):
    """What the gradient of the recurrence of dense matrices needs beside its arguments and results."""

    def objective(matrix, drives):
        return jnp.sum(scan.recur(scan.Dense(matrix, invariant=True), drives, mode=mode, **options)[1] ** 2)

    arguments = jax.ShapeDtypeStruct((32, 32), jnp.float32), jax.ShapeDtypeStruct((num, 32, 64), jnp.float32)
    compiled = jax.jit(jax.grad(objective)).lower(*arguments).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def test_the_gradient_of_scan_keeps_a_few_arrays_of_states():
    num = 1024
    results = 2 * num * 32 * 64 * 4  # the states, and their cotangents
    # The states before each step and what is passed backwards: no matrices.
    assert temporary_bytes("scan", num) < 2.1 * results
