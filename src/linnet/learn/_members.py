"""A group of an ensemble's members: made together, run together, sharing what they do not differ in."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float, Int, Key

from .._loss import AbstractLoss
from .._types import PRNGKey
from ._descent import Pace, check_steps, snap
from ._engine import check_rule, initial_state, make_program, plain_rule, run_chunk
from ._loop import Chunk, Ready, piece
from ._observer import AbstractObserver, default_observers
from ._parts import run_side_by_side
from ._program import Program, State
from ._shard import MEMBER, spread

_prepare = eqx.filter_jit(make_program)


class Split(eqx.Module):
    """A tree in two: arrays with a leading axis over members, and all that the members share.

    Args:
        varied: the tree with `None` at what is shared.
        shared: the tree with `None` at what is varied.
    """

    varied: Any
    shared: Any

    def merged(self) -> Any:
        """The whole tree; under `vmap` over `varied` that of one member."""
        return eqx.combine(self.varied, self.shared)


class Members(eqx.Module):
    """A group of members, ready to run.

    Args:
        program: what stays the same during the run.
        made: network, task and rule as `make` returned them.
        state: before the first step.
        times: learning times, with an axis of members only where these differ.
        steps: the steps at these times, in the same form.
    """

    program: Split
    made: Split
    state: State
    times: Float[Array, "*member time"]
    steps: Int[Array, "*member time"]


def make_members(
    make: Callable[..., tuple[Any, Any, Any]],
    keys: Key[Array, " member"],
    values: dict[str, Array],
    ts: Float[Array, " time"],
    loss: AbstractLoss,
    observe: tuple[AbstractObserver, ...],
    mesh: Mesh | None,
) -> Members:
    """Calls `make` once for all members and prepares their programs.

    This is done under `jax.vmap` but outside `jax.jit`. A new function `make` therefore compiles nothing new, and what
    it did not compute from its arguments is an ordinary array here, no tracer, and so is known to be shared.
    """
    found: list[tuple[Any, list]] = []

    def one(key: PRNGKey, values: dict[str, Array]) -> list:
        program, made = make_member(make, key, values, ts, loss, observe)
        steps, times = snap(made[2], ts)
        leaves, form = jtu.tree_flatten((program, made, times, steps))
        found.append((form, [None if _is_varied(leaf) else leaf for leaf in leaves]))
        return [leaf if _is_varied(leaf) else None for leaf in leaves]

    leaves = jax.vmap(one)(keys, values)
    form, shared = found[-1]
    varied = jtu.tree_unflatten(form, leaves)
    rest = jtu.tree_unflatten(form, shared)
    program = Split(varied[0], rest[0])
    state = _initial_states(program, keys.shape[0])
    times, steps = (own if own is not None else common for own, common in zip(varied[2:], rest[2:]))
    check_steps(steps)
    if steps.ndim == 2:
        state = eqx.tree_at(lambda s: s.step, state, jnp.zeros(keys.shape, jnp.int32))
        times = jnp.broadcast_to(times, steps.shape)
    program = Split(spread(varied[0], mesh, over_members=True), spread(rest[0], mesh, over_members=False))
    return Members(program, Split(varied[1], rest[1]), state, times, steps)


def make_member(
    make: Callable[..., tuple[Any, Any, Any]],
    key: PRNGKey,
    values: dict[str, Array],
    ts: Float[Array, " time"],
    loss: AbstractLoss,
    observe: tuple[AbstractObserver, ...],
) -> tuple[Program, tuple[Any, Any, Any]]:
    """One member: its program, and what `make` returned."""
    network, task, rule = _call(make, key, values)
    check_rule(network, rule, key)
    program = _prepare(network, task, plain_rule(rule), loss, (*default_observers(network, task), *observe), key)
    return program, (network, task, rule)


def _call(make: Callable[..., tuple[Any, Any, Any]], key: PRNGKey, values: dict[str, Array]) -> tuple[Any, Any, Any]:
    try:
        made = make(key, **values)
    except TypeError as error:
        if "trace" not in str(error).lower():
            raise
        raise ValueError(
            "make(key, ...) of an ensemble used a value as something that must be known beforehand, such as the size "
            f"of an array or a Python condition: {str(error).splitlines()[0]} Run one ensemble for each such setting."
        ) from error
    if not isinstance(made, tuple) or len(made) != 3:
        raise ValueError(f"make(key, ...) of an ensemble must return (network, task, rule), got {type(made).__name__}.")
    return made


def _is_varied(leaf: Any) -> bool:
    return isinstance(leaf, jax.core.Tracer)


@eqx.filter_jit
def _initial_states(program: Split, num: int) -> State:
    def one(varied: Any, _: Array) -> State:
        return initial_state(eqx.combine(varied, program.shared))

    axes = state_axes(False)
    return jax.vmap(one, in_axes=(0, 0), out_axes=axes)(program.varied, jnp.arange(num))


def state_axes(own_times: bool) -> State:
    """Where a state has the axis of members: the step only where members have times of their own."""
    return State(0, 0, 0 if own_times else None, None, 0)  # pyright: ignore[reportArgumentType]


@eqx.filter_jit
def run_members(
    program: Split,
    mesh: Mesh | None,
    state: State,
    times: Float[Array, "*member time"],
    steps: Int[Array, "*member time"],
    pace: Pace,
) -> tuple[State, dict[str, Array]]:
    """`run_chunk` for a group of members, spread over the devices of a mesh."""
    own = 0 if steps.ndim == 2 else None
    arrays, rest = eqx.partition(program.shared, eqx.is_array)

    def one(varied: Any, shared: Any, state: State, times: Array, steps: Array) -> Any:
        whole: Program = eqx.combine(varied, shared, rest)
        return run_chunk(whole, state, times, steps, pace)

    axes = state_axes(own == 0)
    run = jax.vmap(one, in_axes=(0, None, axes, own, own), out_axes=(axes, 0))
    if mesh is not None:
        # No device waits for another: each runs a loop of its own over its members.
        split, whole = PartitionSpec(MEMBER), PartitionSpec()
        of_state = jax.tree.map(lambda a: whole if a is None else split, axes, is_leaf=lambda a: a is None)
        of_times = whole if own is None else split
        run = jax.shard_map(
            run,
            mesh=mesh,
            in_specs=(split, whole, of_state, of_times, of_times),
            out_specs=(of_state, split),
            check_vma=False,
        )
    return run(program.varied, arrays, state, times, steps)


def ready_members(members: Members, parts: int, size: int, mesh: Mesh | None) -> Ready:
    """A group ready to run in parts side by side."""

    def cut(tree: Any, part: int, axes: Any = 0) -> Any:
        def one(axis: Any, branch: Any) -> Any:
            return branch if axis is None else jtu.tree_map(lambda leaf: jnp.split(leaf, parts)[part], branch)

        return jtu.tree_map(one, axes, tree, is_leaf=lambda axis: axis is None)

    axes = state_axes(members.steps.ndim == 2)
    own = 0 if members.steps.ndim == 2 else None
    programs = [Split(cut(members.program.varied, p), members.program.shared) for p in range(parts)]
    times = [cut(members.times, p, own) for p in range(parts)]
    steps = [cut(members.steps, p, own) for p in range(parts)]

    def advance(states: tuple[State, ...], chunk: Chunk) -> tuple[tuple[State, ...], dict[str, Array]]:
        calls = [
            (program, mesh, state, *piece(own_times, own_steps, chunk, size))
            for program, state, own_times, own_steps in zip(programs, states, times, steps)
        ]
        done = run_side_by_side(run_members, calls)
        return tuple(state for state, _ in done), _joined([values for _, values in done])

    def finish(states: tuple[State, ...]) -> tuple[Any, Array]:
        return _joined([(state.params, state.result) for state in states])

    return Ready(advance, tuple(cut(members.state, p, axes) for p in range(parts)), finish)


def _joined(trees: list[Any]) -> Any:
    return trees[0] if len(trees) == 1 else jtu.tree_map(lambda *leaves: jnp.concatenate(leaves), *trees)
