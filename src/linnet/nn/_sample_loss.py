"""The mean loss of a network over samples."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._loss import AbstractLoss, LpLoss, SquaredError
from ._network import apply


def sample_loss(network: Any, batch: tasks.Batch, loss: AbstractLoss) -> Float[Array, ""]:
    """The mean over a batch of the loss of each example, a sum over outputs and (where targets have them) unmasked
    steps.

    Where the targets of sequences have no steps, they are those of the last step.

    Raises:
        ValueError: if targets are classes and the loss is of numbers.
    """
    if batch.has_classes and isinstance(loss, (SquaredError, LpLoss)):
        raise ValueError(
            f"{type(loss).__name__} needs targets that are numbers, got integer classes. Use `CrossEntropy()`, or "
            "`batch.one_hot(vocab_size, num_classes)`."
        )

    def predict(x: Array) -> Array:
        return apply(network, x)

    # With an axis of one example XLA takes up to four times as long as without it.
    predictions = predict(batch.x[0])[None] if batch.x.shape[0] == 1 else jax.vmap(predict)(batch.x)
    if predictions.ndim == 3 and not batch.every_step:
        predictions = predictions[:, -1]
    losses = loss(predictions, batch.y)
    if losses.ndim == 2:
        losses = jnp.sum(losses if batch.mask is None else jnp.where(batch.mask, losses, 0), axis=1)
    if batch.weight is None:
        return jnp.mean(losses)
    return jnp.sum(batch.weight * losses) / jnp.sum(batch.weight)
