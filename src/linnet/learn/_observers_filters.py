"""Observer of what the filters of a first layer have learned."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("chowers2023what")
class EnergyProfile(AbstractObserver):
    """The energy of the change of first-layer filters along each principal component of the patches they read, the
    component of the largest variance first (`linnet.analyse.energy_profile`); of a `LinearCNN` or `CNN`."""

    components: Float[Array, "tap component"] | None = None

    @property
    def name(self) -> str:
        return "energy_profile"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("component",)

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "EnergyProfile":
        analyse.first_filters(network)
        layer = network.filters if isinstance(network.filters, tuple) else (network.filters[:, None],)
        moments: Any = tasks.as_moments(task)
        return EnergyProfile(
            analyse.patch_components(moments.xx, network.space, layer[0].shape[2:], network.circular)[1]
        )

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.components is None:
            raise ValueError("EnergyProfile has to be bound to a task first; `simulate` does it.")
        change = analyse.first_filters(network) - analyse.first_filters(initial)
        return analyse.energy_profile(jnp.asarray(change), self.components)
