"""The linear convolutional network: filters shared over places, then a dense layer."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from ._network import AbstractLinearNetwork


@cite("pinson2023linear", "gunasekar2018implicit")
class LinearCNN(AbstractLinearNetwork):
    r"""One convolutional and one dense layer without activation, on a sequence or an image given as a flat vector.

    $$h_{c,j} = \sum_m k_c[m]\, x[j + m], \qquad f_o(x) = \sum_{c,j} W_{o,c,j}\, h_{c,j}$$

    As in other libraries the filter is not mirrored. Indices $j$, $m$ have one dimension or more; `filters` as large as
    the image make the circular convolution a diagonal matrix in the Fourier domain.

    Args:
        filters: $k$, one of `size` for each channel.
        output_weights: $W$, a weight for each output, channel and place.
        circular: whether images go on periodically, so that there are as many places as pixels; else filters stay
            within the image (`place = space - size + 1` in every dimension).

    !!! example
        ```python
        import jax.random as jr
        import linnet as ln

        filters, readout = jr.normal(jr.key(0), (1, 8, 8)), jr.normal(jr.key(1), (3, 1, 8, 8))
        net = ln.nn.LinearCNN(filters, readout)  # 64 inputs, 3 outputs
        ```
    """

    filters: Float[Array, "channel *size"] = eqx.field(converter=jnp.asarray)
    output_weights: Float[Array, "out channel *place"] = eqx.field(converter=jnp.asarray)
    circular: bool = eqx.field(default=True, static=True)

    def __check_init__(self) -> None:
        size, place = self.filters.shape[1:], self.output_weights.shape[2:]
        fits = len(size) == len(place) > 0 and self.filters.shape[0] == self.output_weights.shape[1]
        if not fits or (self.circular and any(s > p for s, p in zip(size, place, strict=True))):
            raise ValueError(
                "LinearCNN needs filters of shape (channel, *size) and output_weights of shape (out, channel, *place) "
                "with the same channels and dimensions, and, if circular, no filter larger than the image; got "
                f"{self.filters.shape} and {self.output_weights.shape}."
            )

    @property
    def space(self) -> tuple[int, ...]:
        """The shape of the images."""
        size, place = self.filters.shape[1:], self.output_weights.shape[2:]
        return place if self.circular else tuple(p + s - 1 for p, s in zip(place, size, strict=True))

    def end_to_end(self) -> Float[Array, "out in"]:
        r"""$M_o[i] = \sum_{c,m} W_{o,c,i-m} k_c[m]$, a convolution, done in the Fourier domain."""
        space = self.space
        axes = tuple(range(-len(space), 0))
        # Without circularity the images are just so large that nothing of the longer convolution wraps around.
        spectra = (jnp.fft.rfftn(a, s=space, axes=axes) for a in (self.output_weights, self.filters))
        product = jnp.sum(next(spectra) * next(spectra), axis=1)
        return jnp.fft.irfftn(product, s=space, axes=axes).reshape(product.shape[0], -1)

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        space = self.space
        axes = tuple(range(-len(space), 0))
        spectrum = jnp.conj(jnp.fft.rfftn(self.filters, s=space, axes=axes)) * jnp.fft.rfftn(x.reshape(space))
        hidden = jnp.fft.irfftn(spectrum, s=space, axes=axes)
        hidden = hidden[(slice(None), *map(slice, self.output_weights.shape[2:]))]
        return jnp.tensordot(self.output_weights, hidden, axes=hidden.ndim)
