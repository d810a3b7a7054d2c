"""What a run is made of: the program that stays the same, and the state that changes."""

from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array

from .._rule import AbstractRule
from .._types import PRNGKey
from ._objective import AbstractObjective
from ._observer import AbstractObserver, Loss, measure_all


class Program(eqx.Module):
    """All that stays the same during a run: what is descended, how, and what is measured."""

    objective: AbstractObjective
    rule: AbstractRule
    observers: tuple[AbstractObserver, ...]
    task: Any
    initial: Any
    key: PRNGKey | None

    def network(self, params: Any) -> Any:
        """The network with these parameters."""
        return eqx.combine(params, eqx.filter(self.initial, eqx.is_inexact_array, inverse=True))

    def measure(self, params: Any, index: Array | int) -> dict[str, Array]:
        """All quantities at these parameters; an observer that needs randomness gets a key of the step or recording."""
        key = None if self.key is None else jr.fold_in(jr.fold_in(self.key, 2), index)
        # The training loss is the objective itself, one array and not a copy, so that the compiler sees that the loss
        # and the gradient of a step share their work.
        shared = tuple(Loss(objective=self.objective) if is_training_loss(o) else o for o in self.observers)
        return measure_all(shared, self.network(params), self.initial, self.task, key)

    def gradient(self, params: Any, objective: AbstractObjective) -> Any:
        """The gradient of an objective by the parameters."""
        return jax.grad(lambda p: objective(self.network(p)))(params)


class State(eqx.Module):
    """All that changes during a run, and so all that a checkpoint must hold; arrays only.

    Args:
        params: the inexact arrays of the network.
        memory: of a descent: the optax transformation's state and the order of samples in this epoch.
        step: how many steps were taken.
        time: learning time of a flow.
        result: a code of `linnet.RESULTS`.
    """

    # Not annotated by shape: the same structure also carries the axes over which members are mapped.
    params: Any
    memory: Any
    step: Any
    time: Any
    result: Any


def is_training_loss(observer: AbstractObserver) -> bool:
    """Whether an observer records what is descended."""
    return isinstance(observer, Loss) and observer.part == "train"
