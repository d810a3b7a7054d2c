"""All sequence layers on an accelerator, where there is one: a tree of compositions against chunks."""

import functools as ft
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from linnet import nn

from ._clock import race
from ._row import Row
from ._sequence_layers import Size, make_problem, train_step

NAME = "gpu"
SIZE = Size(batch=8, steps=4096, hidden_size=128)
MODES = ("associative", "chunk")


def measure(size: Size = SIZE, rounds: int = 5, names: Iterable[str] | None = None) -> list[Row]:
    """A training step of each layer in both modes and in "auto"; nothing is asked of the ratios.

    Args:
        size: of the layers.
        rounds: how often each mode runs after its first call.
        names: of the layers; by default all that admit both modes.
    """
    device = jax.devices()[0]
    if device.platform == "cpu":
        return [Row(NAME, "all layers, associative / chunk", None, note="JAX sees no accelerator")]
    return [row for name in names or nn.LAYERS for row in _race(name, size, rounds, device.device_kind)]


def _race(name: str, size: Size, rounds: int, device: str) -> list[Row]:
    problem = make_problem(name, size)
    if not set(MODES) <= set(type(problem.layer).modes):
        return []
    xs, targets = jnp.asarray(problem.xs), jnp.asarray(problem.targets)
    calls: dict[str, Any] = {}
    notes = [device]
    for mode in ("auto", *MODES):
        call = ft.partial(train_step, make_problem(name, size, mode).layer, xs, targets)
        try:
            jax.block_until_ready(call())
        except jax.errors.JaxRuntimeError as error:
            notes.append(f"{mode} failed: {str(error).splitlines()[0][:80]}")
            continue
        calls[mode] = call
    ran = race(calls, rounds)
    costs = {mode: ran.best(mode) for mode in ran.rounds}
    notes += [f"{mode} {1e3 * cost.wall:.3g} ms" for mode, cost in costs.items()]
    ratio = costs["associative"].wall / costs["chunk"].wall if set(MODES) <= set(costs) else None
    what = f"{name}, a training step on {size.batch} x {size.steps} tokens: associative / chunk"
    return [Row(NAME, what, ratio, seconds={m: c.as_dict() for m, c in costs.items()}, note=", ".join(notes))]
