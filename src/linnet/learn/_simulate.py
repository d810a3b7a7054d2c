"""The simulated road: train one network and record what is observed."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from .. import nn
from .._loss import AbstractLoss, SquaredError
from .._rule import AbstractRule, Descent, GradientFlow
from .._trajectory import RESULTS, Trajectory, check_times
from .._types import PRNGKey
from ._engine import Program, State, initial_state, make_program, run_chunk, snap, uniform_gap
from ._observer import AbstractObserver, default_observers

_chunk = eqx.filter_jit(run_chunk)
_prepare = eqx.filter_jit(make_program)


@runtime_checkable
class Checkpointer(Protocol):
    """Keeps the state of a run at the borders of its chunks; `linnet.store` implements it."""

    def load(self, like: Any) -> tuple[int, Any] | None:
        """The index of the next recording and the saved tree (of the structure of `like`), or `None` for a fresh run."""

    def save(self, index: int, tree: Any) -> None:
        """Keeps a tree of arrays; called with ascending indices."""


def simulate(
    network: Any,
    task: Any,
    ts: Float[Array, " time"],
    *,
    rule: AbstractRule | None = None,
    observe: Sequence[AbstractObserver] = (),
    loss: AbstractLoss | None = None,
    key: PRNGKey | None = None,
    throw: bool = True,
    records_per_chunk: int | None = None,
    checkpointer: Checkpointer | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trajectory:
    """Trains a network and records quantities at the asked-for learning times.

    What is passed is what is trained on: moments (exact for linear networks, and as cheap for a million samples as for ten), a
    `Batch`, the training part of a `Split` (then "validation_loss" and "test_loss" are recorded too), or the population of a task.

    Args:
        network: the network before training.
        task: moments, a batch, a split or a task.
        ts: learning times (learning rate times steps), ascending; under `Descent` each is snapped to the nearest step, and the
            trajectory holds the times used.
        rule: how parameters move; by default `GradientFlow()`.
        observe: observers besides the losses and the mode strengths, which are always recorded where they exist.
        loss: the loss; by default `SquaredError()`.
        key: randomness of mini-batches; not needed otherwise.
        throw: raise if the run diverges; with `False` the trajectory's `result` says so.
        records_per_chunk: recordings between two chunk borders; by default all, or 64 with a checkpointer or progress.
        checkpointer: keeps the state at chunk borders and resumes from it.
        progress: called at chunk borders with the number of recordings done and of all.

    Returns:
        The trajectory with "loss", where the task has moments "mode_strengths", and what was asked for.

    Raises:
        ValueError: if network, task, rule and loss do not fit, or the run diverges.
    """
    rule = GradientFlow() if rule is None else rule
    loss = SquaredError() if loss is None else loss
    ts = check_times(ts)
    check_rule(network, rule, key)
    observers = (*default_observers(network, task), *observe)
    program = _prepare(network, task, rule, loss, observers, key)
    steps, times = snap(rule, ts)
    state, values = run_in_chunks(
        _chunk, program, initial_state(program), times, steps, records_per_chunk, checkpointer, progress
    )
    if throw and int(state.result) != 0:
        raise ValueError(RESULTS[int(state.result)])
    dims = {o.name: ("time", *o.dims) for o in program.observers}
    coords = {name: value for o in program.observers for name, value in o.coords().items()}
    values = {name: jnp.asarray(value) for name, value in values.items()}
    return Trajectory(
        times,
        values,
        dims,
        coords,
        task=task,
        rule=rule,
        loss=loss,
        network=state.network,
        result=state.result,  # pyright: ignore[reportArgumentType]
    )


def check_rule(network: Any, rule: AbstractRule, key: PRNGKey | None) -> None:
    """Refuses what a rule cannot do, before anything long begins."""
    if isinstance(rule, GradientFlow) and nn.has_kinks(network):
        raise ValueError(
            "GradientFlow needs a smooth network, but this one has an activation with kinks (such as ReLU). "
            "Use `Descent(learning_rate)` with a small learning rate instead."
        )
    if isinstance(rule, Descent) and rule.batch_size is not None and key is None:
        raise ValueError(
            "Descent with a batch_size draws mini-batches at random and needs a `key`, for example `jax.random.key(0)`."
        )


def run_in_chunks(
    run: Callable,
    program: Program,
    state: State,
    times: Array,
    steps: Array,
    records_per_chunk: int | None,
    checkpointer: Checkpointer | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[State, dict[str, Array]]:
    """Runs all recordings chunk by chunk; the last axis of `times` and `steps` is over recordings."""
    num = times.shape[-1]
    default = num if checkpointer is None and progress is None else 64
    size = min(num, default if records_per_chunk is None else records_per_chunk)
    gap = uniform_gap(steps)
    # The first recording is apart: it lies 0 steps from the start where all others lie one gap apart.
    borders = [0, *range(1, num, size), num] if gap is not None else [*range(0, num, size), num]
    parts: list[dict] = []
    done, chunk = 0, 0
    if checkpointer is not None:
        # Values so far travel with the state, so that a resumed run returns the same arrays.
        loaded = checkpointer.load(None)
        if loaded is not None:
            chunk, (state, parts) = loaded
            done = borders[chunk]
    for start, stop in list(zip(borders, borders[1:], strict=False))[chunk:]:
        where = slice(start, stop)
        fixed = gap if start > 0 else None
        state, values = run(program, state, times[..., where], steps[..., where], fixed)
        parts.append(values)
        done, chunk = stop, chunk + 1
        if checkpointer is not None:
            checkpointer.save(chunk, (state, parts))
        if progress is not None:
            progress(done, num)
    axis = times.ndim - 1
    joined = jtu.tree_map(lambda *leaves: jnp.concatenate(leaves, axis=min(axis, np.ndim(leaves[0]) - 1)), *parts)
    return state, joined
