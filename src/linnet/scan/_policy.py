"""Which mode is taken where none is named, and the sentences about those that cannot be."""

from typing import Any

import jax

from ._transition import MODES as MODES, AbstractTransition

#: Steps in a chunk of `attend` where none are named, by backend: measured on two cores (`benchmarks/README.md`); on
#: accelerators products of 64 rows fill the units.
CHUNKS = {"cpu": 64}
ACCELERATOR_CHUNK = 64
#: The same for transitions of low rank, whose chunks are solved as triangular systems.
LOW_RANK_CHUNKS = {"cpu": 16}


def check_mode(verb: str, transition: AbstractTransition, mode: str, admitted: tuple[str, ...]) -> None:
    """Refuses a mode that the structure does not admit.

    Raises:
        ValueError: with the modes it does admit, and why this is none of them.
    """
    name = type(transition).__name__
    if not admitted:
        raise ValueError(
            f"`{verb}` needs a transition for a state of keys and values (Identity, Scalar, Diagonal, LowRank), got "
            f"{name}; use `recur`."
        )
    if mode == "auto" or mode in admitted:
        return
    if mode not in MODES:
        raise ValueError(f"There is no mode {mode!r}: choose from auto, {', '.join(admitted)}.")
    if mode == "fft" and "fft" in (*transition.modes, *transition.attend_modes):
        reason = "a Fourier transform needs transitions that are the same at all steps, and no resets"
    else:
        reason = transition.reasons.get(mode, "its products are of another structure")
    raise ValueError(
        f"{name} does not admit the mode {mode!r} in `{verb}`: {reason}. Choose from auto, {', '.join(admitted)}."
    )


def is_accelerated() -> bool:
    """Whether JAX computes on something else than a CPU."""
    return jax.default_backend() != "cpu"


def choose_recur(transition: AbstractTransition, num: int, admitted: tuple[str, ...]) -> str:
    """The mode of `recur`: loops on CPUs, trees on accelerators."""
    if num == 1:
        return "step"
    return "associative" if is_accelerated() and "associative" in admitted else "scan"


def choose_attend(num: int, chunk_size: int) -> str:
    """The mode of `attend`: products of chunks, but for a few steps."""
    return "step" if num <= 8 else "chunk"


def attend_chunk(low_rank: bool, asked: Any) -> int:
    """Steps in a chunk of `attend`."""
    if asked is not None:
        return asked
    return (LOW_RANK_CHUNKS if low_rank else CHUNKS).get(jax.default_backend(), ACCELERATOR_CHUNK)
