"""What a transition is: the structure of the matrix that takes one state to the next."""

import abc
import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Bool

#: All modes, in the order in which they are named.
MODES = ("step", "scan", "associative", "chunk", "fft")


class AbstractTransition(eqx.Module):
    r"""The transitions $A_t$ of a recurrence $h_t = A_t h_{t-1} + b_t$, the first axis of every array over steps.

    Where `invariant`, the arrays have no axis over steps and $A$ is the same at all of them. The methods `apply`,
    `compose` and `add` are about one step; the engine maps them over steps.
    """

    #: The modes in which `recur` can compute with this structure, and those of `attend`.
    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    attend_modes: ClassVar[tuple[str, ...]] = ()
    #: Why a mode is missing, by mode.
    reasons: ClassVar[dict[str, str]] = {}

    invariant: eqx.AbstractVar[bool]

    @abc.abstractmethod
    def apply(self, state: Array) -> Array:
        """$A_t h$ for one step."""

    @abc.abstractmethod
    def compose(self, earlier: "AbstractTransition") -> "AbstractTransition":
        """$A_t A_s$ for one step after an earlier one; of the same structure."""

    @abc.abstractmethod
    def forget(self, resets: Bool[Array, " step"]) -> "AbstractTransition":
        r"""$(1 - c_t) A_t$ over all steps: nothing passes where `resets` is true. Never a logarithm of 0."""

    def add(self, state: Array, drive: Array) -> Array:
        """The sum of the recurrence, for one step."""
        return state + drive

    def zero(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """What changes nothing in the sum of the recurrence: the state before the first step where none is given."""
        return jnp.zeros(shape, dtype)

    def admitted(self) -> tuple[str, ...]:
        """The modes of `recur` for these very transitions."""
        return tuple(mode for mode in self.modes if mode != "fft" or self.invariant)

    def attend_admitted(self) -> tuple[str, ...]:
        """The modes of `attend` for these very transitions."""
        return tuple(mode for mode in self.attend_modes if mode != "fft" or self.invariant)

    def num_steps(self) -> int | None:
        """The steps of the arrays; `None` where the transition is the same at all of them."""
        leaves = jtu.tree_leaves(self)
        return None if self.invariant or not leaves else leaves[0].shape[0]


class AbstractDecay(AbstractTransition):
    r"""A transition that multiplies numbers, real with sign or complex: identity, scalar, diagonal.

    Given as the numbers themselves, or as logarithms of their moduli and signs: products then are sums, and negative
    numbers have their place.
    """

    attend_modes: ClassVar[tuple[str, ...]] = MODES

    @abc.abstractmethod
    def values(self) -> Array:
        """The numbers $a_t$ that multiply the state."""

    @abc.abstractmethod
    def logarithms(self) -> tuple[Array, Array | None]:
        r"""$\log |a_t|$ and the signs (`None` where all are positive); numbers that are 0 count as the smallest
        float."""


def over_steps(transition: AbstractTransition, num: int) -> AbstractTransition:
    """The same transitions with an axis over steps in all arrays."""
    if not transition.invariant:
        return transition
    spread = jtu.tree_map(lambda leaf: jnp.broadcast_to(leaf, (num, *leaf.shape)), transition)
    return dataclasses.replace(spread, invariant=False)
