"""The engine of recurrences: a diagonal scan against the bandwidth of memory, its choice of modes, and its memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from linnet import scan

from . import _scan_memory, _scan_modes
from ._clock import race
from ._row import Row

NAME = "scan"
#: The slowest that the best mode may be against the floor.
FLOOR = 3.0
#: Arrays of 64 MiB, in float32.
STEPS, WIDTH = 8192, 2048
MODES = ("scan", "associative", "chunk")
#: Arrays that must be read or written at least. Forward: a and b are read, h is written. The gradient of a sum of
#: squares needs that, and then a and h are read (h is both what a is multiplied with and the cotangent, 2 h), and the
#: gradients of a and b are written.
ARRAYS = {"forward": 3, "gradient": 7}


def measure() -> list[Row]:
    """All that is known of the engine's speed."""
    return floor(STEPS, WIDTH) + _scan_modes.measure() + _scan_memory.measure()


def floor(steps: int, width: int, rounds: int = 5) -> list[Row]:
    """The diagonal recurrence in all modes against the time that its arrays need to move at all.

    Args:
        steps, width: of all arrays.
        rounds: how often each contestant runs after its first call.
    """
    rng = np.random.default_rng(0)
    b = jnp.asarray(rng.standard_normal((steps, width)), jnp.float32)
    a = jnp.asarray(rng.uniform(0.5, 1, (steps, width)), jnp.float32)
    source, target = np.array(b), np.array(b)
    copy = jax.jit(lambda x: x + 1)
    contestants: dict[str, Callable[[], Any]] = {
        "copy": lambda: copy(b),
        "copy into warm memory": lambda: np.copyto(target, source),
    }
    for mode in MODES:
        forward, gradient = _programs(mode)
        contestants[f"forward, {mode}"] = lambda run=forward: run(a, b)
        contestants[f"gradient, {mode}"] = lambda run=gradient: run(a, b)
    ran = race(contestants, rounds)
    costs = {name: ran.best(name) for name in ran.rounds}
    seconds = {name: cost.as_dict() for name, cost in costs.items()}
    speeds = {name: 2 * b.nbytes / costs[name].wall for name in ("copy", "copy into warm memory")}
    rows = []
    for what, arrays in ARRAYS.items():
        times = {mode: costs[f"{what}, {mode}"].wall for mode in MODES}
        best = min(MODES, key=lambda mode: times[mode])
        ratios = {name: times[best] * speed / (arrays * b.nbytes) for name, speed in speeds.items()}
        others = ", ".join(f"{mode} {1e3 * time:.3g} ms" for mode, time in times.items())
        rows.append(
            Row(
                NAME,
                f"diagonal scan of {steps} x {width}, {what} / {arrays} arrays at the bandwidth of a copy",
                ratios["copy"],
                relation="<=",
                target=FLOOR,
                seconds=seconds,
                note=f"{others}; a copy with a fresh result {speeds['copy'] / 1e9:.3g} GB/s; against one into warm "
                f"memory ({speeds['copy into warm memory'] / 1e9:.3g} GB/s) {ratios['copy into warm memory']:.3g} x",
            )
        )
    return rows


def _programs(mode: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def states(a: Any, b: Any) -> Any:
        return scan.recur(scan.Diagonal(a), b, mode=mode)[0]

    return jax.jit(states), jax.jit(jax.grad(lambda a, b: jnp.sum(states(a, b) ** 2), (0, 1)))
