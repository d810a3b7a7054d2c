"""Recurrences over devices along time: the state is passed between shards."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from ._attend import attend
from ._low_rank import LowRank
from ._recur import accumulator, dense, recur
from ._transition import AbstractDecay, AbstractTransition, over_steps


def sharded_recur(
    transition: AbstractTransition,
    drives: Array,
    start: Array | None = None,
    *,
    mesh: Mesh,
    axis: str = "time",
    mode: str = "auto",
    chunk_size: int | None = None,
    resets: Array | None = None,
) -> tuple[Array, Array]:
    r"""`recur` over the devices of a mesh along time.

    Each device composes its own steps into one, $h \mapsto A h + b$; these few summaries go to all devices, each finds
    the state before its first step from those of the devices before it, and runs its steps from there. Differentiable;
    a batch is mapped outside, `jax.vmap(..., spmd_axis_name="batch")` where it is sharded too.

    Args:
        transition, drives, start, mode, chunk_size, resets: as in `recur`.
        mesh: the devices; also of several processes.
        axis: the name of the axis of the mesh along which steps are sharded.

    Returns:
        The states, sharded along time, and the last of them.

    Raises:
        ValueError: as in `recur`, or if the steps are not a multiple of the devices.
    """
    _check("sharded_recur", mesh, axis, drives.shape[0])
    dtype = accumulator(drives.dtype)
    start = transition.zero(drives.shape[1:], dtype) if start is None else start

    def run(transition: Any, drives: Array, start: Array, resets: Array | None) -> tuple[Array, Array]:
        options: Any = {"mode": mode, "chunk_size": chunk_size, "resets": resets}
        last = recur(transition, drives, _vary(transition.zero(drives.shape[1:], dtype), axis), **options)[1]
        total = _total(transition, drives.shape[0], resets)
        state = _before(total, last, _vary(start.astype(last.dtype), axis), axis)
        states, end = recur(transition, drives, state, **options)
        return states, _last(end, axis)

    return _map(run, mesh, axis, transition, (drives,), start, resets)


def sharded_attend(
    transition: AbstractTransition,
    queries: Array,
    keys: Array | None,
    values: Array,
    start: Array | None = None,
    *,
    mesh: Mesh,
    axis: str = "time",
    mode: str = "auto",
    chunk_size: int | None = None,
    resets: Array | None = None,
) -> tuple[Array, Array]:
    """`attend` over the devices of a mesh along time; as `sharded_recur`.

    Args:
        transition, queries, keys, values, start, mode, chunk_size, resets: as in `attend`.
        mesh: the devices; also of several processes.
        axis: the name of the axis of the mesh along which steps are sharded.

    Returns:
        The outputs, sharded along time, and the last state.

    Raises:
        ValueError: as in `attend`, or if the steps are not a multiple of the devices.
    """
    _check("sharded_attend", mesh, axis, queries.shape[0])
    size = queries.shape[-1]
    start = jnp.zeros((size, values.shape[-1]), accumulator(values.dtype)) if start is None else start

    def run(
        transition: Any, queries: Array, keys: Array | None, values: Array, start: Array, resets: Array | None
    ) -> tuple[Array, Array]:
        options: Any = {"mode": mode, "chunk_size": chunk_size, "resets": resets}
        # What the steps make of the identity is their product, beside what they write.
        eye = jnp.eye(size, dtype=start.dtype)
        nothing = jnp.zeros((*values.shape[:-1], size), values.dtype)
        wide = jnp.concatenate([values, nothing], axis=-1)
        begin = _vary(jnp.concatenate([jnp.zeros_like(start), eye], axis=1), axis)
        summary = attend(transition, queries, keys, wide, begin, **options)[1]
        last, total = summary[:, : values.shape[-1]], summary[:, values.shape[-1] :]
        from ._dense import Dense

        state = _before(Dense(total, invariant=True), last, _vary(start, axis), axis)
        outputs, end = attend(transition, queries, keys, values, state, **options)
        return outputs, _last(end, axis)

    return _map(run, mesh, axis, transition, (queries, keys, values), start, resets)


def _map(
    run: Any, mesh: Mesh, axis: str, transition: Any, arrays: tuple, start: Array, resets: Array | None
) -> tuple[Array, Array]:
    along, whole = PartitionSpec(axis), PartitionSpec()
    specs = (
        jtu.tree_map(lambda _: whole if transition.invariant else along, transition),
        *(jtu.tree_map(lambda _: along, part) for part in arrays),
        whole,
        None if resets is None else along,
    )
    given = (transition, *arrays, start, resets)
    if AxisType.Explicit in mesh.axis_types:
        # Such a mesh (what `jax.make_mesh` makes) has arrays put in place before they are used.
        given = jtu.tree_map(lambda part, spec: jax.reshard(part, NamedSharding(mesh, spec)), given, specs)
    return jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=(along, whole))(*given)


def _last(array: Array, axis: str) -> Array:
    """What the last device has, on every device."""
    is_last = jax.lax.axis_index(axis) == jax.lax.axis_size(axis) - 1
    return jax.lax.psum(jnp.where(is_last, array, 0), axis)


def _vary(array: Array, axis: str) -> Array:
    """The same on every device, but free to become different."""
    return jax.lax.pcast(array, axis, to="varying")


def _total(transition: Any, num: int, resets: Array | None) -> Any:
    """The product of all transitions of a shard, as one that is about a single step."""
    if isinstance(transition, LowRank):
        transition = dense(transition)
    if resets is not None:
        transition = transition.forget(resets)
    steps = over_steps_of(transition, num)
    first, rest = (jtu.tree_map(part, steps) for part in (lambda leaf: leaf[0], lambda leaf: leaf[1:]))
    return jax.lax.scan(lambda total, step: (step.compose(total), None), first, rest)[0]


def over_steps_of(transition: Any, num: int) -> Any:
    """Arrays with an axis over steps, of numbers as of matrices."""
    if isinstance(transition, AbstractDecay):
        from ._diagonal import Diagonal

        values = transition.values()
        values = jnp.broadcast_to(values, (num, *values.shape)) if transition.invariant else values
        return Diagonal(values[:, None] if values.ndim == 1 else values)
    return over_steps(transition, num)


def _before(total: Any, last: Array, start: Array, axis: str) -> Array:
    """The state before the first step of this device."""
    here, count = jax.lax.axis_index(axis), jax.lax.axis_size(axis)
    if count == 1:
        return start  # also: XLA (of jaxlib 0.10) ends the process over the gradient of complex sums over one device

    def gather(leaf: Array) -> Array:
        # A sum of parts that are 0 elsewhere: JAX cannot differentiate an `all_gather` that is mapped over a batch on
        # a mesh with explicit axes.
        return jax.lax.psum(jnp.zeros((count, *leaf.shape), leaf.dtype).at[here].set(leaf), axis)

    totals, lasts = jtu.tree_map(gather, (total, last))

    def go(state: Array, shard: tuple) -> tuple[Array, None]:
        number, total, last = shard
        return jnp.where(number < here, total.add(total.apply(state), last), state), None

    numbers = jnp.arange(lasts.shape[0])
    return jax.lax.scan(go, start, (numbers, totals, lasts))[0]


def _check(verb: str, mesh: Mesh, axis: str, num: int) -> None:
    if axis not in mesh.shape:
        raise ValueError(f"{verb} needs an axis {axis!r} of the mesh, which has {', '.join(mesh.axis_names)}.")
    if num == 0 or num % mesh.shape[axis]:
        raise ValueError(
            f"{verb} needs a number of steps that {mesh.shape[axis]} devices can share, got {num}. Append steps that "
            "write nothing."
        )
