"""What the layers of the delta family share: the rule over heads, its inputs and its gates."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._products import linear_map
from .._types import PRNGKey
from ..scan import LowRank, attend
from ._layer_parts import inverse_softplus, log_uniform, projections, split_heads, unit_norm
from ._matrix_state import state_dtype
from ._short_convolution import ShortConvolution

#: What may be asked of the lengths of queries and keys.
NORMS = ("l2", None)


class DeltaState(NamedTuple):
    """What a step needs: the last inputs of the short convolution, and the memory of each head."""

    tail: Float[Array, "tail features"] | None
    memory: Float[Array, "head key value"]


class DeltaInputs(eqx.Module):
    r"""Queries, keys and values, $\mathrm{SiLU}(\mathrm{conv}(W x))$, by one product and one short convolution.

    The rows of $W$ are those of the queries, head by head, then of the keys and of the values, the first of each head,
    then the second of each head where a token has several.

    Args:
        hidden_size: features that come in.
        num_heads: heads.
        key_size, value_size: features of a head.
        rank: keys and values for each token and head.
        use_short_conv, conv_size, conv_bias: of the convolution.
        dtype: of the parameters.
        key: randomness of the parameters.
    """

    weight: Float[Array, "features in"]
    convolution: ShortConvolution | None
    num_heads: int = eqx.field(static=True)
    key_size: int = eqx.field(static=True)
    value_size: int = eqx.field(static=True)
    rank: int = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        key_size: int,
        value_size: int,
        *,
        rank: int = 1,
        use_short_conv: bool,
        conv_size: int,
        conv_bias: bool,
        dtype: Any,
        key: PRNGKey,
    ) -> None:
        self.num_heads, self.key_size, self.value_size, self.rank = num_heads, key_size, value_size, rank
        weight_key, conv_key = jr.split(key)
        width = num_heads * (key_size + rank * (key_size + value_size))
        (self.weight,) = projections(weight_key, [(width, hidden_size)], dtype)
        self.convolution = None
        if use_short_conv:
            self.convolution = ShortConvolution(width, conv_size, use_bias=conv_bias, dtype=dtype, key=conv_key)

    def init_state(self) -> DeltaState:
        """Nothing before the first input, and a memory in which nothing is written.

        The memory is of at least float32, in which its sums are made.
        """
        tail = None if self.convolution is None else self.convolution.init_state()
        dtype = state_dtype(self.weight.dtype)
        return DeltaState(tail, jnp.zeros((self.num_heads, self.key_size, self.value_size), dtype))

    def __call__(
        self,
        xs: Float[Array, "step in"],
        tail: Float[Array, "tail features"] | None,
        resets: Bool[Array, " step"] | None,
    ) -> tuple[Array, Array, Array, Float[Array, "tail features"] | None]:
        """Queries `"step head key"`, keys `"step head rank key"` and values `"step head rank value"`, and the last
        inputs of the convolution."""
        mixed = linear_map(xs, self.weight)
        if self.convolution is None:
            mixed = jax.nn.silu(mixed)
        else:
            mixed, tail = self.convolution(mixed, tail, resets)
        first = self.num_heads * self.key_size
        second = first * (1 + self.rank)
        shape = (xs.shape[0], self.rank, self.num_heads, -1)
        keys = jnp.swapaxes(mixed[:, first:second].reshape(shape), 1, 2)
        values = jnp.swapaxes(mixed[:, second:].reshape(shape), 1, 2)
        return split_heads(mixed[:, :first], self.num_heads), keys, values, tail


class Decay(eqx.Module):
    r"""$g = -e^{A}\, \mathrm{softplus}(x + b)$: the logarithm of a decay, never above 0.

    $e^A$, one for each head, begins uniform within bounds, and $\mathrm{softplus}(b)$ log-uniform between 0.001 and
    0.1. (The published code also keeps the latter above 0.0001, which is below all of it.)

    Args:
        shape: of one step's decays, `(head,)` or `(head, key)`.
        low, high: bounds of $e^A$.
        dtype: of the parameters.
        key: randomness of the parameters.
    """

    A_log: Float[Array, " head"]
    dt_bias: Float[Array, " head *key"]

    def __init__(self, shape: tuple[int, ...], low: float, high: float, dtype: Any, key: PRNGKey) -> None:
        first, second = jr.split(key)
        # A uniform number may be exactly 0, and then nothing would ever decay, or learn to.
        tiny = float(jnp.finfo(dtype).eps)
        self.A_log = jnp.log(jnp.maximum(jr.uniform(first, shape[:1], dtype, low, high), tiny))
        self.dt_bias = inverse_softplus(log_uniform(second, shape, 1e-3, 1e-1, dtype))

    def __call__(self, xs: Float[Array, "step head *key"]) -> Float[Array, "step head *key"]:
        """The logarithms."""
        rates = jnp.exp(self.A_log).reshape(-1, *[1] * (xs.ndim - 2))
        return -rates * jax.nn.softplus(xs + self.dt_bias)


def delta_rule(
    queries: Float[Array, "step head key"],
    keys: Float[Array, "step head rank key"],
    values: Float[Array, "step head rank value"],
    betas: Float[Array, "step head rank"],
    log: Float[Array, "step head"] | Float[Array, "step head key"] | None,
    memory: Float[Array, "head key value"],
    *,
    mode: str,
    chunk_size: int | None,
    resets: Bool[Array, " step"] | None,
) -> tuple[Float[Array, "step head value"], Float[Array, "head key value"]]:
    r"""$S \leftarrow \mathrm{diag}(e^g) S$, then $S \leftarrow S + \beta_j k_j (v_j - S^\top k_j)^\top$ for each $j$ in
    turn, and $o = S^\top q / \sqrt K$, for all heads."""

    def one(queries: Array, keys: Array, values: Array, betas: Array, log: Any, memory: Array) -> tuple[Array, Array]:
        transition = LowRank(-keys, betas[..., None] * keys, log=log)
        return attend(transition, queries, None, values, memory, mode=mode, chunk_size=chunk_size, resets=resets)

    over = (1, 1, 1, 1, None if log is None else 1, 0)
    queries = queries * queries.shape[-1] ** -0.5
    return jax.vmap(one, over, (1, 0))(queries, keys, values, betas, log, memory)


def write_strengths(logits: Float[Array, "*shape"], allow_neg_eigval: bool) -> Float[Array, "*shape"]:
    r"""$\beta = \sigma(x)$, or $2 \sigma(x)$: then $I - \beta k k^\top$ has the eigenvalue $1 - \beta$ along a unit
    key, within $[0, 1]$ or $[-1, 1]$."""
    betas = jax.nn.sigmoid(logits)
    return 2 * betas if allow_neg_eigval else betas


def normalised(
    name: str,
    qk_norm: str | None,
    queries: Float[Array, "step head key"],
    keys: Float[Array, "step head *rank key"],
    betas: Float[Array, "step head *rank"],
) -> tuple[Float[Array, "step head key"], Float[Array, "step head *rank key"]]:
    r"""Queries and keys of unit length, or as they are where none is asked for and none is needed.

    The state cannot grow where $\beta \lVert k \rVert^2 \le 2$. Unit keys keep to it by construction, and nothing is
    checked; others are checked at run time.
    """
    if qk_norm == "l2":
        return unit_norm(queries), unit_norm(keys)
    worst = jnp.max(betas * jnp.sum(keys**2, axis=-1))
    bound = 2 * (1 + 8 * float(jnp.finfo(keys.dtype).eps))
    keys = eqx.error_if(
        keys,
        worst > bound,
        f"{name} needs beta * |k|^2 of at most 2, or its memory grows at every step along the key; got more: pass "
        "`qk_norm='l2'`, or weights that make shorter keys.",
    )
    return queries, keys


def check_delta(name: str, qk_norm: Any, **sizes: int) -> None:
    """Refuses settings that no layer of the family can have.

    Raises:
        ValueError: with the argument, what was needed and what was got.
    """
    for argument, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} needs a {argument} of at least 1, got {size}.")
    if qk_norm not in NORMS:
        raise ValueError(f"{name} needs a qk_norm of 'l2' or None, got {qk_norm!r}.")


def value_size(name: str, head_dim: int, expand_v: float) -> int:
    """The features of a head's values.

    Raises:
        ValueError: where these are no whole number.
    """
    size = head_dim * expand_v
    if size < 1 or abs(size - round(size)) > 1e-6 * size:
        raise ValueError(f"{name} needs head_dim * expand_v to be a positive integer, got {head_dim} * {expand_v}.")
    return round(size)
