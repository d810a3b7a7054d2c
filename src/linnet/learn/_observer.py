"""Observers: what is measured while a network learns."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._objective import AbstractObjective, make_objective


class AbstractObserver(eqx.Module):
    """A pure measurement of a network at one time.

    `bind` is called once before training, with the network and the task; it returns an observer that holds what it
    needs.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name of the quantity in the trajectory."""

    @property
    @abc.abstractmethod
    def dims(self) -> tuple[str, ...]:
        """The names of its axes after "time"."""

    def coords(self) -> dict[str, Any]:
        """Coordinates of its axes (arrays, or tuples of names), where they are more than an index."""
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
        batch: samples to measure on in place of those of the task, where a task draws fresh ones.
    """

    part: str = eqx.field(default="train", static=True)
    objective: AbstractObjective | None = None
    batch: tasks.Batch | None = None

    @property
    def name(self) -> str:
        return "loss" if self.part == "train" else f"{self.part}_loss"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "Loss":
        if self.batch is not None:
            data = self.batch
        elif self.part == "train":
            data = task
        elif isinstance(task, tasks.Split) and getattr(task, self.part) is not None:
            data = getattr(task, self.part)
        else:
            raise ValueError(
                f"The {self.part} loss needs a Split with a {self.part} part; pass `task.draw(num, key=key)`, or the "
                "observer a `batch`."
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

    Of a nonlinear network in the linear map that fits it best on the training inputs. Over a sequence, the strength
    along the task's own temporal profile; with `by_step`, at every step.

    Args:
        by_step: record `step_mode_strengths` with an axis "step" instead.
        inputs: on which the best linear map of a nonlinear network is measured; by default the training inputs.
    """

    by_step: bool = eqx.field(default=False, static=True)
    inputs: Float[Array, "num ..."] | None = None
    modes: tasks.SingularModes | None = None
    response: analyse.BestLinearMap | None = None

    @property
    def name(self) -> str:
        return "step_mode_strengths" if self.by_step else "mode_strengths"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("step", "mode") if self.by_step else ("mode",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "ModeStrengths":
        modes = tasks.as_moments(task).singular_modes()
        return ModeStrengths(self.by_step, None, modes, bind_response(network, task, self.inputs))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.modes is None:
            raise ValueError("ModeStrengths has to be bound to a task first; `simulate` does it.")
        linear_map = respond(network, self.response, self.modes)
        return self.modes.project(linear_map) if self.by_step else self.modes.mode_strengths(linear_map)


def bind_response(
    network: Any, task: Any, inputs: Float[Array, "num ..."] | None = None
) -> analyse.BestLinearMap | None:
    """What measures the linear map of a nonlinear network: the best one on `inputs` or the training inputs.

    Returns:
        The measurement; `None` for a linear network, which has a map of its own.

    Raises:
        ValueError: if there are no inputs.
    """
    if nn.is_linear(network):
        return None
    batch = training_batch(task)
    if inputs is not None:
        return analyse.BestLinearMap(jnp.asarray(inputs))
    if batch is None:
        raise ValueError(
            f"The linear map of a {type(network).__name__} is measured on inputs, and a {type(task).__name__} holds "
            f"none. "
            "Pass them to the observer: `inputs=...`."
        )
    return analyse.BestLinearMap(batch.x, batch.weight)


def respond(
    network: Any, response: analyse.BestLinearMap | None, modes: tasks.SingularModes
) -> Float[Array, "*step out in"]:
    """The linear map of a network in which the modes of its task are looked for."""
    if response is not None:
        return response(network)
    steps = modes.step_singular_values
    return analyse.linear_response(network, None if steps is None else steps.shape[0])


def training_batch(task: Any) -> tasks.Batch | None:
    """The samples that are trained on; `None` where there are none (moments, or a task that draws fresh ones)."""
    data = task.train if isinstance(task, tasks.Split) else task
    return data if isinstance(data, tasks.Batch) else None


def default_observers(network: Any, task: Any) -> tuple[AbstractObserver, ...]:
    """The losses on all parts, and mode strengths where the task has moments and the network a linear map or inputs "
    "for one."""
    observers: list[AbstractObserver] = [Loss()]
    if isinstance(task, tasks.Split):
        observers += [Loss(part) for part in ("validation", "test") if getattr(task, part) is not None]
    batch = training_batch(task)
    if isinstance(task, tasks.AbstractSetting):
        return tuple(observers)
    if isinstance(task, tasks.AbstractTask) and not task.has_moments:
        return tuple(observers)
    plain = batch is not None and batch.mask is None and not (batch.has_tokens or batch.has_classes)
    if nn.is_linear(network) if batch is None else plain:
        observers.append(ModeStrengths())
        if (tasks.as_moments(task).num_steps is not None) if batch is None else batch.x.ndim == 3:
            observers.append(ModeStrengths(by_step=True))
    return tuple(observers)


def measure_all(
    observers: tuple[AbstractObserver, ...], network: Any, initial: Any, task: Any, key: PRNGKey | None
) -> dict[str, Array]:
    """All quantities at one time."""
    return {o.name: jnp.asarray(o.measure(network, initial=initial, task=task, key=key)) for o in observers}
