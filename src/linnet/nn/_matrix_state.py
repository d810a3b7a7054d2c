"""What layers with a matrix for a state share: sizes of heads, features of queries and keys, and reading all heads."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..scan import AbstractTransition, attend

#: Features of queries and keys, by name.
FEATURE_MAPS: dict[str, Callable[[Array], Array]] = {
    "elu": lambda x: jnp.where(x > 0, x + 1, jnp.exp(jnp.minimum(x, 0))),
    "relu": jax.nn.relu,
    "exp": jnp.exp,
    "silu": jax.nn.silu,
    "square": jnp.square,
    "identity": lambda x: x,
}
#: Those of them that are never negative, so that their sums can be divided by.
POSITIVE_MAPS = ("elu", "relu", "exp", "square")


def attend_heads(
    make: Callable[[Any], AbstractTransition],
    decays: Any,
    queries: Float[Array, "step head key"],
    keys: Float[Array, "step head key"],
    values: Float[Array, "step head value"],
    start: Float[Array, "head key value"],
    *,
    resets: Bool[Array, " step"] | None,
    mode: str,
    chunk_size: int | None,
) -> tuple[Float[Array, "step head value"], Float[Array, "head key value"]]:
    """`scan.attend` for all heads.

    Args:
        make: the transition of one head, from its decays.
        decays: arrays whose first axis is over heads; `None` where there are none.
        queries, keys, values, start, resets, mode, chunk_size: as in `attend`, with an axis over heads.
    """

    def one(decay: Any, query: Array, key: Array, value: Array, state: Array) -> tuple[Array, Array]:
        return attend(make(decay), query, key, value, state, mode=mode, chunk_size=chunk_size, resets=resets)

    return jax.vmap(one, in_axes=(0, 1, 1, 1, 0), out_axes=(1, 0))(decays, queries, keys, values, start)


def head_sizes(name: str, hidden_size: int, num_heads: int, expand_k: float, expand_v: float) -> tuple[int, int]:
    """Keys and values of one head.

    Raises:
        ValueError: if sizes are not positive, or the heads do not share the features evenly.
    """
    for argument, size in (("hidden_size", hidden_size), ("num_heads", num_heads)):
        if size < 1:
            raise ValueError(f"{name} needs a {argument} of at least 1, got {size}.")
    found = []
    for argument, factor in (("expand_k", expand_k), ("expand_v", expand_v)):
        total = round(hidden_size * factor)
        if total < 1 or abs(hidden_size * factor - total) > 1e-6 or total % num_heads:
            raise ValueError(
                f"{name} needs hidden_size * {argument} to be a multiple of num_heads, got {hidden_size} * {factor} "
                f"for {num_heads} heads."
            )
        found.append(total // num_heads)
    return found[0], found[1]


def check_feature_map(name: str, which: str) -> None:
    """Refuses features that there are not.

    Raises:
        ValueError: with their names.
    """
    if which not in FEATURE_MAPS:
        raise ValueError(f"{name} has no feature_map {which!r}: choose from {', '.join(FEATURE_MAPS)}.")


def state_dtype(dtype: Any) -> Any:
    """The dtype of a recurrent state: that of the parameters, but at least float32, as the engine keeps its sums."""
    return jnp.promote_types(dtype, jnp.float32)


def log_ratio(
    start: Float[Array, "*state"],
    states: Float[Array, "step *state"],
    log_decays: Any,
    resets: Bool[Array, " step"] | None,
) -> Float[Array, "step *state"]:
    r"""$\log a_t + m_{t-1} - m_t$: what decays a memory that is kept divided by $e^{m_t}$.

    It is 0 where nothing came before, $m_{t-1} = -\infty$: the memory is 0 there, and stays so at any decay; the
    difference itself would be minus infinity, in which no chunk can count.

    Args:
        start: $m_0$.
        states: $m$.
        log_decays: $\log a$.
        resets: where everything is forgotten before the step.
    """
    before = jnp.concatenate([start[None], states[:-1]])
    empty = jnp.isneginf(before)
    if resets is not None:
        empty = empty | resets.reshape(-1, *[1] * (states.ndim - 1))
    # The first choice keeps infinities out of the gradient, the second is the value.
    return jnp.where(empty, 0, log_decays + jnp.where(empty, states, before) - states)
