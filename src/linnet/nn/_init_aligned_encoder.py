"""Encoders and decoders that are aligned with the modes of two views."""

from typing import Any

import jax.numpy as jnp
import jax.random as jr

from .. import tasks
from .._cite import cite
from .._types import PRNGKey
from ._encoder_decoder import EncoderDecoder
from ._init import AbstractInitializer, PerWeight, per_weight
from ._random import orthogonal_matrix
from ._weights import with_chained_weights


class AlignedEncoder(AbstractInitializer):
    """Weights that are diagonal in the modes of two views; made by `aligned_encoder`.

    Args:
        modes: the modes of the views.
        latent: whether the decoder stays in the latent space.
        strengths: of the encoder, or a tuple of the singular values of each weight, the decoder's last.
    """

    modes: tasks.ViewModes
    latent: bool
    strengths: Any

    def draw(self, network: Any, key: PRNGKey) -> Any:
        if not isinstance(network, EncoderDecoder):
            raise ValueError(f"`aligned_encoder` initialises an EncoderDecoder, got a {type(network).__name__}.")
        weights = (*network.encoder.weights, network.decoder)
        basis, dtype = self.modes.basis.astype(weights[0].dtype), weights[0].dtype
        written = weights[-2].shape[0] if self.latent else basis.shape[0]
        shape = weights[-1].shape[0], weights[0].shape[1]
        if shape != (written, basis.shape[0]):
            raise ValueError(
                f"This network has (out, in) = {shape}, and the setting needs {(written, basis.shape[0])}. Change the "
                "first and the last of the sizes."
            )
        # A mode that does not fit through a narrow layer is left out, the weakest first.
        num = min(basis.shape[0], *(weight.shape[0] for weight in weights[:-1]))
        keys = jr.split(key, network.depth)
        inner = [orthogonal_matrix(k, (w.shape[0], num), dtype, 1.0) for k, w in zip(keys, weights[:-1], strict=True)]
        bases = [basis[:, :num], *inner, inner[-1] if self.latent else basis[:, :num]]
        values = [value[:num] for value in self._singular_values(network.depth, basis.shape[1], dtype)]
        return with_chained_weights(
            network,
            [(after * s) @ before.T for before, after, s in zip(bases[:-1], bases[1:], values, strict=True)],
        )

    def _singular_values(self, depth: int, num: int, dtype: Any) -> list[Any]:
        if isinstance(self.strengths, tuple):
            given = per_weight(self.strengths, depth + 1, "The strengths of `aligned_encoder`")
        else:
            given = (jnp.asarray(self.strengths, dtype) ** (1 / depth),) * (depth + 1)
        values = [jnp.asarray(value, dtype) for value in given]
        if any(value.ndim > 1 or (value.ndim == 1 and value.shape != (num,)) for value in values):
            raise ValueError(
                f"Each strength is one number or one for each of the {num} modes, got arrays of shapes "
                f"{[value.shape for value in values]}."
            )
        return [jnp.broadcast_to(value, (num,)) for value in values]


@cite("littwin2024jepa")
def aligned_encoder(setting: Any, strengths: PerWeight) -> AlignedEncoder:
    r"""Weights of an `EncoderDecoder` that are aligned with the modes of two views, so that each learns for itself.

    $W_l = R_{l+1} D_l R_l^\top$ with $R_1 = Q$, the modes, and random orthonormal columns after it. The decoder is
    $R_{L+1} D R_{L+1}^\top$ under self-distillation and $Q D R_{L+1}^\top$ under reconstruction. Modes beyond the width
    of the narrowest layer are left out.

    Args:
        setting: a `linnet.tasks.SelfDistillation` or `linnet.tasks.Reconstruction`.
        strengths: the initial strengths $w(0)$ of the encoder, split evenly over its layers, with a decoder as strong
            as each of them (one positive number, or one for each mode); or a tuple with the singular values of each
            weight, the decoder's last.

    !!! example
        ```python
        net = ln.nn.aligned_encoder(setting, 1e-2)(ln.nn.EncoderDecoder, (8, 8, 8, 8), key=key)
        ```
    """
    if not isinstance(setting, (tasks.SelfDistillation, tasks.Reconstruction)):
        raise ValueError(
            f"`aligned_encoder` needs a SelfDistillation or a Reconstruction, got a {type(setting).__name__}."
        )
    return AlignedEncoder(setting.modes(), isinstance(setting, tasks.SelfDistillation), strengths)
