"""The observer of accuracy."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from .. import nn, tasks
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


class Accuracy(AbstractObserver):
    """The share of targets whose class has the largest output: "accuracy", "validation_accuracy" or "test_accuracy".

    Of sequences with targets at every step, the share of unmasked steps; with `sequences`, the share of sequences of
    which all steps are right, "sequence_accuracy". Targets are classes or one-hot; where a split has centred them, its
    kept mean is added to the outputs before they are compared.

    Args:
        part: "train", "validation" or "test".
        batch: samples to measure on in place of those of the task: longer sequences, or where a task draws fresh ones.
        sequences: whether an example counts only as a whole.
    """

    part: str = eqx.field(default="train", static=True)
    batch: tasks.Batch | None = None
    mean: Float[Array, "*step out"] | None = None
    sequences: bool = eqx.field(default=False, static=True)

    @property
    def name(self) -> str:
        name = "sequence_accuracy" if self.sequences else "accuracy"
        return name if self.part == "train" else f"{self.part}_{name}"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "Accuracy":
        if self.part not in ("train", "validation", "test"):
            raise ValueError(f'Accuracy is of the part "train", "validation" or "test", got "{self.part}".')
        batch, mean = self.batch, self.mean
        if batch is None and isinstance(task, tasks.Split):
            batch, mean = getattr(task, self.part), task.y_mean
        elif batch is None and self.part == "train":
            batch = task
        if not isinstance(batch, tasks.Batch) or not (batch.has_classes or batch.y.shape[-1] > 1):
            raise ValueError(
                f"The {self.part} accuracy needs samples with classes or one-hot targets of two classes or more; pass "
                "a Batch or a Split of them (moments and generators have no samples), or the observer a `batch`."
            )
        return Accuracy(self.part, batch, mean, self.sequences)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.batch is None:
            raise ValueError("Accuracy has to be bound to a task first; `simulate` does it.")
        batch, mean = self.batch, 0 if self.mean is None else self.mean
        outputs = jax.vmap(lambda x: (nn.apply if batch.every_step else nn.apply_last)(network, x))(batch.x)
        if not batch.has_classes:
            batch = tasks.Batch(batch.x, batch.y + mean, batch.mask, batch.weight)
        share = tasks.sequence_accuracy if self.sequences else tasks.accuracy
        return share(outputs + mean, batch)
