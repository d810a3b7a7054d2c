"""Causal softmax attention, the reference that the recurrent layers are held against."""

import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Bool, Float, Int

from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ._layer_parts import merge_heads, positions_of, projections, rotate, split_heads
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer, check_heads


class AttentionCache(NamedTuple):
    """The keys and values of the tokens read so far, and how many they are."""

    keys: Float[Array, "slot head size"]
    values: Float[Array, "slot head size"]
    position: Int[Array, ""]


@cite("vaswani2017attention", "su2024roformer")
class SoftmaxAttention(AbstractSequenceLayer):
    r"""$o_t = \sum_{s \le t} \mathrm{softmax}_s\bigl(q_t \cdot k_s / \sqrt d\bigr)\, v_s$, then $y_t = W_o o_t$.

    It is no linear recurrence of fixed size: its state holds the keys and values of all tokens read, so a step costs
    what the cache holds, and a sequence of more than `max_length` tokens (since the last reset) does not fit. The call
    makes all pairs of tokens at once, $O(T^2)$ in time and memory. It is here as what recurrences replace.

    Args:
        hidden_size: features in and out.
        num_heads: heads.
        head_dim: $d$; by default `hidden_size / num_heads`.
        rotary: whether positions turn queries and keys (RoPE, on the first and second half of the features of a head);
            without it the layer sees no order but that of causality.
        max_length: tokens that the cache holds.
        mode: "auto" or "parallel", which are the same.
        chunk_size: not used.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, Gaussian of variance 1 over their inputs.
    """

    modes: ClassVar[tuple[str, ...]] = ("parallel",)

    query: Float[Array, "inner hidden"]
    key: Float[Array, "inner hidden"]
    value: Float[Array, "inner hidden"]
    output: Float[Array, "hidden inner"]
    hidden_size: int = eqx.field(static=True)
    num_heads: int = eqx.field(static=True)
    rotary: bool = eqx.field(static=True)
    max_length: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int = 1,
        *,
        head_dim: int | None = None,
        rotary: bool = True,
        max_length: int = 2048,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        heads = num_heads if head_dim is None else 1  # with a head_dim they need not share the features evenly
        check_heads("SoftmaxAttention", hidden_size, heads, max_length=max_length, head_dim=head_dim or 1)
        inner = hidden_size if head_dim is None else num_heads * head_dim
        weights = projections(key, [(inner, hidden_size)] * 3 + [(hidden_size, inner)], float_dtype(dtype))
        self.query, self.key, self.value, self.output = weights
        self.hidden_size, self.num_heads, self.rotary, self.max_length = hidden_size, num_heads, rotary, max_length
        self.mode, self.chunk_size = mode, chunk_size

    def init_state(self) -> AttentionCache:
        shape = (self.max_length, self.num_heads, self.query.shape[0] // self.num_heads)
        zeros = jnp.zeros(shape, self.query.dtype)
        return AttentionCache(zeros, zeros, jnp.zeros((), jnp.int32))

    def forward(
        self, xs: Float[Array, "step in"], state: AttentionCache, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], AttentionCache]:
        num, most = xs.shape[0], self.max_length
        if num > most and resets is None:
            raise ValueError(_overflow(most, f"{num} steps"))
        queries, keys, values = (
            split_heads(linear_map(xs, w), self.num_heads) for w in (self.query, self.key, self.value)
        )
        places, position = positions_of(state.position, num, resets)
        if self.rotary:
            queries, keys = rotate(queries, places), rotate(keys, places)
        slots = state.position + jnp.arange(num)
        first = slots - places  # the slot of the first step of the sequence that a step belongs to
        position = eqx.error_if(position, jnp.max(places) >= most, _overflow(most, "more"))
        old, new = (state.keys, state.values), (keys, values)

        def alone() -> tuple[Array, tuple[Array, Array]]:
            steps = jnp.arange(num)
            return attend_softmax(queries, keys, values, steps, jnp.zeros_like(steps)), _write(old, new, 0)

        def with_cache() -> tuple[Array, tuple[Array, Array]]:
            held = _write(_lengthened(old, num), new, state.position)
            outputs = attend_softmax(queries, *held, slots, first)
            begin = first[-1]
            return outputs, jtu.tree_map(
                lambda a: jax.lax.dynamic_slice_in_dim(a, begin, most), _lengthened(held, most)
            )

        if num == 1 and resets is None:
            held = _write(old, new, state.position)
            outputs = attend_softmax(queries, *held, slots, first)
        elif resets is not None:
            outputs, held = with_cache()
        else:
            # From nothing, as in training, there is no cache to look through.
            outputs, held = jax.lax.cond(state.position == 0, alone, with_cache)
        return linear_map(merge_heads(outputs), self.output), AttentionCache(*held, position)


def attend_softmax(
    queries: Float[Array, "step head size"],
    keys: Float[Array, "slot head size"],
    values: Float[Array, "slot head size"],
    slots: Int[Array, " step"],
    first: Int[Array, " step"],
) -> Float[Array, "step head size"]:
    """Attention of each step to the slots from the first of its sequence to its own."""
    scores = jnp.einsum("thd,shd->hts", queries, keys) / math.sqrt(queries.shape[-1])
    place = jnp.arange(keys.shape[0])
    seen = (place <= slots[:, None]) & (place >= first[:, None])
    return jnp.einsum("hts,shd->thd", jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1), values)


def _write(old: tuple[Array, Array], new: tuple[Array, Array], slot: Any) -> tuple[Array, Array]:
    return jtu.tree_map(lambda a, b: jax.lax.dynamic_update_slice_in_dim(a, b, slot, 0), old, new)


def _lengthened(arrays: tuple[Array, Array], num: int) -> tuple[Array, Array]:
    return jtu.tree_map(lambda a: jnp.concatenate([a, jnp.zeros((num, *a.shape[1:]), a.dtype)]), arrays)


def _overflow(most: int, got: str) -> str:
    return (
        f"SoftmaxAttention has a cache of max_length={most} tokens since the beginning of a sequence, got {got}. Use a "
        "larger max_length."
    )
