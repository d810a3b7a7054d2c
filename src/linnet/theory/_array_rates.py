"""Rates of a rule, one for each array of parameters."""

from typing import Any

import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float


def array_rates(network: Any, rates: Any) -> tuple[tuple[Float[Array, ""], ...], Float[Array, ""]]:
    """The mean rate of each array of a network, in the order of its leaves, and how far rates differ within one of
    them.

    Args:
        network: a network of arrays alone.
        rates: a prefix of its tree with factors on gradients; `None` is 1 everywhere.
    """
    if rates is None:
        return tuple(jnp.ones(()) for _ in jtu.tree_leaves(network)), jnp.zeros(())
    spread = jtu.tree_map(
        lambda rate, branch: jtu.tree_map(lambda leaf: jnp.broadcast_to(rate, leaf.shape), branch), rates, network
    )
    leaves = jtu.tree_leaves(spread)
    return tuple(jnp.mean(leaf) for leaf in leaves), jnp.max(jnp.stack([jnp.max(a) - jnp.min(a) for a in leaves]))
