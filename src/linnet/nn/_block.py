"""One block of a sequence model: a layer over time and a network over features, each with norm and residual."""

from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ._network import AbstractRecurrent, float_dtype
from ._random import gaussian
from ._sequence_layer import AbstractSequenceLayer
from ._short_convolution import ShortConvolution


@cite("shazeer2020glu")
class FeedForward(eqx.Module):
    r"""$y = W_d\,(\mathrm{SiLU}(W_g x) \odot W_u x)$, or without gate $y = W_d\,\mathrm{GELU}(W_u x)$; on one step.

    Args:
        hidden_size: features in and out.
        expansion: the size in the middle over `hidden_size`.
        gated: whether there is $W_g$.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, Gaussian of variance 1 over their inputs.
    """

    gate: Float[Array, "middle hidden"] | None
    up: Float[Array, "middle hidden"]
    down: Float[Array, "hidden middle"]

    def __init__(
        self, hidden_size: int, expansion: float = 2.0, *, gated: bool = True, dtype: Any = None, key: PRNGKey
    ) -> None:
        middle, dtype = round(expansion * hidden_size), float_dtype(dtype)
        if hidden_size < 1 or middle < 1:
            raise ValueError(
                f"FeedForward needs a hidden_size of at least 1 and an expansion above 0, got {hidden_size} and "
                f"{expansion}."
            )
        keys = jr.split(key, 3)
        self.gate = gaussian(keys[0], (middle, hidden_size), dtype, hidden_size**-0.5) if gated else None
        self.up = gaussian(keys[1], (middle, hidden_size), dtype, hidden_size**-0.5)
        self.down = gaussian(keys[2], (hidden_size, middle), dtype, middle**-0.5)

    def __call__(self, xs: Float[Array, "*step hidden"]) -> Float[Array, "*step hidden"]:
        up = linear_map(xs, self.up)
        middle = jax.nn.gelu(up) if self.gate is None else jax.nn.silu(linear_map(xs, self.gate)) * up
        return linear_map(middle, self.down)


def make_norm(kind: str, size: int, dtype: Any = None) -> eqx.nn.RMSNorm | eqx.nn.LayerNorm | None:
    """The norm of a name: "rms", "layer", or "none"."""
    if kind not in ("rms", "layer", "none"):
        raise ValueError(f'A norm is "rms", "layer" or "none", got {kind!r}.')
    if kind == "none":
        return None
    dtype = float_dtype(dtype)
    return eqx.nn.RMSNorm(size, use_bias=False, dtype=dtype) if kind == "rms" else eqx.nn.LayerNorm(size, dtype=dtype)


@cite("xiong2020layer")
class Block(AbstractRecurrent):
    r"""A layer over time, then a network over features, with norms in front and around them residuals.

    $$ h = x + \mathrm{layer}(\mathrm{conv}(\mathrm{norm}(x))), \qquad y = h + \mathrm{mlp}(\mathrm{norm}(h)) $$

    What is `None` is left out. The state is that of the layer and, where there is one, of the convolution.

    Args:
        layer: an `AbstractSequenceLayer`, or any recurrent network with as many outputs as inputs.
        norm: of the layer's inputs (`equinox.nn.RMSNorm`, `equinox.nn.LayerNorm`, or any function of one step).
        conv: a short convolution between norm and layer; many layers have their own.
        mlp: the network over features, on one step.
        mlp_norm: of its inputs.
        residual: whether inputs are added to outputs.
    """

    layer: AbstractRecurrent
    norm: Any = None
    conv: ShortConvolution | None = None
    mlp: Any = None
    mlp_norm: Any = None
    residual: bool = eqx.field(static=True, default=True)

    def init_state(self) -> tuple[Any, Any]:
        return self.layer.init_state(), None if self.conv is None else self.conv.init_state()

    def step(self, state: tuple[Any, Any], x: Float[Array, " hidden"]) -> tuple[Any, Float[Array, " out"]]:
        inner, tail = state
        u = x if self.norm is None else self.norm(x)
        if self.conv is not None:
            us, tail = self.conv(u[None], tail)
            u = us[0]
        inner, y = self.layer.step(inner, u)
        return (inner, tail), self._features((x + y if self.residual else y)[None])[0]

    @eqx.filter_jit
    def __call__(
        self,
        xs: Float[Array, "step hidden"],
        state: tuple[Any, Any] | None = None,
        *,
        resets: Bool[Array, " step"] | None = None,
    ) -> tuple[Float[Array, "step out"], Any]:
        inner, tail = self.init_state() if state is None else state
        us = xs if self.norm is None else jax.vmap(self.norm)(xs)
        if self.conv is not None:
            us, tail = self.conv(us, tail, resets)
        if isinstance(self.layer, AbstractSequenceLayer):
            ys, inner = self.layer(us, inner, resets=resets)
        elif resets is None:
            ys, inner = self.layer(us, inner)
        else:
            raise ValueError(
                f"A {type(self.layer).__name__} knows no resets; only layers of sequence models do. Pass each sequence "
                "for itself."
            )
        return self._features(xs + ys if self.residual else ys), (inner, tail)

    def _features(self, xs: Float[Array, "step hidden"]) -> Float[Array, "step out"]:
        if self.mlp is None:
            return xs
        ys = jax.vmap(self.mlp)(xs if self.mlp_norm is None else jax.vmap(self.mlp_norm)(xs))
        return xs + ys if self.residual else ys
