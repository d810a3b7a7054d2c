"""Filters of a first layer as a filter bank: how much energy it has along each component of image patches."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .. import nn
from .._cite import cite


def patch_pixels(space: tuple[int, ...], size: tuple[int, ...], circular: bool = False) -> Int[np.ndarray, "place tap"]:
    """The flat pixels that a filter of a size reads at every place of an image.

    Args:
        space: the shape of the images.
        size: the shape of the filters.
        circular: whether images go on periodically; else patches stay within them.
    """
    if len(space) != len(size) or any(not 0 < s <= p for s, p in zip(size, space, strict=True)):
        raise ValueError(f"Patches need a size within the images and as many dimensions, got {size} in {space}.")
    pixels = np.arange(np.prod(space)).reshape(space)
    if circular:
        pixels = np.pad(pixels, [(0, s - 1) for s in size], mode="wrap")
    windows = np.lib.stride_tricks.sliding_window_view(pixels, size)
    return windows.reshape(-1, int(np.prod(size)))


def patch_moments(
    xx: Float[Array, "pixel pixel"], space: tuple[int, ...], size: tuple[int, ...], circular: bool = False
) -> Float[Array, "tap tap"]:
    """The second moments of image patches, averaged over places, from those of images."""
    pixels = patch_pixels(space, size, circular)
    return jnp.mean(xx[pixels[:, :, None], pixels[:, None, :]], axis=0)


def patch_components(
    xx: Float[Array, "pixel pixel"], space: tuple[int, ...], size: tuple[int, ...], circular: bool = False
) -> tuple[Float[Array, " component"], Float[Array, "tap component"]]:
    """The principal components of image patches and their variances, the largest first."""
    variances, components = jnp.linalg.eigh(patch_moments(xx, space, size, circular))
    return variances[::-1], components[:, ::-1]


def first_filters(network: Any) -> Float[Array, "channel tap"]:
    """The filters of the first layer of a `LinearCNN` or `CNN`, flat."""
    if isinstance(network, nn.LinearCNN):
        return network.filters.reshape(network.filters.shape[0], -1)
    if isinstance(network, nn.CNN):
        return network.filters[0].reshape(network.filters[0].shape[0], -1)
    raise ValueError(f"The filters of a LinearCNN or a CNN are needed here, got a {type(network).__name__}.")


@cite("chowers2023what")
def energy_profile(
    filters: Float[Array, "channel tap"], components: Float[Array, "tap component"]
) -> Float[Array, " component"]:
    r"""The energy of a filter bank along each component, $e_i = \sum_c (w_c^\top p_i)^2$.

    Departs from the paper, which plots $\sqrt{e_i}$ relative to its largest.

    Args:
        filters: $w_c$.
        components: $p_i$, see `patch_components`.
    """
    return jnp.sum((filters @ components) ** 2, axis=0)
