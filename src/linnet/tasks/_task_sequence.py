"""Several tasks, learned one after the other."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from ._setting import AbstractSetting


@cite("lin2023theory")
class TaskSequence(AbstractSetting):
    r"""Samples of several tasks, each of which is learned for a while: continual learning.

    At a time $t$ the mean loss on the samples of task $\lfloor t / \text{duration} \rfloor$ is descended, and that of
    the last one from then on. What is recorded as "loss" is the mean over all tasks.

    Args:
        x: inputs of all tasks.
        y: their targets.
        duration: the learning time of each task. Traceable.
        test_x: inputs on which tasks are measured (`linnet.learn.TaskLosses`); by default `x`.
        test_y: their targets.
        objective: the loss of an example.
    """

    x: Float[Array, "task num in"]
    y: Float[Array, "task num out"]
    duration: Float[Array, ""]
    test_x: Float[Array, "task sample in"]
    test_y: Float[Array, "task sample out"]
    objective: AbstractLoss

    def __init__(
        self,
        x: Any,
        y: Any,
        duration: Any = 1.0,
        *,
        test_x: Any = None,
        test_y: Any = None,
        objective: AbstractLoss = SquaredError(),  # noqa: B008 (immutable)
    ) -> None:
        self.x, self.y = jnp.asarray(x), jnp.asarray(y)
        if (test_x is None) != (test_y is None):
            raise ValueError("TaskSequence needs both `test_x` and `test_y`, or neither.")
        self.test_x = self.x if test_x is None else jnp.asarray(test_x)
        self.test_y = self.y if test_y is None else jnp.asarray(test_y)
        self.duration = jnp.asarray(duration, self.x.dtype)
        self.objective = objective
        pairs = [(self.x, self.y), (self.test_x, self.test_y)]
        if any(a.ndim != 3 or b.ndim != 3 or a.shape[:2] != b.shape[:2] or a.shape[0] != self.num for a, b in pairs):
            raise ValueError(
                "TaskSequence needs inputs (task, num, in) and targets (task, num, out) of as many tasks and samples, "
                f"got {[(a.shape, b.shape) for a, b in pairs]} for training and for tests."
            )

    @property
    def num(self) -> int:
        """The number of tasks."""
        return self.x.shape[0]

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        try:
            shape = jax.eval_shape(lambda x: network(x), self.x[0, 0]).shape
        except (TypeError, ValueError):
            return f"it does not take one input of shape {self.x.shape[2:]}."
        if shape != self.y.shape[2:]:
            return f"its output has the shape {shape}, the targets {self.y.shape[2:]}."
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        return jnp.mean(self._losses(network, self.x, self.y))

    def loss_at(self, network: Any, time: Float[Array, ""]) -> Float[Array, ""]:
        index = self.index(time)
        return self._losses(network, self.x[index], self.y[index])

    def jumps(self) -> Float[Array, " jump"] | None:
        return self._borders() if self.num > 1 else None

    def index(self, time: Float[Array, ""]) -> Int[Array, ""]:
        """Which task is learned at a time."""
        return jnp.sum(time >= self._borders())

    def task_losses(self, network: Any) -> Float[Array, " task"]:
        """The mean loss on the test samples of every task."""
        return self._losses(network, self.test_x, self.test_y)

    def _borders(self) -> Float[Array, " jump"]:
        # The time of a step is a product that may fall short of the border by rounding.
        return self.duration * jnp.arange(1, self.num) * (1 - 64 * jnp.finfo(self.x.dtype).eps)

    def _losses(
        self, network: Any, x: Float[Array, "*task num in"], y: Float[Array, "*task num out"]
    ) -> Float[Array, "*task"]:
        outputs = jax.vmap(network)(x.reshape(-1, x.shape[-1])).reshape(y.shape)
        return jnp.mean(self.objective(outputs, y), axis=-1)
