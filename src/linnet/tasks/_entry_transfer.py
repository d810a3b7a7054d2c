"""A matrix to complete, and another one afterwards."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._types import EndToEnd
from ._setting import AbstractSetting


@cite("arora2019implicit", "kleinman2024critical")
class EntryTransfer(AbstractSetting):
    r"""Completing one matrix until `switch`, and another one from then on, from the entries that are seen.

    $L(W) = \frac12 \sum_{ij \in \text{seen}} (W_{ij} - M_{ij})^2$ over their number, with $M$ the first matrix before
    the switch and the second one after it. What is recorded as "loss" is that of the second.

    Args:
        first: the matrix of the first stage, known where it is seen.
        second: that of the second.
        seen: which entries are, of the first.
        switch: the learning time of the switch; 0 leaves out the first stage. Traceable.
        seen_later: which entries are seen of the second; by default the same.
    """

    first: Float[Array, "out in"]
    second: Float[Array, "out in"]
    seen: Bool[Array, "out in"]
    seen_later: Bool[Array, "out in"]
    switch: Float[Array, ""]

    def __init__(self, first: Any, second: Any, seen: Any, switch: Any, *, seen_later: Any = None) -> None:
        self.first, self.second = jnp.asarray(first), jnp.asarray(second)
        self.seen = jnp.asarray(seen, bool)
        self.seen_later = self.seen if seen_later is None else jnp.asarray(seen_later, bool)
        self.switch = jnp.asarray(switch, self.first.dtype)
        shapes = [value.shape for value in (self.first, self.second, self.seen, self.seen_later)]
        if self.first.ndim != 2 or len(set(shapes)) > 1:
            raise ValueError(f"EntryTransfer needs matrices of one shape (out, in), got {shapes}.")

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        if not isinstance(loss, SquaredError):
            return f"it needs squared error, got {type(loss).__name__}."
        if not isinstance(network, EndToEnd):
            return f"it needs a network with a linear map (`end_to_end`), got {type(network).__name__}."
        shape = jax.eval_shape(lambda: network.end_to_end()).shape
        if shape != self.first.shape:
            return f"the network's map has the shape (out, in) = {shape}, the matrices {self.first.shape}."
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        return seen_error(network.end_to_end(), self.second, self.seen_later)

    def loss_at(self, network: Any, time: Float[Array, ""]) -> Float[Array, ""]:
        return self.loss_of_map(network.end_to_end(), time)

    def loss_of_map(self, linear_map: Float[Array, "out in"], time: Float[Array, ""]) -> Float[Array, ""]:
        """What is descended at a learning time, for a map."""
        early = time < self.switch
        seen = jnp.where(early, self.seen, self.seen_later)
        return seen_error(linear_map, jnp.where(early, self.first, self.second), seen)

    def jumps(self) -> Float[Array, " jump"]:
        return self.switch[None]


def seen_error(
    linear_map: Float[Array, "out in"], target: Float[Array, "out in"], seen: Bool[Array, "out in"]
) -> Float[Array, ""]:
    """Half the mean squared error over the entries that are seen."""
    num = jnp.maximum(jnp.sum(seen), 1)
    return 0.5 * jnp.sum(jnp.where(seen, linear_map - target, 0) ** 2) / num
