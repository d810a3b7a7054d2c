"""Observers: what is measured while a network learns."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array

from .. import tasks
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._objective import AbstractObjective, is_linear, make_objective


class AbstractObserver(eqx.Module):
    """A pure measurement of a network at one time.

    `bind` is called once before training, with the network and the task; it returns an observer that holds what it needs.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name of the quantity in the trajectory."""

    @property
    @abc.abstractmethod
    def dims(self) -> tuple[str, ...]:
        """The names of its axes after "time"."""

    def coords(self) -> dict[str, Array]:
        """Coordinates of its axes, where they are more than an index."""
        return {}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "AbstractObserver":
        """The observer with what it needs of the task."""
        return self

    @abc.abstractmethod
    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        """The quantity for a network; `initial` is the network before training."""


class Loss(AbstractObserver):
    """The loss on one part of the data: "loss" on the training part, else "validation_loss" or "test_loss".

    Args:
        part: "train", "validation" or "test".
    """

    part: str = eqx.field(default="train", static=True)
    objective: AbstractObjective | None = None

    @property
    def name(self) -> str:
        return "loss" if self.part == "train" else f"{self.part}_loss"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "Loss":
        if self.part == "train":
            data = task
        elif isinstance(task, tasks.Split) and getattr(task, self.part) is not None:
            data = getattr(task, self.part)
        else:
            raise ValueError(
                f"The {self.part} loss needs a Split with a {self.part} part; pass `task.draw(num, key=key)`."
            )
        return Loss(self.part, make_objective(network, data, loss))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.objective is None:
            raise ValueError(
                "Loss has to be bound to a task first: `Loss().bind(network, task, loss)`; `simulate` does it."
            )
        return self.objective(network)


class ModeStrengths(AbstractObserver):
    r"""The strength of each of the task's singular modes in the network's linear map, $u_\alpha^\top W v_\alpha$.

    Over a sequence, the strength along the task's own temporal profile; with `by_step`, at every step.

    Args:
        by_step: record `step_mode_strengths` with an axis "step" instead.
    """

    by_step: bool = eqx.field(default=False, static=True)
    modes: tasks.SingularModes | None = None
    moments: tasks.AbstractMoments | None = None

    @property
    def name(self) -> str:
        return "step_mode_strengths" if self.by_step else "mode_strengths"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("step", "mode") if self.by_step else ("mode",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "ModeStrengths":
        moments = tasks.as_moments(task)
        return ModeStrengths(self.by_step, moments.singular_modes(), moments)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.modes is None or self.moments is None:
            raise ValueError("ModeStrengths has to be bound to a task first; `simulate` does it.")
        steps = self.moments.num_steps
        if steps is None:
            return self.modes.mode_strengths(network.end_to_end())
        by_step = network.impulse_response(steps)[::-1]
        return self.modes.project(by_step) if self.by_step else self.modes.mode_strengths(by_step)


def default_observers(network: Any, task: Any) -> tuple[AbstractObserver, ...]:
    """The losses on all parts, and mode strengths where the task has moments and the network a linear map."""
    observers: list[AbstractObserver] = [Loss()]
    if isinstance(task, tasks.Split):
        observers += [Loss(part) for part in ("validation", "test") if getattr(task, part) is not None]
    if is_linear(network) and not (isinstance(task, tasks.Batch) and task.mask is not None):
        observers.append(ModeStrengths())
        if tasks.as_moments(task).num_steps is not None:
            observers.append(ModeStrengths(by_step=True))
    return tuple(observers)


def measure_all(
    observers: tuple[AbstractObserver, ...], network: Any, initial: Any, task: Any, key: PRNGKey | None
) -> dict[str, Array]:
    """All quantities at one time."""
    return {o.name: jnp.asarray(o.measure(network, initial=initial, task=task, key=key)) for o in observers}
