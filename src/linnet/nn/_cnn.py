"""The convolutional network."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import check_sizes, float_dtype
from ._random import fan_in_gaussian

#: Taps of a filter beyond which patches are gathered.
_MANY_TAPS = 30


@cite("lecun1998gradient")
class CNN(eqx.Module):
    r"""Convolutional layers with an activation after each, then a dense layer, on a flat sequence or image.

    $$h^{(l)}_{c,j} = \phi\Bigl(\sum_{c',m} k^{(l)}_{c,c'}[m]\, h^{(l-1)}_{c',j+m} + b^{(l)}_c\Bigr), \qquad
    f(x) = W h^{(L)} + b$$

    With one layer, no biases and $\phi(x) = x$ it is a `LinearCNN`.

    Args:
        space: the shape of the images, such as `(8, 8)` or, for sequences, `(32,)`.
        channels: channels of each convolutional layer.
        size: the shape of the filters of all layers.
        num_out: the number of outputs.
        activation: $\phi$, a leaf of the network's tree.
        circular: whether images go on periodically; else every layer makes them smaller by `size - 1`.
        use_bias: whether there are biases; they begin at 0.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, Gaussian of variance one over the number of inputs of a unit.

    !!! example
        ```python
        net = ln.nn.CNN((8, 8), (16, 16), (3, 3), 10, jax.nn.relu, key=key, dtype=jnp.float32)
        ```
    """

    filters: tuple[Float[Array, "_ _ *size"], ...]
    biases: tuple[Float[Array, " _"], ...] | None
    output_weights: Float[Array, "out feature"]
    activation: Callable
    space: tuple[int, ...] = eqx.field(static=True)
    circular: bool = eqx.field(static=True)

    def __init__(
        self,
        space: Sequence[int],
        channels: Sequence[int],
        size: Sequence[int],
        num_out: int,
        activation: Callable = jnp.tanh,
        *,
        circular: bool = False,
        use_bias: bool = True,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        space, size, dtype = tuple(map(int, space)), tuple(map(int, size)), float_dtype(dtype)
        chain = check_sizes("CNN", (1, *channels, num_out))
        layers = len(chain) - 2
        places = space if circular else tuple(p - layers * (s - 1) for p, s in zip(space, size, strict=False))
        fits = len(space) == len(size) > 0 and all(0 < s <= p for s, p in zip(size, space, strict=True))
        if not fits or layers < 1 or min(places) < 1:
            raise ValueError(
                "CNN needs at least one layer and filters of as many dimensions as images have, within what the layers "
                f"before leave of these; got {layers} layers of size {size} on images of {space}."
            )
        *keys, last = jr.split(key, layers + 1)
        taps = int(np.prod(size))
        self.filters = tuple(
            fan_in_gaussian(k, (after, before * taps), dtype, 1.0).reshape(after, before, *size)
            for k, before, after in zip(keys, chain, chain[1:], strict=False)
        )
        self.biases = tuple(jnp.zeros(num, dtype) for num in chain[1:]) if use_bias else None
        self.output_weights = fan_in_gaussian(last, (num_out, chain[-2] * int(np.prod(places))), dtype, 1.0)
        self.activation, self.space, self.circular = activation, space, circular

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        hidden = x.reshape(1, *self.space)
        for layer, filters in enumerate(self.filters):
            hidden = _correlate(hidden, filters, self.circular)
            if self.biases is not None:
                hidden = hidden + self.biases[layer].reshape(-1, *[1] * len(self.space))
            hidden = self.activation(hidden)
        output = self.output_weights @ hidden.ravel()
        return output if self.biases is None else output + self.biases[-1]


def _correlate(
    image: Float[Array, "before *space"], filters: Float[Array, "after before *size"], circular: bool
) -> Float[Array, "after *place"]:
    """What filters read at every place.

    Patches and one matrix product: JAX's own convolutions are slow on CPUs once each member of an ensemble has filters
    of its own. Large filters gather their patches, which compiles fast; small ones shift the image, which has a fast
    gradient.
    """
    size = filters.shape[2:]
    if circular:
        image = jnp.pad(image, [(0, 0), *[(0, s - 1) for s in size]], mode="wrap")
    space = image.shape[1:]
    place = tuple(p - s + 1 for p, s in zip(space, size, strict=True))
    if np.prod(size) > _MANY_TAPS:
        pixels = np.arange(np.prod(space)).reshape(space)
        corners, taps = (pixels[tuple(map(slice, shape))].ravel() for shape in (place, size))
        patches = image.reshape(image.shape[0], -1)[:, taps[:, None] + corners[None, :]]
    else:
        shifted = [
            image[(slice(None), *(slice(o, o + p) for o, p in zip(offset, place, strict=True)))]
            for offset in product(*map(range, size))
        ]
        patches = jnp.stack(shifted, axis=1)
    patches = patches.reshape(filters[0].size, -1)
    return (filters.reshape(filters.shape[0], -1) @ patches).reshape(-1, *place)
