"""The observer of continual learning."""

from typing import Any

from jaxtyping import Array

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("lin2023theory")
class TaskLosses(AbstractObserver):
    """The loss on every task of a `linnet.tasks.TaskSequence`, whichever of them is being learned."""

    @property
    def name(self) -> str:
        return "task_losses"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("task",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "TaskLosses":
        if not isinstance(task, tasks.TaskSequence):
            raise ValueError(f"TaskLosses needs a `linnet.tasks.TaskSequence`, got {type(task).__name__}.")
        return self

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return task.task_losses(network)
