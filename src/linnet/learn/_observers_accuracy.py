"""The observer of accuracy."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


class Accuracy(AbstractObserver):
    """The share of examples whose largest output is that of their class: "accuracy", "validation_accuracy" or
    "test_accuracy".

    Targets are one-hot; where a split has centred them, its kept mean is added to the outputs before they are compared.

    Args:
        part: "train", "validation" or "test".
    """

    part: str = eqx.field(default="train", static=True)
    batch: tasks.Batch | None = None
    mean: Float[Array, "*step out"] | None = None

    @property
    def name(self) -> str:
        return "accuracy" if self.part == "train" else f"{self.part}_accuracy"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "Accuracy":
        if self.part not in ("train", "validation", "test"):
            raise ValueError(f'Accuracy is of the part "train", "validation" or "test", got "{self.part}".')
        batch = getattr(task, self.part) if isinstance(task, tasks.Split) else task if self.part == "train" else None
        if not isinstance(batch, tasks.Batch) or batch.y.shape[-1] < 2:
            raise ValueError(
                f"The {self.part} accuracy needs samples with one-hot targets of two classes or more; pass a Batch "
                f"or a Split of "
                "them (moments have no samples)."
            )
        return Accuracy(self.part, batch, task.y_mean if isinstance(task, tasks.Split) else None)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.batch is None:
            raise ValueError("Accuracy has to be bound to a task first; `simulate` does it.")
        batch, mean = self.batch, 0 if self.mean is None else self.mean
        every_step = batch.y.ndim == 3
        outputs = jax.vmap(lambda x: (nn.apply if every_step else nn.apply_last)(network, x))(batch.x)
        right = jnp.argmax(outputs + mean, axis=-1) == jnp.argmax(batch.y + mean, axis=-1)
        weight = jnp.ones(batch.num, outputs.dtype) if batch.weight is None else batch.weight.astype(outputs.dtype)
        if every_step:
            counted = jnp.ones(right.shape, bool) if batch.mask is None else batch.mask
            weight = weight[:, None] * counted
        return jnp.sum(weight * right) / jnp.sum(weight)
