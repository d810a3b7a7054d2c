"""The verb for recurrences whose states are all wanted."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Bool

from .._cite import cite
from .._precision import unrounded
from . import _generic
from ._elementwise import decay
from ._identity import Identity
from ._low_rank import LowRank
from ._max_plus import AbstractLogSpace
from ._policy import check_mode, choose_recur
from ._transition import AbstractDecay, AbstractTransition
from ._watch import replaced, seen


@cite("blelloch1990prefix", "martin2018parallelizing")
@unrounded
def recur(
    transition: AbstractTransition,
    drives: Array,
    start: Array | None = None,
    *,
    mode: str = "auto",
    chunk_size: int | None = None,
    resets: Bool[Array, " step"] | None = None,
    reverse: bool = False,
) -> tuple[Array, Array]:
    r"""All states of $h_t = A_t h_{t-1} + b_t$.

    In plain Python, for a transition without an axis over steps:

    ```python
    for drive, reset in zip(drives, resets):
        state = transition.add(transition.apply(0 * state if reset else state), drive)
        states.append(state)
    ```

    Sums are in float32 where the arrays have less. The backward pass of the mode "scan" is one loop backwards that
    keeps nothing but the transitions and the states, which are the result (in log space $T / c + c$ states, made anew
    in chunks of $c$ = `chunk_size` steps, by default the root of $T$). "step" is the same loop as JAX differentiates
    it.

    Args:
        transition: $A$.
        drives: $b$, `"step *state"`.
        start: $h_0$, `"*state"`; by default nothing (0, in log space minus infinity). In `reverse` the state after the
            last step.
        mode: "step", "scan", "associative", "chunk", "fft", or "auto" for what was measured to be fastest here.
        chunk_size: steps in a chunk, for the modes "scan" and "chunk".
        resets: where the state is forgotten before the step.
        reverse: from the last step to the first, $h_t = A_t h_{t+1} + b_t$.

    Returns:
        The states, `"step *state"`, and the last of them (in `reverse`: the first).

    Raises:
        ValueError: if shapes do not fit, there is no step, or the structure does not admit the mode.

    !!! example
        ```python
        import jax.numpy as jnp
        import linnet as ln

        states, last = ln.scan.recur(ln.scan.Diagonal(jnp.full((100, 4), 0.9)), jnp.ones((100, 4)), mode="associative")
        ```
    """
    num = check_steps("recur", transition, drives.shape, resets)
    check_chunk("recur", chunk_size)
    admitted = tuple(m for m in transition.admitted() if m != "fft" or resets is None)
    check_mode("recur", transition, mode, admitted)
    mode = choose_recur(transition, num, admitted) if mode == "auto" else mode
    if start is not None and jnp.shape(start) != drives.shape[1:]:
        raise ValueError(f"recur needs a start of the shape of one drive, {drives.shape[1:]}, got {jnp.shape(start)}.")
    # The precision is that of the drives; whether states are complex may come from any of the three.
    dtype = accumulator(drives.dtype)
    if any(jnp.iscomplexobj(part) for part in jtu.tree_leaves((transition, start))):
        dtype = jnp.result_type(dtype, jnp.complex64)
    real = jnp.finfo(dtype).dtype
    transition = jtu.tree_map(lambda leaf: leaf.astype(dtype if jnp.iscomplexobj(leaf) else real), transition)
    drives = drives.astype(dtype)
    start = transition.zero(drives.shape[1:], dtype) if start is None else jnp.asarray(start).astype(dtype)
    drives = seen("recur", transition, drives, start=start)
    if isinstance(transition, AbstractDecay):
        states = _numbers(transition, drives, start, mode, chunk_size, resets, reverse)
    else:
        states = _any(transition, drives, start, mode, chunk_size, resets, reverse)
    states = replaced(states)
    return states, states[0] if reverse else states[-1]


def _numbers(
    transition: AbstractDecay,
    drives: Array,
    start: Array,
    mode: str,
    chunk_size: int | None,
    resets: Array | None,
    reverse: bool,
) -> Array:
    if resets is not None:
        transition = transition.forget(resets)  # pyright: ignore[reportAssignmentType]
    values = transition.values()
    values = values[None] if transition.invariant else values
    shape = values.shape + (1,) * (drives.ndim - values.ndim)
    if values.ndim > drives.ndim or any(size not in (1, other) for size, other in zip(shape[1:], drives.shape[1:])):
        raise ValueError(
            f"recur needs numbers that fit the drives of shape {drives.shape}, got numbers of shape {values.shape}."
        )
    values = values.reshape(shape).astype(drives.dtype if jnp.iscomplexobj(values) else drives.real.dtype)
    return decay(values, drives, start, mode, chunk_size, reverse)


def _any(
    transition: AbstractTransition,
    drives: Array,
    start: Array,
    mode: str,
    chunk_size: int | None,
    resets: Array | None,
    reverse: bool,
) -> Array:
    if isinstance(transition, LowRank):
        transition = dense(transition) if mode == "associative" or resets is not None else transition
    if resets is not None:
        transition = transition.forget(resets)
    if reverse:
        transition, drives = flip(transition), drives[::-1]
    if mode == "associative":
        states = _generic.associative(transition, drives, start)
    elif mode == "chunk":
        states = _generic.chunked(transition, drives, start, chunk_size)
    elif mode == "scan" and not isinstance(transition, AbstractLogSpace):
        states = _generic.linear_loop(transition, drives, start)
    else:
        states = _generic.loop(transition, drives, start, chunk_size, mode == "scan")
    return states[::-1] if reverse else states


def dense(transition: LowRank) -> AbstractTransition:
    """The same transitions as full matrices."""
    from ._dense import Dense

    return Dense(eqx.filter_vmap(lambda step: step.matrix())(transition))


def flip(transition: Any) -> Any:
    """The transitions in the other order of steps."""
    return transition if transition.invariant else jtu.tree_map(lambda leaf: leaf[::-1], transition)


def accumulator(dtype: Any) -> Any:
    """The dtype in which sums are kept: at least float32."""
    return jnp.promote_types(dtype, jnp.float32)


def check_steps(verb: str, transition: AbstractTransition, shape: tuple[int, ...], resets: Array | None) -> int:
    """The number of steps, the same in all arguments.

    Raises:
        ValueError: if there is none, or they differ.
    """
    if not shape or shape[0] == 0:
        raise ValueError(f"{verb} needs a sequence of at least 1 step, got shape {shape}.")
    found = transition.num_steps()
    if found not in (None, shape[0]) and not isinstance(transition, Identity):
        raise ValueError(
            f"{verb} needs a transition for each of the {shape[0]} steps, got {found} (arrays that are the same at all "
            "steps are marked by `invariant=True`)."
        )
    if resets is not None and resets.shape != shape[:1]:
        raise ValueError(f"{verb} needs one reset for each of the {shape[0]} steps, got shape {resets.shape}.")
    return shape[0]


def check_chunk(verb: str, chunk_size: int | None) -> None:
    """Refuses chunks of nothing.

    Raises:
        ValueError: if there are less than one step in a chunk.
    """
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"{verb} needs a chunk_size of at least 1 step, got {chunk_size}.")
