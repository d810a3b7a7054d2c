"""Observers of networks that are a sum of pathways."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("kleinman2024critical")
class PathwayStrengths(AbstractObserver):
    r"""The strength of each of the task's modes in the map of each pathway, $K_{p\alpha} = u_\alpha^\top W_p v_\alpha$.

    For `linnet.nn.Pathways` on a `PathwayDeficit`, or on any task with moments.
    """

    modes: tasks.SingularModes | None = None

    @property
    def name(self) -> str:
        return "pathway_strengths"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("pathway", "mode")

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "PathwayStrengths":
        if not isinstance(network, nn.Pathways):
            raise ValueError(
                f"PathwayStrengths needs a network of pathways (`linnet.nn.Pathways`), got {type(network).__name__}."
            )
        if isinstance(task, tasks.PathwayDeficit):
            return PathwayStrengths(task.modes)
        return PathwayStrengths(tasks.as_moments(task).singular_modes())

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.modes is None:
            raise ValueError("PathwayStrengths has to be bound to a task first; `simulate` does it.")
        return self.modes.project(jnp.stack([pathway.end_to_end() for pathway in network.pathways]))
