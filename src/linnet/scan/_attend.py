"""The verb for recurrences whose state is a matrix that is written with keys and values and read with queries."""

import functools as ft
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._precision import unrounded
from .._products import outer
from ._attend_decay import chunked_decay
from ._attend_low_rank import chunked_low_rank
from ._generic import checkpointed_scan
from ._low_rank import LowRank
from ._policy import attend_chunk, check_mode, choose_attend, splits_loop
from ._recur import accumulator, check_chunk, check_steps, dense, flip, recur
from ._transition import AbstractDecay, AbstractTransition
from ._watch import seen


@cite("katharopoulos2020transformers", "yang2024gated", "yang2024parallelizing")
@unrounded
def attend(
    transition: AbstractTransition,
    queries: Float[Array, "step key"],
    keys: Float[Array, "step *rank key"] | None,
    values: Float[Array, "step *rank value"],
    start: Float[Array, "key value"] | None = None,
    *,
    mode: str = "auto",
    chunk_size: int | None = None,
    resets: Bool[Array, " step"] | None = None,
    reverse: bool = False,
) -> tuple[Float[Array, "step value"], Float[Array, "key value"]]:
    r"""Outputs of $S_t = A_t S_{t-1} + k_t v_t^\top$, read as $o_t = S_t^\top q_t$.

    In plain Python:

    ```python
    for q, k, v in zip(queries, keys, values):
        state = transition.apply(state) + jnp.outer(k, v)
        outputs.append(state.T @ q)
    ```

    With a rank in `keys` and `values`, each step writes that many pairs: the $j$-th is written right after the $j$-th
    correction of a `LowRank` transition, so that later corrections of the same step see it (DeltaProduct).

    Modes "step" and "scan" are this loop; "associative" and "fft" make all states, $T K V$ numbers; "chunk" goes
    through chunks of $C$ steps with products of matrices, $O(T (C (K + V) + K V))$. The backward pass of "scan" keeps
    the state between chunks only, $(T / C) K V$ numbers beside the inputs, that of "chunk" the state between groups of
    chunks (on CPUs of 256 to 4,096 steps); both make the rest of one chunk or one group anew, unless there is but one.
    Sums are in float32 where the arrays have less; outputs are of the dtype of the values.

    Args:
        transition: $A$: `Identity`, `Scalar`, real `Diagonal` over keys, or `LowRank`.
        queries: $q$.
        keys: $k$, `"step key"`, or `"step rank key"`; `None` with a `LowRank` transition whose values go where its
            corrections write, as in the delta rule: both are one product then.
        values: $v$, `"step value"`, or `"step rank value"`.
        start: $S_0$; by default 0. In `reverse` the state after the last step.
        mode: "step", "scan", "associative", "chunk", "fft", or "auto" for what was measured to be fastest here.
        chunk_size: steps in a chunk, for the modes "scan" and "chunk".
        resets: where the state is forgotten before the step.
        reverse: from the last step to the first.

    Returns:
        The outputs, and the last state (in `reverse`: the first).

    Raises:
        ValueError: if shapes do not fit, there is no step, or the structure does not admit the mode.

    !!! example
        ```python
        import jax.random as jr
        import linnet as ln

        q, k, v = jr.normal(jr.key(0), (3, 100, 8))
        outputs, state = ln.scan.attend(ln.scan.Scalar(0.9), q, k, v, mode="chunk", chunk_size=32)
        ```
    """
    num = check_steps("attend", transition, queries.shape, resets)
    check_chunk("attend", chunk_size)
    _check_shapes(transition, queries, keys, values, start)
    admitted = tuple(m for m in transition.attend_admitted() if m != "fft" or resets is None)
    check_mode("attend", transition, mode, admitted)
    size = min(num, attend_chunk(transition, chunk_size))
    out, dtype = values.dtype, accumulator(values.dtype)
    start = jnp.zeros((queries.shape[-1], values.shape[-1]), dtype) if start is None else jnp.asarray(start)
    if isinstance(transition, LowRank) and keys is None and values.ndim == 2:
        values = values[:, None]
    given = (transition, queries, keys, values)
    transition, queries, keys, values = jtu.tree_map(lambda leaf: leaf.astype(dtype), given)
    start = start.astype(dtype)
    queries = seen("attend", transition, queries, keys=keys, values=values, start=start)
    if reverse:
        transition = flip(transition)
        queries, values = queries[::-1], values[::-1]
        keys = None if keys is None else keys[::-1]
        resets = None if resets is None else resets[::-1]
    parts = (transition, queries, keys, values, start)
    mode = choose_attend(transition, num, start.size) if mode == "auto" else mode
    if mode == "by use":
        plain = ft.partial(_run, *(("scan", None) if splits_loop(transition) else ("step", num)))
        outputs, last = by_use(plain, ft.partial(_run, "chunk", size), parts, resets)
    else:
        outputs, last = _run(mode, chunk_size if mode == "scan" else num if mode == "step" else size, parts, resets)
    outputs = outputs[::-1] if reverse else outputs
    return outputs.astype(out), last


def _run(mode: str, size: int | None, parts: tuple, resets: Array | None) -> tuple[Array, Array]:
    """One mode; `size` is the chunk."""
    if mode in ("associative", "fft"):
        return _by_states(*parts, mode, resets)
    if mode != "chunk":
        return _loop(*parts, resets, size)
    return (chunked_low_rank if isinstance(parts[0], LowRank) else chunked_decay)(*parts, size, resets)


