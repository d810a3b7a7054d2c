"""A whole sequence model: embedding, blocks, head."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ._block import Block, FeedForward, make_norm
from ._embedding import Embedding, LinearEmbedding
from ._layer_registry import layer
from ._network import AbstractRecurrent, float_dtype
from ._random import gaussian
from ._short_convolution import ShortConvolution


class Head(eqx.Module):
    r"""$y = W\,\mathrm{norm}(h) + b$, on one step.

    Args:
        weight: $W$, or `None` for the first rows of the model's embedding (tied weights).
        bias: $b$, one for each output.
        norm: of the inputs, or `None`.
    """

    weight: Float[Array, "out hidden"] | None
    bias: Float[Array, " out"]
    norm: Any = None


@cite("vaswani2017attention")
class SequenceModel(AbstractRecurrent):
    """Tokens or numbers in, numbers (such as logits) out at every step: an embedding, blocks and a linear head.

    The call reads a whole sequence in parallel; `step` reads one token, at a cost that does not grow with how many came
    before. Both give the same. A batch is mapped outside, by `jax.vmap`; `sequence_model` makes one by names.

    Args:
        embedding: an `Embedding` of tokens, or a `LinearEmbedding` of numbers.
        blocks: each a `Block`, or any recurrent network with as many outputs as inputs.
        head: the readout.

    Raises:
        ValueError: if the head is tied to what is no embedding of tokens, or to one of fewer tokens than outputs.
    """

    embedding: Embedding | LinearEmbedding
    blocks: tuple[AbstractRecurrent, ...] = eqx.field(converter=tuple)
    head: Head

    def __check_init__(self) -> None:
        if self.head.weight is not None:
            return
        rows = self.embedding.weight.shape[0]
        if not isinstance(self.embedding, Embedding) or rows < self.num_classes:
            raise ValueError(
                f"A tied head needs an Embedding with a token for each of {self.num_classes} outputs, got a "
                f"{type(self.embedding).__name__} of {rows}. Give the head weights of its own."
            )

    @property
    def num_classes(self) -> int:
        """How many outputs there are at each step."""
        return self.head.bias.shape[0]

    def init_state(self) -> tuple[Any, ...]:
        return tuple(block.init_state() for block in self.blocks)

    def step(
        self, state: tuple[Any, ...], x: Int[Array, ""] | Float[Array, " in"]
    ) -> tuple[tuple[Any, ...], Float[Array, " out"]]:
        h, states = self.embedding(x[None])[0], []
        for block, old in zip(self.blocks, state, strict=True):
            new, h = block.step(old, h)
            states.append(new)
        return tuple(states), self._read(h[None])[0]

    @eqx.filter_jit
    def __call__(
        self,
        xs: Int[Array, " step"] | Float[Array, "step in"],
        state: tuple[Any, ...] | None = None,
        *,
        resets: Bool[Array, " step"] | None = None,
    ) -> tuple[Float[Array, "step out"], tuple[Any, ...]]:
        """The outputs at all steps and the final state.

        Args:
            xs: tokens `"step"` or numbers `"step in"`, at least one step.
            state: the state before the first step.
            resets: where everything is forgotten before the step, so that it begins a sequence of its own.
        """
        if xs.ndim and xs.shape[0] == 0:
            raise ValueError("SequenceModel needs a sequence of at least 1 step, got 0.")
        hs, states = self.embedding(xs), []
        for block, old in zip(self.blocks, self.init_state() if state is None else state, strict=True):
            # Other recurrent networks know no resets, and say so when they get some.
            hs, new = block(hs, old) if resets is None else block(hs, old, resets=resets)  # pyright: ignore[reportCallIssue]
            states.append(new)
        return self._read(hs), tuple(states)

    def _read(self, hs: Float[Array, "step hidden"]) -> Float[Array, "step out"]:
        head = self.head
        hs = hs if head.norm is None else jax.vmap(head.norm)(hs)
        weight = self.embedding.weight[: self.num_classes] if head.weight is None else head.weight
        return linear_map(hs, weight) + head.bias


def sequence_model(
    name: str | Sequence[str],
    *,
    vocab_size: int | None = None,
    in_size: int | None = None,
    num_classes: int,
    hidden_size: int = 64,
    num_layers: int = 2,
    norm: str = "rms",
    mlp: float | None = 2.0,
    gated_mlp: bool = True,
    short_conv: int | None = None,
    residual: bool = True,
    final_norm: bool = True,
    tied: bool = False,
    dtype: Any = None,
    key: PRNGKey,
    **layer_settings: Any,
) -> SequenceModel:
    """Makes a sequence model of blocks with one kind of layer, or several in turn.

    Args:
        name: one of `linnet.nn.LAYERS`; several alternate, as in a hybrid of recurrence and attention.
        vocab_size: how many tokens there are, for a model that reads tokens.
        in_size: numbers at each step, for a model that reads numbers instead.
        num_classes: outputs at each step.
        hidden_size: features between the blocks.
        num_layers: how many blocks there are.
        norm: "rms", "layer" or "none", in front of every part.
        mlp: size of the middle of the network over features over `hidden_size`; `None` for none.
        gated_mlp: whether that network has a gate.
        short_conv: steps of a short convolution in front of each layer; `None` for none, as many layers have their own.
        residual: whether blocks add their inputs to their outputs.
        final_norm: whether there is a norm in front of the head.
        tied: whether the head's weights are the embedding's.
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.
        **layer_settings: other arguments of the layers, such as `num_heads`.

    Raises:
        ValueError: for an unknown name or norm, sizes that do not fit, or both or neither of `vocab_size` and
            `in_size`.

    !!! example
        ```python
        model = ln.nn.sequence_model("deltanet", vocab_size=3, num_classes=2, num_heads=4, key=key)
        logits, state = model(tokens)
        ```
    """
    if (vocab_size is None) == (in_size is None):
        raise ValueError(
            f"sequence_model needs either a vocab_size (tokens) or an in_size (numbers), got {vocab_size} and "
            f"{in_size}."
        )
    names = [name] if isinstance(name, str) else list(name)
    if num_layers < 1 or num_classes < 1 or not names:
        raise ValueError(
            f"sequence_model needs the name of a layer, and num_layers and num_classes of at least 1, got {names}, "
            f"{num_layers} and {num_classes}."
        )
    dtype = float_dtype(dtype)
    first, last, *keys = jr.split(key, 2 + num_layers)
    if vocab_size is None:
        embedding = LinearEmbedding(in_size or 0, hidden_size, dtype=dtype, key=first)
    else:
        embedding = Embedding(vocab_size, hidden_size, dtype=dtype, key=first)
    blocks = []
    for number, block_key in enumerate(keys):
        over_time, over_features, conv_key = jr.split(block_key, 3)
        made = layer(names[number % len(names)], hidden_size, dtype=dtype, key=over_time, **layer_settings)
        conv = None if short_conv is None else ShortConvolution(hidden_size, short_conv, dtype=dtype, key=conv_key)
        block = Block(made, make_norm(norm, hidden_size, dtype), conv, residual=residual)
        if mlp is not None:
            network = FeedForward(hidden_size, mlp, gated=gated_mlp, dtype=dtype, key=over_features)
            block = Block(made, block.norm, conv, network, make_norm(norm, hidden_size, dtype), residual)
        blocks.append(block)
    weight = None if tied else gaussian(last, (num_classes, hidden_size), dtype, hidden_size**-0.5)
    head_norm = make_norm(norm, hidden_size, dtype) if final_norm else None
    return SequenceModel(embedding, tuple(blocks), Head(weight, jnp.zeros(num_classes, dtype), head_norm))
