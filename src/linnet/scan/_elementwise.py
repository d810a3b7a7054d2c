r"""Recurrences of numbers, $h_t = a_t h_{t-1} + b_t$ element by element, in all modes.

The derivative of such a recurrence is one more recurrence with the same $a$:
$\delta h_t = a_t\, \delta h_{t-1} + (\delta a_t\, h_{t-1} + \delta b_t)$. Written down once, it spares JAX to
differentiate through the loop: forward mode is a second pass, and reverse mode one pass backwards over $a$ and the
states, which the forward pass leaves anyway. Nothing else is kept.
"""

import functools as ft
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

#: Where products of numbers are taken over a whole chunk, the chunk is about the root of the length.
_LEAST_CHUNK = 16


@ft.partial(jax.custom_jvp, nondiff_argnums=(3, 4, 5))
def decay(a: Array, b: Array, start: Array, mode: str, chunk_size: int | None, reverse: bool) -> Array:
    """All states.

    Args:
        a: the numbers, `"step ..."`, or `"1 ..."` where they are the same at all steps; they broadcast against `b`.
        b: `"step *state"`.
        start: `"*state"`, the state before the first step (in `reverse`: after the last).
        mode: "scan" (also for "step"), "associative", "chunk", or "fft" (numbers that stay the same).
        chunk_size: of the chunk mode.
        reverse: from the last step to the first.
    """
    if mode == "chunk":
        return _chunk(a, b, start, chunk_size, reverse)
    if mode == "associative":
        return _associative(a, b, start, reverse)
    if mode == "fft":
        return _fft(a, b, start, reverse)
    return _loop(a, b, start, reverse)


@decay.defjvp
def _decay_jvp(
    mode: str, chunk_size: int | None, reverse: bool, primals: tuple, tangents: tuple
) -> tuple[Array, Array]:
    a, b, start = primals
    da, db, dstart = tangents
    states = decay(a, b, start, mode, chunk_size, reverse)
    before = jnp.concatenate([states[1:], start[None]]) if reverse else jnp.concatenate([start[None], states[:-1]])
    return states, decay(a, da * before + db, dstart, mode, chunk_size, reverse)


def _loop(a: Array, b: Array, start: Array, reverse: bool) -> Array:
    if a.shape[0] != b.shape[0]:

        def constant(state: Array, drive: Array) -> tuple[Array, Array]:
            state = a[0] * state + drive
            return state, state

        return jax.lax.scan(constant, start, b, reverse=reverse)[1]

    def advance(state: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        state = now[0] * state + now[1]
        return state, state

    return jax.lax.scan(advance, start, (a, b), reverse=reverse)[1]


def _associative(a: Array, b: Array, start: Array, reverse: bool) -> Array:
    a = jnp.broadcast_to(a, (b.shape[0], *a.shape[1:]))
    first = -1 if reverse else 0
    b = b.at[first].add(a[first] * start)

    def compose(earlier: tuple[Array, Array], later: tuple[Array, Array]) -> tuple[Array, Array]:
        return earlier[0] * later[0], later[0] * earlier[1] + later[1]

    return jax.lax.associative_scan(compose, (a, b), reverse=reverse)[1]


def _chunk(a: Array, b: Array, start: Array, chunk_size: int | None, reverse: bool) -> Array:
    """Chunks side by side from zero, then the states between them, then both together."""
    num = b.shape[0]
    size = min(num, chunk_size or max(_LEAST_CHUNK, 1 << (max(num, 1).bit_length() // 2)))
    pad = -num % size
    same = a.shape[0] != num or num == 1
    if reverse:
        b, a = b[::-1], a if same else a[::-1]
    if pad:
        b = jnp.concatenate([b, jnp.zeros((pad, *b.shape[1:]), b.dtype)])
        a = a if same else jnp.concatenate([a, jnp.ones((pad, *a.shape[1:]), a.dtype)])
    b = jnp.swapaxes(b.reshape(-1, size, *b.shape[1:]), 0, 1)
    a = a[:, None] if same else jnp.swapaxes(a.reshape(-1, size, *a.shape[1:]), 0, 1)
    local = _loop(a, b, jnp.zeros_like(b[0]), False)
    passed = _powers(a[0], size) if same else jnp.cumprod(a, axis=0)
    # The state at the end of each chunk, and with it the one before each.
    whole = passed[-1] if passed.shape[1] == b.shape[1] else passed[-1][:1]
    ends = _loop(whole, local[-1], start, False)
    before = jnp.concatenate([start[None], ends[:-1]])
    states = jnp.swapaxes(local + passed * before, 0, 1).reshape(-1, *b.shape[2:])[:num]
    return states[::-1] if reverse else states


def _powers(a: Array, num: int) -> Array:
    return jnp.cumprod(jnp.broadcast_to(a, (num, *a.shape)), axis=0)


def _fft(a: Array, b: Array, start: Array, reverse: bool) -> Array:
    r"""A convolution with $1, a, a^2, \dots$, and the powers of $a$ that are left of the start."""
    num = b.shape[0]
    if reverse:
        b = b[::-1]
    powers = jnp.concatenate([jnp.ones_like(a), _powers(a[0], num)])
    size = 1 << (2 * num - 1).bit_length()
    forward: Any = jnp.fft.fft
    spectrum = forward(powers[:-1], size, axis=0) * forward(b, size, axis=0)
    states = jnp.fft.ifft(spectrum, axis=0)[:num]
    states = states if jnp.iscomplexobj(a) or jnp.iscomplexobj(b) else states.real
    states = states.astype(jnp.result_type(a, b)) + powers[1:] * start
    return states[::-1] if reverse else states
