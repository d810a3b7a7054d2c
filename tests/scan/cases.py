"""Transitions of every structure, each with what it does to one state in NumPy: what the engine's tests run through."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.flatten_util import ravel_pytree

from linnet import scan


class Case(NamedTuple):
    """A recurrence of vectors (or stacks of them) under test.

    Args:
        transition: of linnet, with arrays over the steps.
        apply: `apply(step, state) -> state` in NumPy.
        shape: of one state.
        add: the sum of the recurrence.
        empty: what is there before anything has come.
    """

    transition: Any
    apply: Callable[[int, np.ndarray], np.ndarray]
    shape: tuple[int, ...]
    add: Callable[..., np.ndarray] = np.add
    empty: float = 0.0


def _gates(rng, shape):
    """Numbers of both signs in [-1, 1], with exact zeros and ones among them."""
    gates = rng.uniform(-1, 1, shape)
    gates.flat[::7], gates.flat[::11] = 0.0, 1.0
    return gates


def _diagonal(rng, num):
    a = _gates(rng, (num, 5))
    return Case(scan.Diagonal(jnp.asarray(a)), lambda t, h: a[t] * h, (5,))


def _diagonal_of_rows(rng, num):
    a = _gates(rng, (num, 3))
    return Case(scan.Diagonal(jnp.asarray(a)), lambda t, h: a[t][:, None] * h, (3, 2))


def _logarithms(rng, num):
    log, sign = -rng.uniform(0, 3, (num, 4)), rng.choice([-1.0, 1.0], (num, 4))
    a = sign * np.exp(log)
    return Case(scan.Diagonal(log=jnp.asarray(log), sign=jnp.asarray(sign)), lambda t, h: a[t] * h, (4,))


def _complex(rng, num):
    a = rng.uniform(0, 1, (num, 3)) * np.exp(1j * rng.uniform(0, 6, (num, 3)))
    return Case(scan.Diagonal(jnp.asarray(a)), lambda t, h: a[t] * h, (3,))


def _poles(rng, num):
    a = rng.uniform(0.5, 1, 3) * np.exp(1j * rng.uniform(0, 6, 3))
    return Case(scan.Diagonal(jnp.asarray(a), invariant=True), lambda t, h: a * h, (3,))


def _scalar(rng, num):
    a = _gates(rng, num)
    return Case(scan.Scalar(jnp.asarray(a)), lambda t, h: a[t] * h, (2, 3))


def _constant(rng, num):
    return Case(scan.Scalar(jnp.asarray(-0.8)), lambda t, h: -0.8 * h, (4,))


def _identity(rng, num):
    return Case(scan.Identity(), lambda t, h: h, (4,))


def _block(rng, num):
    blocks = rng.normal(size=(num, 3, 2, 2)) / 2
    return Case(scan.Block(jnp.asarray(blocks)), lambda t, h: np.einsum("hij,hj->hi", blocks[t], h), (3, 2))


def _same_block(rng, num):
    blocks = rng.normal(size=(2, 3, 3)) / 3
    return Case(
        scan.Block(jnp.asarray(blocks), invariant=True), lambda t, h: np.einsum("hij,hj->hi", blocks, h), (2, 3)
    )


def _block_with_factors(rng, num):
    # Products of so many blocks without their factors would overflow, and of the factors alone underflow.
    blocks, factors = 30 * rng.normal(size=(num, 3, 2, 2)), rng.uniform(0.2, 0.6, (num, 3)) / 30
    return Case(
        scan.Block(jnp.asarray(blocks), factors=jnp.asarray(factors)),
        lambda t, h: np.einsum("h,hij,hj->hi", factors[t], blocks[t], h),
        (3, 2),
    )


def _same_block_with_factors(rng, num):
    blocks, factors = rng.normal(size=(2, 3, 3)), rng.uniform(0.1, 0.3, 2)
    return Case(
        scan.Block(jnp.asarray(blocks), invariant=True, factors=jnp.asarray(factors)),
        lambda t, h: np.einsum("h,hij,hj->hi", factors, blocks, h),
        (2, 3),
    )


def _dense(rng, num):
    matrix = rng.normal(size=(num, 4, 4)) / 3
    return Case(scan.Dense(jnp.asarray(matrix)), lambda t, h: matrix[t] @ h, (4, 2))


def _same_dense(rng, num):
    matrix = rng.normal(size=(4, 4)) / 3
    return Case(scan.Dense(jnp.asarray(matrix), invariant=True), lambda t, h: matrix @ h, (4,))


def _low_rank(rng, num):
    erase, write, log = rng.normal(size=(num, 2, 4)) / 2, rng.normal(size=(num, 2, 4)) / 2, -rng.uniform(0, 1, num)

    def apply(t, h):
        h = np.exp(log[t]) * h
        for e, w in zip(erase[t], write[t]):
            h = h + w * (e @ h)
        return h

    return Case(scan.LowRank(jnp.asarray(erase), jnp.asarray(write), jnp.asarray(log)), apply, (4,))


def _max_plus(rng, num):
    log = -rng.uniform(0, 1, (num, 4))
    return Case(scan.MaxPlus(jnp.asarray(log)), lambda t, h: log[t] + h, (4,), np.maximum, -np.inf)


def _log_sum_exp(rng, num):
    log = -rng.uniform(0, 1, num)
    return Case(scan.LogSumExp(jnp.asarray(log)), lambda t, h: log[t] + h, (4,), np.logaddexp, -np.inf)


def _same_log_sum_exp(rng, num):
    log = np.array([-0.5, 0.0, -0.1])
    return Case(scan.LogSumExp(jnp.asarray(log), invariant=True), lambda t, h: log + h, (3,), np.logaddexp, -np.inf)


#: name -> `make(rng, num)`.
RECUR = {
    "diagonal": _diagonal,
    "diagonal of rows": _diagonal_of_rows,
    "logarithms and signs": _logarithms,
    "complex": _complex,
    "poles": _poles,
    "scalar": _scalar,
    "constant": _constant,
    "identity": _identity,
    "block": _block,
    "same block": _same_block,
    "block with factors": _block_with_factors,
    "same block with factors": _same_block_with_factors,
    "dense": _dense,
    "same dense": _same_dense,
    "low rank": _low_rank,
    "max plus": _max_plus,
    "log sum exp": _log_sum_exp,
    "same log sum exp": _same_log_sum_exp,
}


def recur_loop(case, drives, start=None, resets=None, reverse=False):
    """All states, one step after the other."""
    num = len(drives)
    empty = np.full(case.shape, case.empty, drives.dtype)
    state, states = (
        empty if start is None else start,
        np.zeros(drives.shape, np.result_type(drives, case.apply(0, empty))),
    )
    for t in range(num)[:: -1 if reverse else 1]:
        if resets is not None and resets[t]:
            state = empty
        state = case.add(case.apply(t, state), drives[t])
        states[t] = state
    return states


class Memory(NamedTuple):
    """A recurrence of matrices under test, with queries, keys and values.

    Args:
        transition: of linnet.
        queries, keys, values: as `linnet.scan.attend` takes them.
        write: `write(step, state) -> state` in NumPy: the next state, keys and values of the step included.
    """

    transition: Any
    queries: np.ndarray
    keys: np.ndarray | None
    values: np.ndarray
    write: Callable[[int, np.ndarray], np.ndarray]


KEYS, VALUES = 6, 5


def _decay(kind, rank=0):
    def make(rng, num):
        pairs = (num, rank) if rank else (num,)
        q, k, v = (rng.normal(size=(*shape, size)) for shape, size in (((num,), KEYS), (pairs, KEYS), (pairs, VALUES)))
        log, sign = -rng.uniform(0, 3, (num, KEYS)), rng.choice([-1.0, 1.0], (num, KEYS))
        a, j = sign * np.exp(log), jnp.asarray
        transition, numbers = {
            "identity": lambda: (scan.Identity(), np.ones((num, 1))),
            "constant": lambda: (scan.Scalar(j(0.9)), np.full((num, 1), 0.9)),
            "same diagonal": lambda: (scan.Diagonal(j(a[0]), invariant=True), np.broadcast_to(a[:1], a.shape)),
            "scalar": lambda: (scan.Scalar(log=j(log[:, 0]), sign=j(sign[:, 0])), a[:, :1]),
            "positive scalar": lambda: (scan.Scalar(log=j(log[:, 0])), np.exp(log[:, :1])),
            "diagonal": lambda: (scan.Diagonal(log=j(log), sign=j(sign)), a),
            "positive diagonal": lambda: (scan.Diagonal(log=j(log)), np.exp(log)),
            "values": lambda: (scan.Diagonal(j(a)), a),
        }[kind]()

        def write(t, state):
            return numbers[t][:, None] * state + (np.outer(k[t], v[t]) if not rank else k[t].T @ v[t])

        return Memory(transition, q, k, v, write)

    return make


def _corrections(rank, decay, written, undecayed=False):
    """`written`: "own" keys are the transition's, "each" correction has a pair, "last" all corrections come before."""

    def make(rng, num):
        unit = rng.normal(size=(num, rank, KEYS))
        unit /= np.linalg.norm(unit, axis=-1, keepdims=True)
        beta = rng.uniform(0, 2, (num, rank, 1))  # up to reflections
        pairs = (num,) if written == "last" else (num, rank)
        q, v, k = rng.normal(size=(num, KEYS)), rng.normal(size=(*pairs, VALUES)), rng.normal(size=(*pairs, KEYS))
        k = beta * unit if written == "own" else k
        log, sign = -rng.uniform(0, 2, (num, KEYS)), rng.choice([-1.0, 1.0], (num, KEYS))
        log, sign = (log[:, :1], sign[:, :1]) if "scalar" in decay else (log, sign)
        sign = sign if "signed" in decay else np.ones_like(sign)
        a = np.ones((num, 1)) if decay == "none" else sign * np.exp(log)

        def write(t, state):
            before, state = state, a[t][:, None] * state
            for j in range(rank):
                read = unit[t, j] @ (before if undecayed else state)
                state = state - np.outer(beta[t, j] * unit[t, j], read)
                if written != "last":
                    state = state + np.outer(k[t, j], v[t, j])
            return state + np.outer(k[t], v[t]) if written == "last" else state

        logs = None if decay == "none" else jnp.asarray(log[:, 0] if "scalar" in decay else log)
        signs = jnp.asarray(sign[:, 0] if "scalar" in decay else sign) if "signed" in decay else None
        transition = scan.LowRank(jnp.asarray(-unit), jnp.asarray(beta * unit), logs, signs, undecayed)
        return Memory(transition, q, None if written == "own" else k, v, write)

    return make


