"""Whether the mode "auto" of the engine is the best one, over structures, lengths and widths."""

import functools as ft
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from linnet import scan

from ._clock import race, timed
from ._row import Row

SLOWER = 1.2
#: Steps, and states of `recur` or heads of `attend` (whose keys and values are 32 each).
RECUR = ((64, 16), (512, 256), (4096, 16), (4096, 256))
ATTEND = ((64, 2), (512, 16), (4096, 2), (4096, 16))
KEYS, BLOCK = 32, 8
#: What is so much slower than the best at first is not raced, and what makes so many bytes of states is not run.
HOPELESS, TOO_LARGE = 4.0, 1 << 26


class Case(NamedTuple):
    """A recurrence: `run(mode, *arrays)`, its modes, and the bytes of all its states."""

    run: Callable[..., Any]
    arrays: tuple[Any, ...]
    modes: Sequence[str]
    states: int


def _random(*shape: int, scale: float = 1.0) -> Any:
    return jnp.asarray(scale * np.random.default_rng(sum(shape)).standard_normal(shape), jnp.float32)


def _decays(*shape: int) -> Any:
    return -jnp.abs(_random(*shape, scale=0.1))


def _units(*shape: int) -> Any:
    keys = _random(*shape)
    return keys / jnp.linalg.norm(keys, axis=-1, keepdims=True)


def _recur(make: Callable[[Any], Any], transition: Any, drives: Any) -> Case:
    def run(mode: str, transition: Any, drives: Any) -> Any:
        return scan.recur(make(transition), drives, mode=mode)[0]

    modes = make(transition).admitted()
    # For numbers "step" is the same program as "scan".
    modes = tuple(m for m in modes if m != "step" or not isinstance(make(transition), scan.Diagonal))
    return Case(run, (transition, drives), modes, drives.nbytes)


def _attend(make: Callable[..., Any], *parts: Any, written: bool) -> Case:
    """`parts` are those of the transition, with an axis over heads; `written`: whether keys are given."""
    heads, num = parts[0].shape[:2]
    queries, keys, values = (_random(heads, num, KEYS) for _ in range(3))

    def run(mode: str, queries: Any, keys: Any, values: Any, *parts: Any) -> Any:
        def head(query: Any, key: Any, value: Any, *parts: Any) -> Any:
            return scan.attend(make(*parts), query, key if written else None, value, mode=mode)[0]

        return jax.vmap(head)(queries, keys, values, *parts)

    modes = make(*(part[0] for part in parts)).attend_admitted()
    return Case(run, (queries, keys, values, *parts), modes, heads * num * KEYS * KEYS * 4)


def _delta(keys: Any, betas: Any, logs: Any = None) -> Any:
    return scan.LowRank(-keys[:, None], (betas[:, None] * keys)[:, None], log=logs)


def _delta_case(num: int, heads: int, *logs: Any) -> Case:
    return _attend(_delta, _units(heads, num, KEYS), jnp.full((heads, num), 0.5, jnp.float32), *logs, written=False)


