"""The gated recurrent unit without the past in its gates."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .. import scan
from .._cite import cite
from .._products import linear_map
from .._types import PRNGKey
from ._inner_size import inner_size
from ._layer_parts import projections
from ._network import float_dtype
from ._sequence_layer import AbstractSequenceLayer


@cite("feng2024were")
class MinGRU(AbstractSequenceLayer):
    r"""A GRU whose gates and candidates see the input alone: $h_t = (1 - z_t) \odot h_{t-1} + z_t \odot \tilde h_t$.

    $z_t = \sigma(W_z x_t)$ and $\tilde h_t = W_h x_t$. With `log_space` the candidates are positive,
    $\tilde h_t = g(W_h x_t)$ with $g(x) = x + 1/2$ for $x \ge 0$ and $\sigma(x)$ below, and the recurrence is one of
    logarithms: the paper's form for training. Nothing is divided by a product of gates here in either form, so the
    logarithms are not needed for stability; they are the paper's choice of $g$. States begin from 0, also there, where
    the paper's code begins from $g(0) = 1/2$.

    Args:
        hidden_size: features of inputs and outputs.
        expand: numbers in the state for each of them; if it is not 1, the output is a projection $W_o h_t$.
        log_space: whether candidates are positive, and states are kept as logarithms.
        use_bias: whether $W_z$ and $W_h$ have a bias.
        mode: of the recurrence; "auto" takes what is fastest.
        chunk_size: steps in a chunk, for the modes "scan" and "chunk".
        dtype: of the parameters; by default JAX's.
        key: randomness of the parameters.

    Raises:
        ValueError: if a size is not positive.
    """

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    gate_weights: Float[Array, "inner hidden"]
    gate_bias: Float[Array, " inner"] | None
    candidate_weights: Float[Array, "inner hidden"]
    candidate_bias: Float[Array, " inner"] | None
    output_weights: Float[Array, "hidden inner"] | None
    log_space: bool = eqx.field(static=True)
    hidden_size: int = eqx.field(static=True)
    mode: str = eqx.field(static=True)
    chunk_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        hidden_size: int,
        expand: float = 1,
        *,
        log_space: bool = False,
        use_bias: bool = True,
        mode: str = "auto",
        chunk_size: int | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        inner = inner_size("MinGRU", "expand", hidden_size, expand)
        dtype = float_dtype(dtype)
        into = (inner, hidden_size)
        self.gate_weights, self.candidate_weights, output = projections(key, [into, into, (hidden_size, inner)], dtype)
        self.output_weights = None if inner == hidden_size else output
        self.gate_bias = jnp.zeros(inner, dtype) if use_bias else None
        self.candidate_bias = jnp.zeros(inner, dtype) if use_bias else None
        self.log_space = log_space
        self.hidden_size, self.mode, self.chunk_size = hidden_size, mode, chunk_size

    def init_state(self) -> Float[Array, " inner"]:
        r"""0; with `log_space` its logarithm, $-\infty$."""
        size, dtype = self.gate_weights.shape[0], self.gate_weights.dtype
        return jnp.full(size, -jnp.inf if self.log_space else 0, dtype)

    def forward(
        self, xs: Float[Array, "step in"], state: Any, *, resets: Bool[Array, " step"] | None, mode: str
    ) -> tuple[Float[Array, "step out"], Any]:
        gates, candidates = linear_map(xs, self.gate_weights), linear_map(xs, self.candidate_weights)
        gates = gates if self.gate_bias is None else gates + self.gate_bias
        candidates = candidates if self.candidate_bias is None else candidates + self.candidate_bias
        options: Any = {"mode": mode, "chunk_size": self.chunk_size, "resets": resets}
        if self.log_space:
            drives = -jax.nn.softplus(-gates) + _log_positive(candidates)
            states, last = scan.recur(scan.LogSumExp(-jax.nn.softplus(gates)), drives, state, **options)
            states = jnp.exp(states)
        else:
            drives = jax.nn.sigmoid(gates) * candidates
            states, last = scan.recur(scan.Diagonal(jax.nn.sigmoid(-gates)), drives, state, **options)
        out = states.astype(xs.dtype)
        out = out if self.output_weights is None else linear_map(out, self.output_weights)
        return out, last.astype(state.dtype)


def _log_positive(xs: Array) -> Array:
    r"""$\log g(x)$."""
    return jnp.where(xs >= 0, jnp.log(jax.nn.relu(xs) + 0.5), -jax.nn.softplus(-xs))
