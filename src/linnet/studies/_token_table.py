"""A sequence model whose one layer sees tokens: what depends on the token alone is computed once for each of them."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, Int

from .. import nn, scan


class TokenTable(nn.AbstractRecurrent):
    """The same function and gradients as a model of one `BlockDiagonalLRNN`, at a fraction of the cost.

    The blocks of the recurrence come from the embedding of one token, so a vocabulary of a few tokens has as few
    blocks; the model itself makes them anew at every step of every sequence.

    Args:
        model: an embedding of tokens, one block with a norm and a `BlockDiagonalLRNN`, and a head.
    """

    model: nn.SequenceModel

    def __check_init__(self) -> None:
        blocks: Any = self.model.blocks
        if len(blocks) != 1 or not isinstance(blocks[0].layer, nn.BlockDiagonalLRNN) or blocks[0].conv is not None:
            raise ValueError("TokenTable needs a model of one BlockDiagonalLRNN without a convolution in front of it.")

    def init_state(self) -> Any:
        return self.model.init_state()

    def step(self, state: Any, x: Int[Array, ""]) -> tuple[Any, Float[Array, " out"]]:
        return self.model.step(state, x)

    @eqx.filter_jit
    def __call__(self, xs: Int[Array, " step"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        block: Any = self.model.blocks[0]
        layer = block.layer
        ((inner, tail),) = self.init_state() if state is None else state
        tokens = self.model.embedding.weight
        tokens = tokens if block.norm is None else jax.vmap(block.norm)(tokens)
        transition = scan.Block(layer.blocks(tokens)[xs])
        states, last = scan.recur(transition, layer.drives(tokens)[xs], inner, mode="step")
        given = _Given(states.reshape(xs.shape[0], -1))
        return eqx.tree_at(lambda model: model.blocks[0].layer, self.model, given)(xs)[0], ((last, tail),)


class _Given(nn.AbstractRecurrent):
    """A layer whose outputs are there already."""

    outputs: Float[Array, "step hidden"]

    def init_state(self) -> None:
        return None

    def step(self, state: None, x: Float[Array, " hidden"]) -> tuple[None, Float[Array, " hidden"]]:
        return None, self.outputs[0]

    def __call__(self, xs: Float[Array, "step hidden"], state: None = None) -> tuple[Float[Array, "step hidden"], None]:
        return self.outputs, None
