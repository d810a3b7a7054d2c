"""Which mode is taken where none is named, and the sentences about those that cannot be."""

from typing import Any

from .._precision import is_accelerated
from ._diagonal import Diagonal
from ._identity import Identity
from ._low_rank import LowRank
from ._scalar import Scalar
from ._transition import MODES as MODES, AbstractTransition

#: Steps in a chunk of `attend` on CPUs, where none are named: measured on two cores (`python -m benchmarks scan`).
CPU_CHUNK = 16
#: The same where nothing but one number fades what is kept: there is least to do beside products.
CPU_SCALAR_CHUNK = 32
#: On accelerators, products of so many rows fill the units.
ACCELERATOR_CHUNK = 64
#: Steps whose chunks are worked at a time, and whose backward pass makes them anew: they stay in a CPU's cache.
CPU_GROUP = 256
#: The same where states are at most of middling size, or there are no more steps than that: beginning a group, and
#: making its chunks anew, costs more than a cache saves.
CPU_LONG_GROUP = 2048
#: The same where such states are faded by no more than one number.
CPU_SCALAR_GROUP = 4096
#: On accelerators they are to fill the units.
ACCELERATOR_GROUP = 8192
#: States of middling size.
MIDDLING = (512, 2048)
#: So few steps are taken one by one.
FEW = 8


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


def choose_recur(transition: AbstractTransition, num: int, admitted: tuple[str, ...]) -> str:
    """The mode of `recur`: loops on CPUs, trees on accelerators."""
    if num == 1:
        return "step"
    return "associative" if is_accelerated() and "associative" in admitted else "scan"


def choose_attend(transition: Any, num: int, size: int) -> str:
    """The mode of `attend`: chunks, but one by one for a few steps; "by use" (on CPUs, where numbers of each key or
    corrections make chunks dearer) one by one without a derivative and chunks with one. Between states so small that
    a step costs little and so large that one step keeps all cores busy, chunks with numbers of each key are faster.

    Args:
        transition: the transition.
        num: the steps.
        size: numbers of the state.
    """
    if num <= FEW:
        return "step"
    quick = isinstance(transition, (Identity, Scalar)) or (
        isinstance(transition, Diagonal) and MIDDLING[0] < size < MIDDLING[1]
    )
    return "chunk" if is_accelerated() or quick else "by use"


def splits_loop(transition: Any) -> bool:
    """Whether a loop in a loop is faster than one: where corrections come with numbers of each key."""
    return isinstance(transition, LowRank) and transition.log is not None and transition.log.ndim == 2


def attend_chunk(transition: Any, asked: int | None) -> int:
    """Steps in a chunk of `attend`."""
    if asked is not None:
        return asked
    if is_accelerated():
        return ACCELERATOR_CHUNK
    return CPU_SCALAR_CHUNK if isinstance(transition, (Identity, Scalar)) else CPU_CHUNK


def attend_group(transition: Any, num: int, size: int) -> int:
    """Steps that `attend` works at a time in chunks.

    Args:
        transition: the transition.
        num: the steps.
        size: numbers of the state.
    """
    if is_accelerated():
        return ACCELERATOR_GROUP
    if size <= MIDDLING[1]:
        return CPU_SCALAR_GROUP if isinstance(transition, (Identity, Scalar)) else CPU_LONG_GROUP
    return CPU_GROUP if isinstance(transition, Identity) or num > CPU_LONG_GROUP else CPU_LONG_GROUP
