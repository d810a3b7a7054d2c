"""Observers of state space models: what each state adds to the output, and its pole."""

from typing import Any

from jaxtyping import Array

from .. import nn
from .._cite import cite
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("smekal2024towards")
class StateStrengths(AbstractObserver):
    r"""What each state of a `DiagonalSSM` adds to the output, $\sum_{oi} C_{on} B_{ni}$; $c_n b_n$ for one input and
    one output."""

    @property
    def name(self) -> str:
        return "state_strengths"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("state",)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        network = _states_of(network, "StateStrengths")
        return network.output_weights.sum(axis=0) * network.input_weights.sum(axis=1)


@cite("smekal2024towards")
class Poles(AbstractObserver):
    """The poles of a `DiagonalSSM`."""

    @property
    def name(self) -> str:
        return "poles"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("state",)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return _states_of(network, "Poles").poles


def _states_of(network: Any, name: str) -> nn.DiagonalSSM:
    if not isinstance(network, nn.DiagonalSSM):
        raise ValueError(f"{name} are those of a DiagonalSSM, got a {type(network).__name__}.")
    return network