#: name -> `make(rng, num)`.
ATTEND = {
    "identity": _decay("identity"),
    "constant": _decay("constant"),
    "same diagonal": _decay("same diagonal"),
    "scalar": _decay("scalar"),
    "positive scalar": _decay("positive scalar"),
    "diagonal": _decay("diagonal"),
    "positive diagonal": _decay("positive diagonal"),
    "values": _decay("values"),
    "scalar, two pairs": _decay("scalar", 2),
    "diagonal, two pairs": _decay("diagonal", 2),
    "delta": _corrections(1, "none", "own"),
    "delta, own keys": _corrections(1, "none", "each"),
    "delta, scalar": _corrections(1, "scalar", "own"),
    "delta, signed scalar": _corrections(1, "signed scalar", "last"),
    "delta, diagonal": _corrections(1, "diagonal", "own"),
    "delta, signed diagonal": _corrections(1, "signed diagonal", "each"),
    "undecayed": _corrections(1, "diagonal", "last", True),
    "undecayed, signed": _corrections(1, "signed scalar", "each", True),
    "product": _corrections(3, "none", "own"),
    "product, own keys": _corrections(2, "signed diagonal", "each"),
    "product, scalar": _corrections(2, "signed scalar", "own"),
    "product, last": _corrections(2, "diagonal", "last"),
}


def attend_loop(memory, start=None, resets=None, reverse=False):
    """Outputs and the last state, one step after the other."""
    num = len(memory.queries)
    empty = np.zeros((memory.queries.shape[-1], memory.values.shape[-1]))
    state, outputs = empty if start is None else start, np.zeros((num, empty.shape[1]))
    for t in range(num)[:: -1 if reverse else 1]:
        if resets is not None and resets[t]:
            state = empty
        state = memory.write(t, state)
        outputs[t] = state.T @ memory.queries[t]
    return outputs, state


def move(direction, unravel):
    """A direction in which signs stay what they are: they have no derivative."""
    keep = lambda path, leaf: leaf * (getattr(path[-1], "name", "") != "sign")  # noqa: E731
    return ravel_pytree(jtu.tree_map_with_path(keep, unravel(direction)))[0]
