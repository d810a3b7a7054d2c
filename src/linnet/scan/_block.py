"""Small matrices along the diagonal."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Inexact

from ._transition import AbstractTransition


class Block(AbstractTransition):
    r"""$A_t$ block diagonal: blocks of $b \times b$, the state `"head block"` (regular languages, LinOSS).

    Args:
        blocks: `"step head block block"`; without the axis over steps where they are the same at all of them.
        invariant: the blocks are the same at all steps.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    reasons: ClassVar[dict[str, str]] = {"fft": "blocks mix states, and each frequency would be a system to solve"}
    blocks: Inexact[Array, "..."]
    invariant: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        wanted = 3 if self.invariant else 4
        if self.blocks.ndim != wanted or self.blocks.shape[-1] != self.blocks.shape[-2]:
            form = "(head, block, block)" if self.invariant else "(step, head, block, block)"
            raise ValueError(f"Block needs blocks of shape {form}, got {self.blocks.shape}.")

    def apply(self, state: Array) -> Array:
        return jnp.einsum("hij,hj->hi", self.blocks, state)

    def compose(self, earlier: "Block") -> "Block":  # pyright: ignore[reportIncompatibleMethodOverride]
        return eqx.tree_at(lambda t: t.blocks, earlier, self.blocks @ earlier.blocks)

    def forget(self, resets: Bool[Array, " step"]) -> AbstractTransition:
        blocks = self.blocks[None] if self.invariant else self.blocks
        return Block(jnp.where(resets[:, None, None, None], 0, blocks))