CASES: dict[str, tuple[Sequence[tuple[int, int]], Callable[[int, int], Case]]] = {
    "recur, Diagonal": (
        RECUR,
        lambda num, size: _recur(scan.Diagonal, jnp.exp(_decays(num, size)), _random(num, size)),
    ),
    "recur, complex Diagonal": (
        RECUR,
        lambda num, size: _recur(
            scan.Diagonal,
            jnp.exp(jax.lax.complex(_decays(num, size), _random(num, size))),
            _random(num, size).astype(jnp.complex64),
        ),
    ),
    "recur, Block": (
        RECUR,
        lambda num, size: _recur(
            scan.Block, _random(num, size // BLOCK, BLOCK, BLOCK, scale=0.3), _random(num, size // BLOCK, BLOCK)
        ),
    ),
    "attend, Scalar": (ATTEND, lambda num, n: _attend(lambda log: scan.Scalar(log=log), _decays(n, num), written=True)),
    "attend, Diagonal": (
        ATTEND,
        lambda num, n: _attend(lambda log: scan.Diagonal(log=log), _decays(n, num, KEYS), written=True),
    ),
    "attend, LowRank": (ATTEND, _delta_case),
    "attend, LowRank and Diagonal": (ATTEND, lambda num, n: _delta_case(num, n, _decays(n, num, KEYS))),
}


def _compiled(case: Case, mode: str, gradient: bool) -> tuple[Any, float]:
    """A program, and the seconds it took to compile."""

    def run(*arrays: Any) -> Any:
        return case.run(mode, *arrays)

    def loss(*arrays: Any) -> Any:
        return jnp.sum(jnp.abs(run(*arrays)) ** 2)

    every = tuple(range(len(case.arrays)))
    lowered = jax.jit(jax.grad(loss, every) if gradient else run).lower(*case.arrays)
    begun = time.perf_counter()
    program = lowered.compile()
    return program, time.perf_counter() - begun


def _content(program: Any) -> tuple[Any, ...]:
    """What XLA counts in a program: operations and bytes by kind, and memory."""
    costs = {name: value for name, value in program.cost_analysis().items() if value > 0}
    return sorted(costs.items()), program.memory_analysis().temp_size_in_bytes


class Point(NamedTuple):
    """What one size says: the ratio of auto to the best mode named, the costs of all, and a sentence."""

    ratio: float
    costs: dict[str, dict[str, float]]
    note: str


def point(case: Case, where: str, gradient: bool, rounds: int) -> Point:
    """Races all modes at one size."""
    where = f"{where}, {'gradient' if gradient else 'forward'}"
    modes = [m for m in case.modes if m not in ("associative", "fft") or case.states <= TOO_LARGE]
    programs, compiled = {}, {}
    for mode in ("auto", *modes):
        programs[mode], compiled[mode] = _compiled(case, mode, gradient)
    # Where "auto" is the very program of a mode, their times are one: only the clock could tell them apart.
    own = next((m for m in modes if _content(programs[m]) == _content(programs["auto"])), "auto")
    calls = {mode: ft.partial(programs[mode], *case.arrays) for mode in dict.fromkeys((own, *modes))}
    jax.block_until_ready([call() for call in calls.values()])
    first = {mode: min(timed(call)[0].cpu for _ in range(3)) for mode, call in calls.items()}
    fastest = min(modes, key=lambda mode: first[mode])
    calls = {m: c for m, c in calls.items() if m in (own, fastest) or first[m] < HOPELESS * first[fastest]}
    # Short programs are called so often that the clock sees them.
    repeats = max(1, min(100, int(2e-3 / max(1e-6, first[fastest]))))
    ran = race({mode: lambda call=call: [call() for _ in range(repeats)] for mode, call in calls.items()}, rounds)
    costs = {mode: ran.best(mode).times(1 / repeats) for mode in ran.rounds}
    best = min((mode for mode in costs if mode != "auto"), key=lambda mode: costs[mode].wall)
    times = f"auto is {own}, {1e3 * costs[own].wall:.3g} ms (compiled in {compiled[own]:.2g} s)"
    times = times.replace("auto is auto,", "auto")
    if best != own:
        times += f", {best} {1e3 * costs[best].wall:.3g} ms ({compiled[best]:.2g} s)"
        times += f"; CPU {costs[own].cpu / costs[best].cpu:.3g} x"
    said = {f"{where}, {m}": {**cost.as_dict(), "compile": round(compiled[m], 3)} for m, cost in costs.items()}
    return Point(costs[own].wall / costs[best].wall, said, f"{where}: {times}")


def measure(rounds: int = 9, names: Sequence[str] = tuple(CASES)) -> list[Row]:
    """The worst ratio of each structure over its sizes, forward and gradient.

    Args:
        rounds: how often each mode runs.
        names: of the structures.
    """
    rows = []
    for name in names:
        sizes, make = CASES[name]
        unit = "heads" if name.startswith("attend") else "states"
        points = [
            point(make(num, size), f"{num} steps, {size} {unit}", gradient, rounds)
            for num, size in sizes
            for gradient in (False, True)
        ]
        worst = max(points, key=lambda found: found.ratio)
        seconds = {where: cost for found in points for where, cost in found.costs.items()}
        what = f"{name}: auto / the best mode, at the worst of {len(points)} sizes"
        rows.append(Row("scan", what, worst.ratio, "x", "<=", SLOWER, seconds, worst.note))
    return rows
