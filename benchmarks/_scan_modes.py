"""Whether the mode "auto" of the engine is the best one, over structures, lengths and widths."""

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


def _compiled(case: Case, mode: str, gradient: bool) -> tuple[Callable[[], Any], float]:
    """A call, and the seconds it took to compile."""
    run: Any = lambda *arrays: case.run(mode, *arrays)  # noqa: E731
    if gradient:
        forward, every = run, tuple(range(len(case.arrays)))
        run = jax.grad(lambda *arrays: jnp.sum(jnp.abs(forward(*arrays)) ** 2), every)
    begun = time.perf_counter()
    program = jax.jit(run).lower(*case.arrays).compile()
    return lambda: program(*case.arrays), time.perf_counter() - begun


class Point(NamedTuple):
    """What one size says: the ratio of auto to the best mode named, the costs of all, and a sentence."""

    ratio: float
    costs: dict[str, dict[str, float]]
    note: str


def point(case: Case, where: str, gradient: bool, rounds: int) -> Point:
    """Races all modes at one size."""
    where = f"{where}, {'gradient' if gradient else 'forward'}"
    modes = [m for m in case.modes if m not in ("associative", "fft") or case.states <= TOO_LARGE]
    calls, compiled = {}, {}
    for mode in ("auto", *modes):
        calls[mode], compiled[mode] = _compiled(case, mode, gradient)
        jax.block_until_ready(calls[mode]())
    first = {mode: min(timed(call)[0].wall for _ in range(3)) for mode, call in calls.items()}
    calls = {m: call for m, call in calls.items() if m == "auto" or first[m] < HOPELESS * min(first.values())}
    # Short programs are called so often that the clock sees them.
    repeats = max(1, min(100, int(2e-3 / min(first.values()))))
    ran = race({mode: lambda call=call: [call() for _ in range(repeats)] for mode, call in calls.items()}, rounds)
    costs = {mode: ran.best(mode).times(1 / repeats) for mode in ran.rounds}
    best = min((mode for mode in costs if mode != "auto"), key=lambda mode: costs[mode].wall)
    times = ", ".join(
        f"{m} {1e3 * costs[m].wall:.3g} ms (compiled in {compiled[m]:.2g} s)" for m in dict.fromkeys(("auto", best))
    )
    said = {f"{where}, {m}": {**cost.as_dict(), "compile": round(compiled[m], 3)} for m, cost in costs.items()}
    return Point(costs["auto"].wall / costs[best].wall, said, f"{where}: {times}")


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
