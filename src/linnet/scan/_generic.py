"""Recurrences of any transition, from the few things it can do with one step."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array

from .._precision import unrounded
from ._transition import AbstractTransition, over_steps


def checkpointed_scan(
    body: Callable[[Any, Any], tuple[Any, Any]], carry: Any, xs: Any, num: int, chunk_size: int | None
) -> tuple[Any, Any]:
    """`jax.lax.scan` whose backward pass keeps the carry between chunks only, and makes the rest anew.

    With chunks of $c$ steps $T / c + c$ carries are alive at once instead of $T$, for one more forward pass.

    Args:
        body: `body(carry, x) -> (carry, y)`.
        carry: before the first step.
        xs: a tree of arrays with the steps first.
        num: the steps.
        chunk_size: $c$; by default about the root of the steps.
    """
    size = min(num, chunk_size or max(1, math.isqrt(num)))
    if size == num:
        return jax.lax.scan(body, carry, xs)
    return over_chunks(lambda carry, xs: jax.lax.scan(body, carry, xs), carry, xs, size)


def over_chunks(body: Callable[[Any, Any], tuple[Any, Any]], carry: Any, xs: Any, chunk_size: int) -> tuple[Any, Any]:
    """A loop over chunks of steps whose backward pass keeps the carry between them, and makes the rest anew.

    Args:
        body: of one chunk, `body(carry, xs) -> (carry, ys)`, all arrays with its steps first.
        carry: before the first step.
        xs: a tree of arrays with all steps first.
        chunk_size: steps in a chunk; the last may have fewer.
    """
    num = jtu.tree_leaves(xs)[0].shape[0]
    size = min(num, chunk_size)
    whole, body = num // size, jax.checkpoint(body)
    head = jtu.tree_map(lambda x: x[: whole * size].reshape(whole, size, *x.shape[1:]), xs)
    carry, ys = jax.lax.scan(body, carry, head)
    ys = jtu.tree_map(lambda y: y.reshape(-1, *y.shape[2:]), ys)
    if whole * size == num:
        return carry, ys
    carry, rest = body(carry, jtu.tree_map(lambda x: x[whole * size :], xs))
    return carry, jtu.tree_map(lambda a, b: jnp.concatenate([a, b]), ys, rest)


def loop(
    transition: AbstractTransition, drives: Array, start: Array, chunk_size: int | None, checkpointed: bool
) -> Array:
    """One step after the other."""

    def advance(state: Array, now: tuple[Any, Array]) -> tuple[Array, Array]:
        step = transition if now[0] is None else now[0]
        state = step.add(step.apply(state), now[1])
        return state, state

    xs = None if transition.invariant else transition, drives
    if checkpointed:
        return checkpointed_scan(advance, start, xs, drives.shape[0], chunk_size)[1]
    return jax.lax.scan(advance, start, xs)[1]


@jax.custom_jvp
def linear_loop(transition: AbstractTransition, drives: Array, start: Array) -> Array:
    r"""The same for transitions that are linear and sums that are sums, with a derivative that is one more such loop:
    $\delta h_t = A_t\, \delta h_{t-1} + (\delta A_t\, h_{t-1} + \delta b_t)$.

    Reverse mode then is one loop backwards over the transitions and the states, and keeps nothing else.
    """
    return loop(transition, drives, start, None, False)


@linear_loop.defjvp
@unrounded
def _linear_loop_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    transition, drives, start = primals
    states = linear_loop(transition, drives, start)
    before = jnp.concatenate([start[None], states[:-1]])

    def applied(transition: AbstractTransition) -> Array:
        axis = None if transition.invariant else 0
        return jax.vmap(lambda step, state: step.apply(state), (axis, 0))(transition, before)

    forced = jax.jvp(applied, (transition,), (tangents[0],))[1]
    return states, linear_loop(transition, forced + tangents[1], tangents[2])


def associative(transition: AbstractTransition, drives: Array, start: Array) -> Array:
    """All prefixes by a tree of compositions."""
    first = jtu.tree_map(lambda leaf: leaf if transition.invariant else leaf[0], transition)
    drives = drives.at[0].set(first.add(first.apply(start), drives[0]))

    def compose(earlier: tuple[Any, Array], later: tuple[Any, Array]) -> tuple[Any, Array]:
        return jax.vmap(_compose)(earlier, later)

    return jax.lax.associative_scan(compose, (over_steps(transition, drives.shape[0]), drives))[1]


def _compose(earlier: tuple[Any, Array], later: tuple[Any, Array]) -> tuple[Any, Array]:
    return later[0].compose(earlier[0]), later[0].add(later[0].apply(earlier[1]), later[1])


def chunked(transition: AbstractTransition, drives: Array, start: Array, chunk_size: int | None) -> Array:
    """Chunks side by side from nothing, then the states between them, then both together."""
    num = drives.shape[0]
    size = min(num, chunk_size or max(1, math.isqrt(num)))
    whole = num // size

    def split(leaf: Array) -> Array:
        return jnp.swapaxes(leaf[: whole * size].reshape(whole, size, *leaf.shape[1:]), 0, 1)

    steps, parts = jtu.tree_map(split, (over_steps(transition, num), drives))

    def within(carry: Any, now: Any) -> tuple[Any, Any]:
        carry = jax.vmap(_compose)(carry, now)
        return carry, carry

    first = jtu.tree_map(lambda leaf: leaf[0], (steps, parts))
    _, later = jax.lax.scan(within, first, jtu.tree_map(lambda leaf: leaf[1:], (steps, parts)))
    passed, local = jtu.tree_map(lambda a, b: jnp.concatenate([a[None], b]), first, later)

    def between(state: Array, chunk: tuple[Any, Array]) -> tuple[Array, Array]:
        return chunk[0].add(chunk[0].apply(state), chunk[1]), state

    last = jtu.tree_map(lambda leaf: leaf[-1], (passed, local))
    end, before = jax.lax.scan(between, start, last)

    def join(passed: Any, local: Array, before: Array) -> Array:
        return passed.add(passed.apply(before), local)

    states = jax.vmap(jax.vmap(join), (0, 0, None))(passed, local, before)
    states = jnp.swapaxes(states, 0, 1).reshape(whole * size, *drives.shape[1:])
    if whole * size == num:
        return states
    rest = transition if transition.invariant else jtu.tree_map(lambda leaf: leaf[whole * size :], transition)
    return jnp.concatenate([states, loop(rest, drives[whole * size :], end, None, False)])
