"""Training on lengths that grow."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._types import PRNGKey
from ._batch import Batch
from ._moments import AbstractMoments
from ._sequence_task import AbstractTokenTask
from ._task import AbstractTask


class Curriculum(AbstractTask):
    """Sequences of all lengths from `min_length` up to a longest one that grows over the first steps of training.

    Whatever their length, sequences are padded to the task's training length, so that all of training is one compiled
    program. `sample` draws as at the end.

    Args:
        task: whose training length is the longest.
        min_length: the shortest.
        steps: of training, after which all lengths occur; 0 for all from the beginning.

    Raises:
        ValueError: if the lengths are not in order.
    """

    task: AbstractTokenTask
    min_length: int = eqx.field(static=True, default=1)
    steps: int = eqx.field(static=True, default=0)
    has_moments = False

    def __check_init__(self) -> None:
        self.task.check_lengths(None, self.min_length, self.task.shortest)
        if self.steps < 0:
            raise ValueError(f"Curriculum needs steps >= 0, got {self.steps}.")

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        return self.task.sample(num, key=key, length=length, min_length=self.min_length)

    def sample_at(self, num: int, *, key: PRNGKey, step: Int[Array, ""]) -> Batch:
        task, size_key = self.task, jr.fold_in(key, 0)
        done = jnp.minimum(step / self.steps, 1) if self.steps else 1.0
        span = 1 + jnp.floor(done * (task.length - self.min_length)).astype(jnp.int32)
        wanted = self.min_length + jr.randint(size_key, (num,), 0, span, jnp.int32)
        keys = jr.split(jr.fold_in(key, 1), num)
        return Batch(*jax.vmap(lambda key, size: task.example(key, task.length, size))(keys, task.fit(wanted)))

    def moments(self) -> AbstractMoments:
        return self.task.moments()
