"""The simulated road: train one network and record what is observed."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from .._loss import AbstractLoss, SquaredError
from .._precision import unrounded
from .._rule import AbstractRule, GradientFlow
from .._trajectory import Trajectory, check_times
from .._types import PRNGKey, Times
from ._checkpoint import Checkpointer
from ._descent import snap
from ._divergence import explain
from ._engine import check_rule, initial_state, make_program, plain_rule, run_chunk
from ._loop import Chunk, Progress, Ready, make_chunks, piece, run_chunks
from ._observer import AbstractObserver, default_observers
from ._program import State

_prepare = eqx.filter_jit(make_program)
_chunk = eqx.filter_jit(run_chunk)

#: Recordings between two chunk borders, where somebody watches.
WATCHED_CHUNK = 64


@unrounded
def simulate(
    network: Any,
    task: Any,
    ts: Times,
    *,
    rule: AbstractRule | None = None,
    observe: Sequence[AbstractObserver] = (),
    loss: AbstractLoss | None = None,
    key: PRNGKey | None = None,
    throw: bool = True,
    records_per_chunk: int | None = None,
    checkpointer: Checkpointer | None = None,
    progress: Progress | None = None,
) -> Trajectory:
    """Trains a network and records quantities at the asked-for learning times.

    What is passed is what is trained on: moments (exact for linear networks, and as cheap for a million samples as for
    ten), a `Batch`, the training part of a `Split` (then "validation_loss" and "test_loss" are recorded too), or a
    task: its population moments for a linear network under squared error, else fresh samples in every step.

    Args:
        network: the network before training.
        task: moments, a batch, a split or a task.
        ts: learning times (learning rate times steps), ascending; under `Descent` each is snapped to the nearest step,
            and the trajectory holds the times used.
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
    program = _prepare(network, task, plain_rule(rule), loss, (*default_observers(network, task), *observe), key)
    steps, times = snap(rule, ts)
    num = times.shape[0]
    watched = checkpointer is not None or progress is not None
    size = chunk_size(num, records_per_chunk, watched)

    def advance(state: State, chunk: Chunk) -> tuple[State, dict[str, Array]]:
        return _chunk(program, state, *piece(times, steps, chunk, size))

    ready = Ready(advance, initial_state(program), lambda state: (state.params, state.result))
    outcome = run_chunks(
        lambda _: ready,
        make_chunks(1, num, size),
        eqx.filter_eval_shape(program.measure, ready.state.params, 0),
        None,
        (num, size),
        checkpointer,
        progress,
    )
    if throw and int(outcome.result) != 0:
        raise ValueError(explain(program, rule, times, outcome.values, int(outcome.result)))
    return Trajectory(
        times,
        outcome.values,
        dims_of(program.observers),
        coords_of(program.observers),
        task=task,
        rule=rule,
        loss=loss,
        network=program.network(outcome.params),
        result=jnp.asarray(outcome.result),
    )


def chunk_size(num: int, asked: int | None, watched: bool) -> int:
    """Recordings in a chunk."""
    if asked is not None and asked < 1:
        raise ValueError(f"records_per_chunk needs at least 1 recording, got {asked}.")
    return min(num, (WATCHED_CHUNK if watched else num) if asked is None else asked)


def dims_of(observers: tuple[AbstractObserver, ...]) -> dict[str, tuple[str, ...]]:
    """The axes of what observers record."""
    return {o.name: ("time", *o.dims) for o in observers}


def coords_of(observers: tuple[AbstractObserver, ...]) -> dict[str, Any]:
    """The coordinates of what observers record."""
    return {name: value for o in observers for name, value in o.coords().items()}
