"""The share of targets that a network gets right."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ._batch import Batch


def accuracy(predictions: Float[Array, "num ... out"], batch: Batch) -> Float[Array, ""]:
    """The weighted share of targets whose class has the largest output, over examples and unmasked steps.

    Args:
        predictions: outputs for each example, `"num out"` or `"num step out"`; where targets are of the last step, the
            last one is taken.
        batch: with classes, or one-hot targets.
    """
    right, weight = _right(predictions, batch)
    return jnp.sum(weight * right) / jnp.sum(weight)


def sequence_accuracy(predictions: Float[Array, "num ... out"], batch: Batch) -> Float[Array, ""]:
    """The weighted share of examples of which every unmasked target is right.

    Args:
        predictions, batch: as for `accuracy`.
    """
    right, weight = _right(predictions, batch)
    if right.ndim == 1:
        return jnp.sum(weight * right) / jnp.sum(weight)
    whole = jnp.all(right | (weight == 0), axis=1)
    example = jnp.max(weight, axis=1)
    return jnp.sum(example * whole) / jnp.sum(example)


def _right(predictions: Array, batch: Batch) -> tuple[Bool[Array, "num ..."], Float[Array, "num ..."]]:
    """Which targets are right, and the weight of each."""
    if predictions.ndim == 3 and not batch.every_step:
        predictions = predictions[:, -1]
    classes = batch.y if batch.has_classes else jnp.argmax(batch.y, axis=-1)
    right = jnp.argmax(predictions, axis=-1) == classes
    dtype = predictions.dtype
    weight = jnp.ones(batch.num, dtype) if batch.weight is None else batch.weight.astype(dtype)
    if not batch.every_step:
        return right, weight
    counted = jnp.ones(right.shape, bool) if batch.mask is None else batch.mask
    return right, weight[:, None] * counted
