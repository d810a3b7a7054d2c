"""How layers whose states do not meet compute: loops and trees over states, or one convolution with their powers."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Inexact

from ..scan import Diagonal, recur
from ._complex_pairs import to_complex, to_pair


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
