"""Numbers of any size as arrays of bits, the lowest first."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Int

from .._types import PRNGKey


def draw_positive(key: PRNGKey, length: int, size: Int[Array, ""]) -> Int[Array, " bit"]:
    """The bits of a number uniform between 1 and `2 ** size - 1`; those from `size` on are zero."""
    top_key, bit_key = jr.split(key)
    # The highest bit is k places below the top with probability proportional to 2 ** -k; below it bits are fair.
    cut = jr.uniform(top_key, (), jnp.float32) * (1 - jnp.exp2(-size.astype(jnp.float32)))
    below = jnp.floor(-jnp.log2(1 - cut)).astype(jnp.int32)
    top = size - 1 - jnp.clip(below, 0, size - 1)
    place = jnp.arange(length)
    bits = jr.randint(bit_key, (length,), 0, 2, jnp.int32)
    return jnp.where(place < top, bits, (place == top).astype(jnp.int32))


def carry_over(digits: Int[Array, " bit"]) -> Int[Array, " bit"]:
    """The bits of a number given by digits of any size, those beyond the last place left out."""

    def step(carry: Array, digit: Array) -> tuple[Array, Array]:
        total = carry + digit
        return total >> 1, total & 1

    return jax.lax.scan(step, jnp.zeros((), digits.dtype), digits)[1]


def multiply(a: Int[Array, " bit"], b: Int[Array, " bit"]) -> Int[Array, " bit"]:
    """The bits of a product of at most as many places as the factors have entries."""
    length = a.shape[0]
    # Sums of products of bits are at most `length`, which a transform in float32 gives to well below one half.
    spectrum = jnp.fft.rfft(a.astype(jnp.float32), 2 * length) * jnp.fft.rfft(b.astype(jnp.float32), 2 * length)
    return carry_over(jnp.round(jnp.fft.irfft(spectrum, 2 * length)[:length]).astype(jnp.int32))


def square_root(bits: Int[Array, " bit"], num_roots: int, num_pairs: Int[Array, ""]) -> Int[Array, " root"]:
    """The bits of the integer square root, the *highest* first, digit by digit as on paper.

    Args:
        bits: of the number, the lowest first.
        num_roots: of the array of the result.
        num_pairs: how many pairs of bits the number has, which is how many bits the root has.
    """
    width = num_roots + 2
    padded = jnp.pad(bits, (0, 2 * num_roots + 2 - bits.shape[0]))

    def step(carry: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], Array]:
        rest, root = carry
        pair = jnp.maximum(num_pairs - 1 - index, 0)
        low, high = padded[2 * pair], padded[2 * pair + 1]
        # Appended are two bits to the rest, and the bits 01 to the root found so far.
        rest = jnp.concatenate([jnp.stack([low, high]), rest[:-2]])
        trial = jnp.concatenate([jnp.array([1, 0], root.dtype), root[:-2]])
        left, fits = _subtract(rest, trial)
        bit = fits.astype(root.dtype)
        return (jnp.where(fits, left, rest), jnp.concatenate([bit[None], root[:-1]])), bit

    zero = jnp.zeros(width, bits.dtype)
    return jax.lax.scan(step, (zero, zero), jnp.arange(num_roots))[1]


def _subtract(a: Int[Array, " bit"], b: Int[Array, " bit"]) -> tuple[Int[Array, " bit"], Bool[Array, ""]]:
    """The bits of a - b, and whether it is not negative."""
    place = jnp.arange(a.shape[0])
    # A place borrows if b is the larger number below it, which the nearest place at which both differ says.
    nearest = jax.lax.cummax(jnp.where(a != b, place, -1))
    smaller = (nearest >= 0) & (b[nearest] == 1)
    borrow = jnp.concatenate([jnp.zeros(1, bool), smaller[:-1]])
    return (a - b - borrow.astype(a.dtype)) & 1, ~smaller[-1]
