"""Recurrent networks that are fitted by linear regression: what they are fitted on, and how they take observations."""

import abc
from typing import Any, TypeVar

import equinox as eqx
from jaxtyping import Array, Float

from ._network import AbstractRecurrent

_R = TypeVar("_R", bound="AbstractReservoir")


class AbstractReservoir(AbstractRecurrent):
    """A recurrent network that runs on its own predictions, which are linear in features of its state."""

    input_weights: eqx.AbstractVar[Float[Array, "state in"] | None]

    @property
    @abc.abstractmethod
    def out_size(self) -> int:
        """The number of observed quantities."""

    @property
    @abc.abstractmethod
    def in_size(self) -> int:
        """The number of external inputs, 0 where there are none."""

    @property
    @abc.abstractmethod
    def num_features(self) -> int:
        """How many columns the weights that are fitted have."""

    @property
    @abc.abstractmethod
    def is_ahead(self) -> bool:
        """Whether what is read from a state is what comes after that which it has absorbed, rather than that itself."""

    @abc.abstractmethod
    def absorb(self, state: Any, observed: Float[Array, " out"], x: Float[Array, " in"]) -> Any:
        """The next state, if `observed` is what was seen where the network expected its own prediction."""

    @abc.abstractmethod
    def features(self, state: Any, x: Float[Array, " in"]) -> Float[Array, " feature"]:
        """What the prediction from a state is linear in; `x` is the external input at the time that is predicted."""

    @abc.abstractmethod
    def target(self, state: Any, observed: Float[Array, " out"]) -> Float[Array, " out"]:
        """What the product of weights and features should be, if `observed` is what comes next."""

    @abc.abstractmethod
    def with_readout(self: _R, weights: Float[Array, "out feature"]) -> _R:
        """The same network with other weights of its features."""
