"""All weights over time, for studies that measure the same training in several ways."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array

from .. import learn
from .._loss import AbstractLoss
from .._types import PRNGKey


class FlatWeights(learn.AbstractObserver):
    """All weights, one array after the other.

    Args:
        size: how many there are.
    """

    size: int = eqx.field(static=True)

    @property
    def name(self) -> str:
        return "weights"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("parameter",)

    def coords(self) -> dict[str, Any]:
        return {"parameter": np.arange(self.size)}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "FlatWeights":
        return self

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return jnp.concatenate([leaf.ravel() for leaf in jtu.tree_leaves(eqx.filter(network, eqx.is_inexact_array))])
