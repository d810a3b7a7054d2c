"""Reading a prompt at once and going on with it token by token."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from .._types import PRNGKey
from ._embedding import Embedding
from ._sequence_model import SequenceModel


def prefill(model: SequenceModel, tokens: Any, state: Any = None) -> tuple[Float[Array, " out"], Any]:
    """Reads a prompt in the parallel form.

    Args:
        model: a model of tokens.
        tokens: the prompt, at least one token.
        state: what was read before; by default nothing.

    Returns:
        The logits of the token after the prompt, and the state from which `model.step` goes on.

    Raises:
        ValueError: if the prompt is empty, or has what is no token of the model.
    """
    return _prefill(model, _prompt(model, tokens), state)


def generate(
    model: SequenceModel,
    prompt: Any,
    num: int,
    *,
    key: PRNGKey | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    state: Any = None,
) -> tuple[Int[Array, " token"], Any]:
    r"""Goes on with a prompt by the step form, at a cost for each token that does not grow.

    Each token is drawn from $\mathrm{softmax}(\text{logits} / \tau)$ and read by the model. All of it is one compiled
    program for each length of prompt and each `num`, whatever the temperature.

    Args:
        model: a model of tokens whose outputs are tokens too.
        prompt: at least one token.
        num: how many tokens to add.
        key: randomness; not needed at a temperature of 0.
        temperature: $\tau$; at 0 always the token of the largest logit.
        top_k: draw from this many largest logits only; `None` for all.
        state: what was read before the prompt; by default nothing.

    Returns:
        The new tokens, and the state after all of them but the last: `generate(model, tokens[-1:], more, state=state)`
        goes on.

    Raises:
        ValueError: if the prompt is empty or no prompt of the model's tokens, the outputs are no tokens, or a number is
            out of range.

    !!! example
        ```python
        tokens, state = ln.nn.generate(model, [1, 0, 1], 20, key=key, temperature=0.8, top_k=10)
        ```
    """
    tokens = _prompt(model, prompt)
    rows = model.embedding.weight.shape[0]
    if model.num_classes > rows:
        raise ValueError(
            f"generate needs outputs that are tokens, but the model has {model.num_classes} outputs for {rows} tokens."
        )
    if num < 1 or temperature < 0 or (top_k is not None and top_k < 1):
        raise ValueError(
            f"generate needs num >= 1, temperature >= 0 and top_k >= 1, got {num}, {temperature} and {top_k}."
        )
    if key is None:
        if temperature > 0:
            raise ValueError("generate draws at random and needs a `key`, or a temperature of 0.")
        key = jr.key(0)
    kept = None if top_k is None or top_k >= model.num_classes else top_k
    scale = jnp.asarray(temperature, model.head.bias.dtype)
    return _generate(model, tokens, num, key, scale, kept, state)


_prefill = eqx.filter_jit(lambda model, tokens, state: _read(model, tokens, state))


def _read(model: SequenceModel, tokens: Array, state: Any) -> tuple[Array, Any]:
    logits, state = model(tokens, state)
    return logits[-1], state


@eqx.filter_jit
def _generate(
    model: SequenceModel, tokens: Array, num: int, key: Array, scale: Array, top_k: int | None, state: Any
) -> tuple[Array, Any]:
    def draw(logits: Array, key: Array) -> Array:
        best = jnp.argmax(logits)
        if top_k is not None:
            logits = jnp.where(logits < jax.lax.top_k(logits, top_k)[0][-1], -jnp.inf, logits)
        drawn = jr.categorical(key, logits / jnp.where(scale > 0, scale, 1))
        return jnp.where(scale > 0, drawn, best).astype(tokens.dtype)

    def advance(carry: tuple[Any, Array], key: Array) -> tuple[tuple[Any, Array], Array]:
        state, token = carry
        state, logits = model.step(state, token)
        token = draw(logits, key)
        return (state, token), token

    first, rest = jr.split(key)
    logits, state = _read(model, tokens, state)
    token = draw(logits, first)
    (state, _), others = jax.lax.scan(advance, (state, token), jr.split(rest, num - 1))
    return jnp.concatenate([token[None], others]), state


def _prompt(model: SequenceModel, tokens: Any) -> Int[Array, " step"]:
    """A prompt as integers that the model knows."""
    if not isinstance(model.embedding, Embedding):
        raise ValueError("A prompt is of tokens, but this model reads numbers; call the model itself.")
    if not isinstance(tokens, jax.Array):
        tokens = np.asarray(tokens)
        tokens = jnp.asarray(tokens if tokens.size else tokens.astype(int))
    if tokens.ndim != 1 or tokens.shape[0] == 0 or not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise ValueError(
            f"A prompt is at least one token, integers of shape (step,), got {tokens.dtype} of shape {tokens.shape}."
        )
    rows = model.embedding.weight.shape[0]
    # Within a compiled program values are not known, and a wrong token is read as the nearest one.
    if not isinstance(tokens, jax.core.Tracer) and not (0 <= int(jnp.min(tokens)) and int(jnp.max(tokens)) < rows):
        raise ValueError(
            f"The model has tokens 0 to {rows - 1}, got {int(jnp.min(tokens))} to {int(jnp.max(tokens))} in the prompt."
        )
    return tokens.astype(jnp.int32)
