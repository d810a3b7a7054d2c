"""Sequences of regions of piecewise-linear networks: guesses, and what cycle would go through them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool

from ..nn import AbstractPiecewiseLinear
from ._state_function import states_as_vectors

#: Steps of the orbits whose regions are guessed.
_STEPS = 64


def all_sequences(switches: int, order: int) -> Bool[np.ndarray, "guess order switch"]:
    """All sequences of regions that are no repetition of a shorter one, one of each set of cyclic shifts."""
    base = 2**switches
    values = np.arange(base**order)
    rotated, first = values, np.ones(len(values), bool)
    for _ in range(order - 1):
        rotated = rotated % base ** (order - 1) * base + rotated // base ** (order - 1)
        first &= values < rotated
    digits = values[first][:, None] // base ** np.arange(order)[::-1] % base
    return (digits[..., None] >> np.arange(switches)) % 2 == 1


def draw_sequences(
    model: AbstractPiecewiseLinear, drive: Array, order: int, num: int, starts: Any, key: Any
) -> Bool[np.ndarray, "guess order switch"]:
    """Regions of orbits in a row, and as many drawn one by one from those of the same orbits."""
    if key is None:
        raise ValueError("Regions are guessed at random: give a `key`, such as `jax.random.key(0)`.")
    first, second, third = jr.split(key, 3)
    if starts is None:
        scales = jnp.asarray([1.0, 4.0, 16.0])[jnp.arange(num) % 3, None]
        rows = scales * jr.normal(first, (num, model.state_size), jnp.float64)
    else:
        rows = states_as_vectors(starts, model.state_size)
        rows = rows[jr.randint(first, (num,), 0, rows.shape[0])]
    late = jr.randint(second, (num,), 0, _STEPS)
    in_a_row = _regions_of_orbits(model, drive, rows, late, order)
    pool = np.asarray(in_a_row).reshape(-1, model.num_switches)
    chosen = np.asarray(jr.randint(third, (num - num // 2, order), 0, len(pool)))
    return np.concatenate([np.asarray(in_a_row)[: num // 2], pool[chosen]])


@eqx.filter_jit
def _regions_of_orbits(model, drive, starts, late, order):
    def one(start, late):
        first = jax.lax.fori_loop(0, late, lambda _, x: model.advance(x) + drive, start)
        return jax.lax.scan(lambda x, _: (model.advance(x) + drive, model.region(x)), first, length=order)[1]

    return jax.vmap(one)(starts, late)


@eqx.filter_jit
def search_regions(model, drive, guesses, rounds, batch):
    """The sequence at which each guess ends, whether its cycle lies in these regions, and whether it is singular."""
    eye = jnp.eye(model.state_size)

    def cycle_of(code):
        matrices, offsets = jax.vmap(model.affine)(code)
        offsets = offsets + drive

        def compose(carry, part):
            matrix, offset = carry
            return (part[0] @ matrix, part[0] @ offset + part[1]), None

        (turn, offset), _ = jax.lax.scan(compose, (eye, jnp.zeros_like(drive)), (matrices, offsets))
        first = jnp.linalg.solve(eye - turn, offset)
        states = jax.lax.scan(lambda x, part: (part[0] @ x + part[1], x), first, (matrices, offsets))[1]
        # A matrix that is singular to rounding has a solution, but a very long one.
        singular = ~jnp.all(jnp.isfinite(states)) | (jnp.linalg.norm(first) > 1e12 * jnp.linalg.norm(offset))
        return jax.vmap(model.region)(states), singular

    def one(guess):
        def step(carry):
            code, (regions, _), num = carry
            return regions, cycle_of(regions), num + 1

        def goes_on(carry):
            code, (regions, singular), num = carry
            return (num < rounds) & ~singular & jnp.any(regions != code)

        code, (regions, singular), _ = jax.lax.while_loop(goes_on, step, (guess, cycle_of(guess), 0))
        return code, jnp.all(regions == code) & ~singular, singular

    return jax.lax.map(one, guesses, batch_size=batch)


@eqx.filter_jit
def affine_maps(model, drive, codes):
    """Matrix and offset in each region of each sequence."""
    matrices, offsets = jax.vmap(jax.vmap(model.affine))(codes)
    return matrices, jnp.broadcast_to(offsets, (*codes.shape[:2], model.state_size)) + drive


@eqx.filter_jit
def follow(model, drive, points):
    """The next state of each state of each cycle, and its region."""
    each = lambda function: jax.vmap(jax.vmap(function))  # noqa: E731
    return each(model.advance)(points) + drive, each(model.region)(points)
