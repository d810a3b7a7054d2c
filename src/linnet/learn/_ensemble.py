"""Many networks at the cost of one: seeds and settings as axes of one compiled program."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array

from .._loss import AbstractLoss, SquaredError
from .._precision import unrounded
from .._trajectory import Trajectory, check_times
from .._types import PRNGKey, Times
from ._axes import make_axes
from ._checkpoint import Checkpointer
from ._loop import Progress, Ready, make_chunks, run_chunks
from ._members import Members, Split, make_members, ready_members
from ._memory import bytes_of, draft_member, members_that_fit
from ._observer import AbstractObserver
from ._parts import num_parts
from ._shard import member_mesh, num_devices
from ._simulate import chunk_size, coords_of, dims_of

#: Bytes that the members of one chunk may use on one device; fixed, because other sizes of chunks round differently.
MEMORY_LIMIT = 2**31


@unrounded
def ensemble(
    make: Callable[..., tuple[Any, Any, Any]],
    ts: Times,
    axes: Mapping[str, Any] | None = None,
    *,
    key: PRNGKey,
    observe: Sequence[AbstractObserver] = (),
    loss: AbstractLoss | None = None,
    members_per_chunk: int | None = None,
    memory_limit: int = MEMORY_LIMIT,
    records_per_chunk: int | None = None,
    checkpointer: Checkpointer | None = None,
    progress: Progress | None = None,
) -> Trajectory:
    """Trains a network for every combination of seeds and settings, all in one compiled program.

    `make(key, **values)` is traced with one member's key and values, so values may enter weights, data and rates, but
    no shapes. What it returns without having touched its arguments, such as a task from outside, is shared by all
    members and never copied.

    Args:
        make: `make(key, **values) -> (network, task, rule)`, what would be passed to `simulate`.
        ts: learning times, as in `simulate`.
        axes: the axes by name, each a 1-d array whose elements are passed to `make` by that name. `"seed"` is a number
            of seeds or an array of them, and is not passed: a member's key is `fold_in(key, seed)`, the same for all
            values of the other axes.
        key: the key of the ensemble.
        observe: observers besides the losses and the mode strengths.
        loss: the loss; by default `SquaredError()`.
        members_per_chunk: how many members run at once; by default as many as `memory_limit` allows.
        memory_limit: bytes that a chunk may use on one device.
        records_per_chunk: recordings between two chunk borders; by default all, or 64 with a checkpointer or progress.
        checkpointer: keeps the state at chunk borders and resumes from it.
        progress: called at chunk borders with the number of recordings done and of all.

    Returns:
        A trajectory with the axes in front; `result` says how each member ended, and one that diverges does not end the
        others. Members with learning rates of their own have times of their own.

    Raises:
        ValueError: if an axis is malformed, `make` uses a value as a shape, or network, task, rule and loss do not fit.

    !!! example
        ```python
        import jax.numpy as jnp, jax.random as jr, linnet as ln

        strengths = jnp.array([3.0, 2.0, 1.0])
        task = ln.tasks.Moments(xx=jnp.eye(3), yx=jnp.diag(strengths), yy=jnp.diag(strengths**2))

        def make(key, scale):
            first, second = jr.split(key)
            weights = (scale * jr.normal(first, (4, 3)), scale * jr.normal(second, (3, 4)))
            return ln.nn.DeepLinear(weights), task, ln.learn.GradientFlow()

        axes = {"seed": 16, "scale": jnp.array([0.01, 0.1])}
        trajectory = ln.learn.ensemble(make, jnp.linspace(0.0, 10.0, 50), axes, key=jr.key(0))
        trajectory["mode_strengths"]  # seed, scale, time, mode
        ```
    """
    loss = SquaredError() if loss is None else loss
    ts = check_times(ts)
    grid = make_axes(axes)
    mesh = member_mesh(grid.num)
    watched = checkpointer is not None or progress is not None
    num, size = ts.shape[0], chunk_size(ts.shape[0], records_per_chunk, watched)

    def members(group: int) -> Members:
        keys, values = grid.members(np.arange(group * width, (group + 1) * width), key)
        return make_members(make, keys, values, ts, loss, tuple(observe), mesh)

    draft = draft_member(make, *grid.members(np.zeros(1, int), key), ts, loss, tuple(observe))
    limit = members_that_fit(draft, size, memory_limit) if members_per_chunk is None else members_per_chunk
    if limit < 1:
        raise ValueError(f"members_per_chunk needs at least 1 member, got {members_per_chunk}.")
    devices = num_devices(mesh)
    parts = num_parts(min(limit, grid.num), bytes_of(draft.state.params), mesh)
    unit = devices * parts
    width = min(-(-grid.num // unit), limit * devices // unit) * unit
    groups = -(-grid.num // width)
    made: dict[int, tuple[Split, Array]] = {}

    def prepare(group: int) -> Ready:
        chunk = members(group)
        made[group] = chunk.made, chunk.times
        return ready_members(chunk, parts, size, mesh)

    outcome = run_chunks(
        prepare,
        make_chunks(groups, num, size),
        draft.shapes,
        width,
        (grid.num, width, parts, num, size, devices),
        checkpointer,
        progress,
    )
    for group in range(groups):
        if group not in made:
            chunk = members(group)
            made[group] = chunk.made, chunk.times

    def unfold(*leaves: Any) -> Array:
        """Joins the groups, cuts off what fills up the last one, and gives every axis of the ensemble one of its
        own."""
        whole = jnp.concatenate([jnp.asarray(leaf) for leaf in leaves])[: grid.num]
        return whole.reshape(*grid.shape, *whole.shape[1:])

    splits = [made[group][0] for group in range(groups)]
    times = [made[group][1] for group in range(groups)]
    observers = draft.program.observers
    network, task, rule = eqx.combine(jtu.tree_map(unfold, *[s.varied for s in splits]), splits[0].shared)
    return Trajectory(
        times[0] if times[0].ndim == 1 else unfold(*times),
        jtu.tree_map(unfold, outcome.values),
        dims_of(observers),
        {**{name: jnp.asarray(coord) for name, coord in grid.coords.items()}, **coords_of(observers)},
        grid.names,
        task=task,
        rule=rule,
        loss=loss,
        network=eqx.combine(jtu.tree_map(unfold, outcome.params), network),
        result=unfold(outcome.result),
    )
