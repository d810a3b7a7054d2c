"""The loop in Python over compiled chunks: progress, checkpoints and Ctrl-C happen at its borders and nowhere else."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array

from ._checkpoint import Checkpointer
from ._descent import Pace

Progress = Callable[[int, int], None]


class Chunk(NamedTuple):
    """One compiled call: some recordings of some members.

    Args:
        group: which members, by the index of their group.
        first: the first recording.
        stop: one past the last recording.
        last: no recording follows.
    """

    group: int
    first: int
    stop: int
    last: bool


class Ready(NamedTuple):
    """A group of members that is ready to run.

    Args:
        advance: runs one chunk from a state.
        state: the state before the first chunk.
        finish: the parameters and results in a state.
    """

    advance: Callable[[Any, Chunk], tuple[Any, dict[str, Any]]]
    state: Any
    finish: Callable[[Any], tuple[Any, Any]]


class Outcome(NamedTuple):
    """What a run leaves, members first where there are any.

    Args:
        values: what was recorded.
        params: the final parameters.
        result: how each member ended.
    """

    values: dict[str, Any]
    params: Any
    result: Any


def make_chunks(groups: int, records: int, size: int) -> list[Chunk]:
    """All chunks in the order in which they run."""
    borders = [(start, min(start + size, records)) for start in range(0, records, size)]
    return [Chunk(g, a, b, b == records) for g in range(groups) for a, b in borders]


def piece(times: Array, steps: Array, chunk: Chunk, size: int) -> tuple[Array, Array, Pace]:
    """The times, steps and pace of one chunk's compiled call.

    The last chunk is padded to the size of the others by repeating its last time, so that one compiled program serves
    all; steps in a row have no step to repeat, and there the last chunk is a program of its own.

    Args:
        times: learning times, the last axis over recordings.
        steps: their steps.
        chunk: which recordings.
        size: recordings in every chunk.

    Returns:
        What `run_chunk` takes after the program and the state.
    """
    end = times.shape[-1] - 1
    known = np.asarray(steps)
    if end > 0 and np.all(known == np.arange(end + 1)):
        where = slice(chunk.first, chunk.stop)
        return times[..., where], steps[..., where], Pace.LAST_STEPS if chunk.last else Pace.EVERY_STEP
    if chunk.first == 0 and chunk.last:
        return times, steps, Pace.ANY
    where = np.minimum(np.arange(chunk.first, chunk.first + size), end)
    return times[..., where], steps[..., where], Pace.ANY


def run_chunks(
    prepare: Callable[[int], Ready],
    chunks: list[Chunk],
    shapes: dict[str, Any],
    members: int | None,
    plan: tuple[int, ...],
    checkpointer: Checkpointer | None,
    progress: Progress | None,
) -> Outcome:
    """Runs all chunks, from where a checkpoint left off if there is one.

    Args:
        prepare: makes a group of members ready.
        chunks: what to run.
        shapes: shape and dtype of every quantity at one time for one member.
        members: how many members a group has; `None` for a single network without an axis of members.
        plan: numbers that decide the last bits of the result, such as the sizes of chunks; a checkpoint of another plan
            is not used.
        checkpointer: keeps the state at chunk borders.
        progress: called at chunk borders with the number of recordings done and of all.

    Returns:
        What was recorded, the final parameters and the results.
    """
    groups, records = chunks[-1].group + 1, chunks[-1].stop
    total = groups * records
    if len(chunks) == 1 and checkpointer is None:
        ready = prepare(0)
        state, values = ready.advance(ready.state, chunks[0])
        if progress is not None:
            jax.block_until_ready(values)
            progress(total, total)
        return Outcome(values, *ready.finish(state))

    lead = () if members is None else (groups * members,)
    axis = len(lead)
    ready, group = prepare(0), 0
    state = ready.state
    kept = {
        "plan": np.asarray(plan, np.int64),
        "values": {n: np.zeros((*lead, records, *s.shape), s.dtype) for n, s in shapes.items()},
        "params": jtu.tree_map(lambda p: np.zeros((*lead, *p.shape[axis:]), p.dtype), ready.finish(state)[0]),
        "result": np.zeros(lead, np.int32),
    }
    done = 0
    if checkpointer is not None:
        loaded = checkpointer.load({"kept": kept, "state": state})
        if loaded is not None and np.array_equal(loaded[0]["kept"]["plan"], kept["plan"]):
            # Read arrays may be read-only.
            kept = jtu.tree_map(np.array, loaded[0]["kept"])
            state, done = jtu.tree_map(jnp.asarray, loaded[0]["state"]), loaded[1]
            if done < len(chunks) and chunks[done].group != group:
                group = chunks[done].group
                ready = prepare(group)
                state = state if chunks[done].first > 0 else ready.state
    for index, chunk in enumerate(chunks[done:], start=done):
        if chunk.group != group:
            group = chunk.group
            ready = prepare(group)
            state = ready.state
        state, values = ready.advance(state, chunk)
        rows = () if members is None else (slice(group * members, (group + 1) * members),)
        width = chunk.stop - chunk.first
        for name, value in values.items():
            taken = np.asarray(value)[(slice(None),) * axis + (slice(0, width),)]
            kept["values"][name][(*rows, slice(chunk.first, chunk.stop))] = taken
        if chunk.last:
            params, result = ready.finish(state)
            for into, leaf in zip(jtu.tree_leaves(kept["params"]), jtu.tree_leaves(params)):
                into[rows or ...] = np.asarray(leaf)
            kept["result"][rows or ...] = np.asarray(result)
        if checkpointer is not None:
            checkpointer.save({"kept": kept, "state": state}, index + 1)
        if progress is not None:
            progress(chunk.group * records + chunk.stop, total)
    return Outcome(*jtu.tree_map(jnp.asarray, (kept["values"], kept["params"], kept["result"])))
