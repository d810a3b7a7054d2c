"""The deep linear encoder with a linear decoder."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from ._deep_linear import DeepLinear
from ._network import AbstractLinearNetwork


@cite("littwin2024jepa")
class EncoderDecoder(AbstractLinearNetwork):
    r"""$f(x) = V \bar W x$ with an encoder $\bar W = W_L \cdots W_1$ and a decoder (or predictor) $V$.

    Args:
        encoder: $\bar W$.
        decoder: $V$: to the latent space of the encoder itself (`linnet.tasks.SelfDistillation`) or to the space of the
            inputs (`linnet.tasks.Reconstruction`).

    Raises:
        ValueError: if the decoder does not read what the encoder writes.

    !!! example
        ```python
        net = ln.nn.small(0.1)(ln.nn.EncoderDecoder, (16, 12, 8, 16), key=key)  # in, hidden, latent, out
        ```
    """

    encoder: DeepLinear
    decoder: Float[Array, "out latent"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        latent = self.encoder.weights[-1].shape[0]
        if self.decoder.ndim != 2 or self.decoder.shape[1] != latent:
            raise ValueError(
                f"EncoderDecoder needs a decoder of shape (out, {latent}), the last of which is what the encoder "
                f"writes, got {self.decoder.shape}."
            )

    @property
    def depth(self) -> int:
        """The number of weight matrices of the encoder."""
        return self.encoder.depth

    def encoding(self) -> Float[Array, "latent in"]:
        r"""The map of the encoder, $\bar W$."""
        return self.encoder.end_to_end()

    def end_to_end(self) -> Float[Array, "out in"]:
        return self.decoder @ self.encoding()

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        return self.decoder @ self.encoder(x)
