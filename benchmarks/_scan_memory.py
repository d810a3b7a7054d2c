"""What a backward pass through the engine holds in memory."""

from typing import Any

import jax
import jax.numpy as jnp

from ._row import Row
from ._scan_modes import CASES, Case

STEPS = 4096
#: Bytes of temporary arrays against those of the loop that keeps all states.
LESS = 0.25


def measure(steps: int = STEPS) -> list[Row]:
    """Temporary bytes of the gradient of one head in the modes that keep few states, against those of "step".

    Args:
        steps: of the sequence.
    """
    rows = []
    for name in ("attend, Scalar", "attend, LowRank"):
        case = CASES[name][1](steps, 1)
        held = {mode: _temporary(case, mode) for mode in ("step", "scan", "chunk")}
        note = ", ".join(f"{mode} {size / 2**20:.3g} MiB" for mode, size in held.items())
        note += f"; all states are {case.states / 2**20:.3g} MiB"
        for mode in ("scan", "chunk"):
            what = f"{name}: temporary memory of the gradient over {steps} steps, {mode} / step"
            rows.append(Row("scan", what, held[mode] / held["step"], "x", "<=", LESS, note=note))
    return rows


def _temporary(case: Case, mode: str) -> int:
    """Bytes of the temporary arrays of a gradient, as XLA planned them."""

    def loss(*arrays: Any) -> Any:
        return jnp.sum(case.run(mode, *arrays) ** 2)

    program = jax.jit(jax.grad(loss, tuple(range(len(case.arrays))))).lower(*case.arrays).compile()
    return program.memory_analysis().temp_size_in_bytes
