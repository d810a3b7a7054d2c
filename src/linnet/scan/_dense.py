"""Any matrix."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Inexact

from ._transition import AbstractTransition


class Dense(AbstractTransition):
    r"""$A_t$ any matrix; the state is a vector, or a matrix whose rows it mixes. Products cost $n^3$.

    Args:
        matrix: `"step state state"`; without the axis over steps where it is the same at all of them.
        invariant: the matrix is the same at all steps.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    reasons: ClassVar[dict[str, str]] = {
        "fft": "a matrix mixes states; where only outputs are needed, `convolve` takes the kernel of the system"
    }
    matrix: Inexact[Array, "..."]
    invariant: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        wanted = 2 if self.invariant else 3
        if self.matrix.ndim != wanted or self.matrix.shape[-1] != self.matrix.shape[-2]:
            form = "(state, state)" if self.invariant else "(step, state, state)"
            raise ValueError(f"Dense needs a matrix of shape {form}, got {self.matrix.shape}.")

    def apply(self, state: Array) -> Array:
        return self.matrix @ state

    def compose(self, earlier: "Dense") -> "Dense":  # pyright: ignore[reportIncompatibleMethodOverride]
        return eqx.tree_at(lambda t: t.matrix, earlier, self.matrix @ earlier.matrix)

    def forget(self, resets: Bool[Array, " step"]) -> AbstractTransition:
        matrix = self.matrix[None] if self.invariant else self.matrix
        return Dense(jnp.where(resets[:, None, None], 0, matrix))
