"""A window on the engine: what it is given while someone looks."""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array

_WATCHES: contextvars.ContextVar["Watch | None"] = contextvars.ContextVar("linnet_scan_watch", default=None)


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of the engine; axes that were mapped outside, such as one over heads, come first.

    Args:
        verb: "recur" or "attend".
        transition: its transitions.
        arrays: its other arrays by name: `drives` and `start`, or `queries`, `keys` (where it had any), `values` and
            `start`.
        mapped: how many axes were mapped outside.
    """

    verb: str
    transition: Any
    arrays: dict[str, np.ndarray]
    mapped: int


@dataclasses.dataclass
class Watch:
    """The calls that were seen, and states that the last `recur` is to be taken to have found."""

    calls: list[Call] = dataclasses.field(default_factory=list)
    states: Array | None = None
    number: int | None = None
    count: int = 0


@contextlib.contextmanager
def watching(states: Array | None = None, number: int | None = None) -> Iterator[Watch]:
    """Records each call of `recur` and `attend` within the block, where it is not within a compiled function.

    Args:
        states: what the call `number` of `recur` returns in place of its states, to see what is made of them. Nothing
            is recorded then.
        number: of that call, from 0 over both verbs.

    !!! example
        ```python
        with watching() as watch:
            layer.forward(xs, layer.init_state(), resets=None, mode="step")
        watch.calls[-1].transition
        ```
    """
    watch = Watch(states=states, number=number)
    token = _WATCHES.set(watch)
    try:
        yield watch
    finally:
        _WATCHES.reset(token)


def seen(verb: str, transition: Any, main: Array, **arrays: Array | None) -> Array:
    """`main`, the drives or queries; whoever watches has all arrays.

    The arrays pass through a callback, so that what `jax.vmap` has mapped outside is whole again.
    """
    watch = _WATCHES.get()
    if watch is None or watch.states is not None:
        return main
    leaves, structure = jtu.tree_flatten(transition)
    names = [name for name, array in arrays.items() if array is not None]
    given = [array for array in arrays.values() if array is not None]
    name = "drives" if verb == "recur" else "queries"

    def record(main: Any, leaves: list[Any], given: list[Any]) -> np.ndarray:
        found = np.asarray(main)
        rest = {key: np.asarray(array) for key, array in zip(names, given, strict=True)}
        whole = jtu.tree_unflatten(structure, [np.asarray(leaf) for leaf in leaves])
        watch.calls.append(Call(verb, whole, {name: found, **rest}, found.ndim - ndim))
        return found

    ndim = main.ndim
    shape = jax.ShapeDtypeStruct(main.shape, main.dtype)
    return jax.pure_callback(record, shape, main, leaves, given, vmap_method="broadcast_all")


def replaced(states: Array) -> Array:
    """The states of a `recur`, or those that whoever watches has put in their place."""
    watch = _WATCHES.get()
    if watch is None or watch.states is None:
        return states
    number, watch.count = watch.count, watch.count + 1
    return jnp.asarray(watch.states) if number == watch.number else states
