"""An observation model on one part of a state that has several, such as the hidden state of an LSTM."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Bool, Float

from ._network import AbstractRecurrent
from ._observation import AbstractObservation


class ObservedPart(AbstractObservation):
    """Observes one array of a network's state; the state is the vector of all its arrays, one after the other.

    Args:
        observation: the observation model on that array.
        network: the network.
        part: which array, by its place among the leaves of the state: 0 is the hidden state of an `LSTM`, 1 its cell.

    Raises:
        ValueError: if there is no such array, or it has another size than the observation model's.
    """

    observation: AbstractObservation
    before: int = eqx.field(static=True)
    num_units: int = eqx.field(static=True)

    def __init__(self, observation: AbstractObservation, network: AbstractRecurrent, part: int = 0) -> None:
        sizes = [leaf.size for leaf in jtu.tree_leaves(jax.eval_shape(network.init_state))]
        if not 0 <= part < len(sizes) or sizes[part] != observation.state_size:
            raise ValueError(
                f"The state of this {type(network).__name__} has arrays of the sizes {sizes}; observe one of them by"
                f" its place, got part={part} for an observation model of {observation.state_size} units."
            )
        self.observation, self.before, self.num_units = observation, sum(sizes[:part]), sum(sizes)

    @property
    def out_size(self) -> int:
        return self.observation.out_size

    @property
    def state_size(self) -> int:
        return self.num_units

    def observe(self, state: Float[Array, " state"]) -> Float[Array, " out"]:
        return self.observation.observe(state[self.before : self.before + self.observation.state_size])

    def invert(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        return self._placed(self.observation.invert(x))

    def known(self) -> Bool[Array, " state"]:
        return self._placed(self.observation.known())

    def start(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        return self._placed(self.observation.start(x))

    def penalty(self) -> Float[Array, ""]:
        return self.observation.penalty()

    def _placed(self, part: Array) -> Array:
        return jnp.pad(part, (self.before, self.num_units - self.before - part.shape[0]))
