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
        factors: numbers that the blocks are multiplied by, `"step head"` (without steps, as the blocks). What a block
            gives is multiplied by them, which costs less than the block, with the gradient too.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    reasons: ClassVar[dict[str, str]] = {"fft": "blocks mix states, and each frequency would be a system to solve"}
    blocks: Inexact[Array, "..."]
    invariant: bool = eqx.field(static=True, default=False)
    factors: Inexact[Array, "..."] | None = None

    def __check_init__(self) -> None:
        wanted = 3 if self.invariant else 4
        if self.blocks.ndim != wanted or self.blocks.shape[-1] != self.blocks.shape[-2]:
            form = "(head, block, block)" if self.invariant else "(step, head, block, block)"
            raise ValueError(f"Block needs blocks of shape {form}, got {self.blocks.shape}.")
        if self.factors is not None and self.factors.shape != self.blocks.shape[:-2]:
            raise ValueError(f"Block needs factors of shape {self.blocks.shape[:-2]}, got {self.factors.shape}.")

    def apply(self, state: Array) -> Array:
        applied = jnp.einsum("hij,hj->hi", self.blocks, state)
        return applied if self.factors is None else self.factors[..., None] * applied

    def matrices(self) -> Array:
        """The blocks times their factors."""
        return self.blocks if self.factors is None else self.factors[..., None, None] * self.blocks

    def compose(self, earlier: "Block") -> "Block":  # pyright: ignore[reportIncompatibleMethodOverride]
        # Factors by themselves would underflow, and products of blocks without them overflow.
        factors = None if self.factors is None else jnp.ones_like(self.factors)
        return eqx.tree_at(
            lambda t: (t.blocks, t.factors),
            earlier,
            (self.matrices() @ earlier.matrices(), factors),
            is_leaf=lambda x: x is None,
        )

    def forget(self, resets: Bool[Array, " step"]) -> AbstractTransition:
        blocks, factors = self.blocks, self.factors
        if self.invariant:
            blocks = blocks[None]
            factors = None if factors is None else jnp.broadcast_to(factors, (resets.shape[0], *factors.shape))
        return Block(jnp.where(resets[:, None, None, None], 0, blocks), factors=factors)
