"""The transition that keeps everything."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool

from ._scalar import Scalar
from ._transition import MODES, AbstractDecay, AbstractTransition


class Identity(AbstractDecay):
    r"""$A = I$: states are sums of all that came, $h_t = h_{t-1} + b_t$ (linear attention)."""

    modes: ClassVar[tuple[str, ...]] = MODES
    invariant: bool = eqx.field(default=True, static=True)

    def apply(self, state: Array) -> Array:
        return state

    def compose(self, earlier: AbstractTransition) -> AbstractTransition:
        return earlier

    def values(self) -> Array:
        return jnp.ones(())

    def logarithms(self) -> tuple[Array, Array | None]:
        return jnp.zeros(()), None

    def forget(self, resets: Bool[Array, " step"]) -> Scalar:
        return Scalar(jnp.where(resets, 0.0, 1.0))
