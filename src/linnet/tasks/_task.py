"""The contract of a task: what is learned."""

import abc
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Int

from .._types import PRNGKey
from ._batch import Batch, Split
from ._modes import SingularModes
from ._moments import AbstractMoments, Moments
from ._whiten import Whitening


class AbstractTask(eqx.Module):
    """Data with known statistics.

    `moments()` are the population's, `draw(...).train.moments()` those of a finite sample; both are centred.
    Where the population's are not known in closed form, `has_moments` is false and `moments()` says what to do instead.
    """

    has_moments: ClassVar[bool] = True

    @abc.abstractmethod
    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        """Fresh examples; sequences of another length than in training where the task has one."""

    def sample_at(self, num: int, *, key: PRNGKey, step: Int[Array, ""]) -> Batch:
        """Fresh examples for a step of training; a task that changes over training has others at every step."""
        return self.sample(num, key=key)

    @abc.abstractmethod
    def moments(self) -> AbstractMoments:
        """The moments of the population."""

    def draw(self, num: int, *, key: PRNGKey) -> Split:
        """`num` examples each to train, to validate and to test, independent of each other."""
        if num < 1:
            raise ValueError(f"draw needs at least 1 example, got {num}.")
        import jax.random as jr

        train, validation, test = (self.sample(num, key=part) for part in jr.split(key, 3))
        return Split(train, validation, test)

    def singular_modes(self) -> SingularModes:
        """The modes of the population."""
        return self.moments().singular_modes()

    def whiten(self, tolerance: float | None = None) -> Whitening:
        """The population with white inputs, and the linear map that makes them so.

        Args:
            tolerance: directions with a variance below this part of the largest are discarded; by default rounding.

        Raises:
            ValueError: for sequences, whose steps a linear map of the inputs would mix.
        """
        moments = self.moments()
        if not isinstance(moments, Moments):
            raise ValueError(
                "Whitening needs a task without steps, because white inputs over time would be mixtures of steps; got "
                f"{type(moments).__name__}. Read a series with scale=Whiten() to whiten its channels."
            )
        return moments.whiten(tolerance)


def as_moments(task: Any) -> AbstractMoments:
    """The moments that a linear network trained on this task sees.

    Args:
        task: moments, a batch, a split (its training part) or a task (its population).

    Raises:
        ValueError: if the task has no moments.
    """
    if isinstance(task, Split):
        return as_moments(task.train)
    if isinstance(task, (AbstractMoments, Batch, AbstractTask)):
        return task.moments()
    raise ValueError(f"Moments, a Batch, a Split or a task is needed here, got {type(task).__name__}.")
