"""How layers whose states do not meet compute: loops and trees over states, or one convolution with their powers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Inexact

from ..scan import Diagonal, recur
from ._complex_pairs import to_complex, to_pair
from ._dense_states import block_size


def run_diagonal(
    poles: Complex[Array, "*state"],
    drives: Complex[Array, "step *state"],
    state: Float[Array, "2 *state"],
    *,
    mode: str,
    chunk_size: int | None,
    resets: Bool[Array, " step"] | None,
) -> tuple[Complex[Array, "step *state"], Float[Array, "2 *state"]]:
    r"""All states of $h_t = a \odot h_{t-1} + b_t$, and the last as a pair.

    Args:
        poles: $a$.
        drives: $b$.
        state: $h_0$ as real and imaginary parts.
        mode: of `linnet.scan.recur`.
        chunk_size: steps in a chunk.
        resets: where the state is forgotten before the step.
    """
    states, last = recur(
        Diagonal(poles, invariant=True), drives, to_complex(state), mode=mode, chunk_size=chunk_size, resets=resets
    )
    return states, to_pair(last)


def powers(numbers: Inexact[Array, "*state"], num: int) -> Inexact[Array, "power *state"]:
    r"""$1, a, a^2, \dots, a^{T-1}$ by doubling: $\log T$ roundings, and a derivative also where $a = 0$."""
    found, factor = jnp.ones_like(numbers)[None], numbers
    while found.shape[0] < num:
        found = jnp.concatenate([found, found * factor])
        factor = factor * factor
    return found[:num]


def convolution_parts(
    numbers: Complex[Array, "feature state"],
    drive: Complex[Array, "feature state"],
    read_out: Complex[Array, "feature state"],
    start: Complex[Array, "feature state"],
    inputs: Float[Array, "step feature"],
) -> tuple[Float[Array, "2 lag feature"], Complex[Array, "feature state"]]:
    r"""The kernels $\mathrm{Re} \sum_n c_n a_n^l b_n$ and $\mathrm{Re} \sum_n c_n a_n^{l+1} h_{0,n}$ for each feature,
    and the state after the last step.

    With $l = mi + j$ and $m$ about $\sqrt T$ they are products of $a^{mi}$ and $a^j$: $O(\sqrt T)$ powers and a product
    of matrices, where all powers would be $T$ arrays of the states in memory.

    Args:
        numbers: $a$.
        drive: $b$.
        read_out: $c$.
        start: $h_0$.
        inputs: $u$.
    """
    num = inputs.shape[0]
    size = block_size(num)
    longest = numbers
    for _ in range(size.bit_length() - 1):
        longest = longest * longest
    blocks = -(-num // size)
    outer, inner = jnp.moveaxis(powers(longest, blocks), 0, 1), jnp.moveaxis(powers(numbers, size), 0, 1)
    # Products of real matrices: "feature kernel block", "feature within".
    weights = read_out * jnp.stack([drive, numbers * start])
    left = jnp.moveaxis(weights, 0, 1)[:, :, None] * outer[:, None]
    within = jnp.concatenate([inner.real, inner.imag], axis=2)
    kernels = jnp.concatenate([left.real, -left.imag], axis=3) @ jnp.swapaxes(within, 1, 2)[:, None]
    kernels = kernels.reshape(*kernels.shape[:2], -1)[..., :num]
    # The first block has the steps that fill no whole one.
    early = num - size * (blocks - 1)
    late = jnp.pad(inputs[::-1].T, ((0, 0), (0, size - early))).reshape(-1, blocks, size)
    sums = late @ within
    sums = jnp.sum(outer * jax.lax.complex(*jnp.split(sums, 2, axis=2)), axis=1)
    passed = outer[:, -1] * inner[:, early - 1] * numbers
    return jnp.moveaxis(kernels, 0, 2), passed * start + drive * sums


def check_no_resets(name: str, resets: Bool[Array, " step"] | None, modes: tuple[str, ...]) -> None:
    """Refuses resets where a sequence is convolved as a whole.

    Raises:
        ValueError: with the modes that can forget.
    """
    if resets is not None:
        others = ", ".join(mode for mode in modes if mode != "fft")
        raise ValueError(
            f"{name} cannot forget in the mode 'fft': a convolution is of one sequence from its beginning to its end. "
            f"Choose from auto, {others}, or call it once for each sequence."
        )
