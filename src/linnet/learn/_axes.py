"""The axes of an ensemble, and their outer product as a flat list of members."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from .._types import PRNGKey

SEED = "seed"


class Axes(NamedTuple):
    """The axes of an ensemble.

    Args:
        coords: the coordinate along each axis, in order.
    """

    coords: dict[str, np.ndarray]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the axes."""
        return tuple(self.coords)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return tuple(len(c) for c in self.coords.values())

    @property
    def num(self) -> int:
        """The number of members."""
        return int(np.prod(self.shape))

    def members(self, index: np.ndarray, key: PRNGKey) -> tuple[Key[Array, " member"], dict[str, Array]]:
        """The keys and the values of some members (the last axis runs fastest); an index beyond the end is the last
        member."""
        places = np.unravel_index(np.minimum(index, self.num - 1), self.shape)
        taken = {name: coord[place] for (name, coord), place in zip(self.coords.items(), places)}
        seeds = taken.pop(SEED, None)
        if seeds is None:
            # One key for all, repeated only so that the members can differ in nothing at all.
            keys = jnp.broadcast_to(key, (len(index),))
        else:
            keys = jax.vmap(lambda seed: jr.fold_in(key, seed))(jnp.asarray(seeds, jnp.uint32))
        return keys, {name: jnp.asarray(value) for name, value in taken.items()}


def make_axes(axes: Mapping[str, Any] | None) -> Axes:
    """Checks the axes that a user gave.

    Raises:
        ValueError: if an axis is not an array of numbers in one dimension (or, for "seed", a number of seeds or an
            array of integers).
    """
    coords: dict[str, np.ndarray] = {}
    for name, given in ({SEED: 1} if not axes else axes).items():
        if name == SEED and isinstance(given, (int, np.integer)):
            given = np.arange(int(given))
        values = np.asarray(given)
        numeric = np.issubdtype(values.dtype, np.number) or values.dtype == bool
        if values.ndim != 1 or values.size < 1 or not numeric:
            raise ValueError(
                f"The ensemble's axis {name!r} needs a 1-d array of at least one number"
                f"{' or a number of seeds' if name == SEED else ''}, got {given!r}. What is not a number (sizes of "
                "layers, names of rules) needs an ensemble for each."
            )
        if name == SEED and (not np.issubdtype(values.dtype, np.integer) or values.min() < 0 or values.max() >= 2**32):
            raise ValueError(f"Seeds need to be integers from 0 to 2**32 - 1, got {given!r}.")
        coords[name] = values
    return Axes(coords)