@ft.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def by_use(plain: Any, differentiated: Any, parts: tuple, resets: Array | None) -> tuple[Array, Array]:
    """What is fastest by itself, and what is fastest with its derivative where there is one: the same numbers, in
    another order of sums."""
    return _mapped_first(plain(parts, resets))


@by_use.defjvp
@unrounded
def _by_use_jvp(plain: Any, differentiated: Any, primals: tuple, tangents: tuple) -> tuple[Any, Any]:
    return jax.jvp(lambda parts: _mapped_first(differentiated(parts, primals[1])), primals[:1], tangents[:1])


def _mapped_first(arrays: tuple[Array, Array]) -> tuple[Array, Array]:
    """The same arrays; where they are mapped by `jax.vmap`, that axis is the first of the array underneath.

    JAX takes for granted that a function and its derivative's rule leave mapped axes in the same places, which two
    different computations need not do.
    """
    outputs, last = (jnp.expand_dims(array, 0)[0] for array in arrays)
    return outputs, last


def _loop(
    transition: AbstractTransition,
    queries: Array,
    keys: Array | None,
    values: Array,
    start: Array,
    resets: Array | None,
    chunk_size: int | None,
) -> tuple[Array, Array]:
    def advance(state: Array, now: tuple) -> tuple[Array, Array]:
        step, query, key, value, reset = now
        if reset is not None:
            state = jnp.where(reset, 0, state)
        state = write(transition if step is None else step, state, key, value)
        return state, query @ state

    steps = None if transition.invariant else transition
    num = queries.shape[0]
    if num == 1:  # one step needs no loop
        state, output = advance(start, jtu.tree_map(lambda leaf: leaf[0], (steps, queries, keys, values, resets)))
        return output[None], state
    state, outputs = checkpointed_scan(advance, start, (steps, queries, keys, values, resets), num, chunk_size)
    return outputs, state


def write(transition: AbstractTransition, state: Array, key: Array | None, value: Array) -> Array:
    """The state after one step."""
    if isinstance(transition, LowRank) and key is None:
        key = transition.write
    if key.ndim == 1:
        return transition.apply(state) + outer(key, value)
    if not isinstance(transition, LowRank):
        return transition.apply(state) + key.T @ value
    # Each pair is written after its own correction.
    decays = transition.decays()
    before, state = state, decays.reshape(decays.shape + (1,) * (state.ndim - decays.ndim)) * state
    for number in range(key.shape[0]):
        read = transition.erase[number] @ (before if transition.undecayed else state)
        state = state + outer(transition.write[number], read) + outer(key[number], value[number])
    return state


def _by_states(
    transition: AbstractTransition,
    queries: Array,
    keys: Array | None,
    values: Array,
    start: Array,
    mode: str,
    resets: Array | None,
) -> tuple[Array, Array]:
    """All states, by products of transitions."""
    if isinstance(transition, LowRank):
        zero = jnp.zeros_like(start)
        drives = jax.vmap(lambda step, k, v: write(step, zero, k, v))(transition, keys, values)
        states, last = recur(dense(transition), drives, start, mode=mode, resets=resets)
    else:
        drives = jnp.einsum("...k,...v->...kv", keys, values)
        drives = drives if drives.ndim == 3 else jnp.sum(drives, axis=1)
        states, last = recur(transition, drives, start, mode=mode, resets=resets)
    return jnp.einsum("tk,tkv->tv", queries, states), last


def _check_shapes(
    transition: AbstractTransition, queries: Array, keys: Array | None, values: Array, start: Array | None
) -> None:
    num, size = queries.shape[0], queries.shape[-1]
    if keys is None:
        if not isinstance(transition, LowRank):
            raise ValueError(f"attend needs keys with {type(transition).__name__}; only LowRank has its own.")
        keys = transition.write if values.ndim == 3 or transition.write.shape[1] > 1 else transition.write[:, 0]
    fits = keys.shape[0] == values.shape[0] == num and keys.shape[-1] == size and keys.ndim == values.ndim
    if not fits or queries.ndim != 2 or keys.ndim not in (2, 3) or keys.shape[1:-1] != values.shape[1:-1]:
        raise ValueError(
            "attend needs queries (step, key), keys (step, key) and values (step, value), or (step, rank, key) and "
            f"(step, rank, value), got {queries.shape}, {keys.shape} and {values.shape}."
        )
    if start is not None and jnp.shape(start) != (size, values.shape[-1]):
        raise ValueError(f"attend needs a start of shape {(size, values.shape[-1])}, got {jnp.shape(start)}.")
    if isinstance(transition, LowRank):
        rank, wide = transition.erase.shape[-2:]
        if wide != size or (keys.ndim == 3 and keys.shape[1] != rank):
            raise ValueError(
                f"attend needs corrections of {size} keys and the rank of the keys, got erase of shape "
                f"{transition.erase.shape} for keys of shape {keys.shape}."
            )
    elif isinstance(transition, AbstractDecay):
        numbers = jax.eval_shape(transition.values)
        if jnp.issubdtype(numbers.dtype, jnp.complexfloating) or numbers.shape[-1:] not in ((), (num,), (1,), (size,)):
            raise ValueError(
                f"attend needs real numbers, one a step or one for each of {size} keys, got {numbers.dtype} of shape "
                f"{numbers.shape}."
            )
