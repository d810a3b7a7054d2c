"""The piecewise-linear recurrent network with one hidden layer."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import float_dtype
from ._piecewise_linear import (
    AbstractPiecewiseLinear,
    check_size,
    diagonal_and_rest,
    external_weights,
    uniform_fan_in,
)


@cite("hess2023generalized", "talathi2016improving")
class ShallowPLRNN(AbstractPiecewiseLinear):
    r"""$z_t = A z_{t-1} + W_1 \max(W_2 z_{t-1} + h_2, 0) + h_1 + C s_t$ with a diagonal $A$.

    Clipped, $\max(W_2 z + h_2, 0)$ is less by $\max(W_2 z, 0)$: the hidden layer is bounded by $|h_2|$, and every orbit
    is bounded if $|A| < 1$.

    Args:
        state_size: the number of latent units, $M$.
        hidden_size: the number of hidden units, $L$.
        in_size: the number of external inputs $s_t$; 0 for an autonomous network.
        clipped: whether orbits are bounded.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights: $A$ is the diagonal of a positive definite matrix whose largest eigenvalue is 1,
            $W_1$, $W_2$ and the $h_2$ of a clipped network are uniform between plus and minus one over the root of
            their last axis, $h_1$ and other $h_2$ are 0.

    Raises:
        ValueError: if a size is not what it must be.
    """

    diagonal: Float[Array, " state"]
    outer_weights: Float[Array, "state hidden"]
    inner_weights: Float[Array, "hidden state"]
    bias: Float[Array, " state"]
    hidden_bias: Float[Array, " hidden"]
    input_weights: Float[Array, "state in"] | None
    clipped: bool = eqx.field(static=True)

    def __init__(
        self,
        state_size: int,
        hidden_size: int,
        in_size: int = 0,
        *,
        clipped: bool = False,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_size("ShallowPLRNN", "`state_size`", state_size)
        check_size("ShallowPLRNN", "`hidden_size`", hidden_size)
        check_size("ShallowPLRNN", "`in_size`", in_size, 0)
        dtype, (own, external, outer, inner, places) = float_dtype(dtype), jr.split(key, 5)
        self.diagonal, _ = diagonal_and_rest(own, state_size, dtype)
        self.outer_weights = uniform_fan_in(outer, (state_size, hidden_size), dtype)
        self.inner_weights = uniform_fan_in(inner, (hidden_size, state_size), dtype)
        self.bias = jnp.zeros(state_size, dtype)
        self.hidden_bias = uniform_fan_in(places, (hidden_size,), dtype) if clipped else jnp.zeros(hidden_size, dtype)
        self.input_weights = external_weights(external, state_size, in_size, dtype)
        self.clipped = clipped

    @property
    def hidden_size(self) -> int:
        """The number of hidden units."""
        return self.hidden_bias.shape[0]

    @property
    def num_switches(self) -> int:
        return self.hidden_bias.shape[0] * (1 + self.clipped)

    def advance(self, state: Float[Array, " state"]) -> Float[Array, " state"]:
        # Weights on the right: mapped over a batch, this is a product without transpositions.
        inner = state @ self.inner_weights.T
        active = jax.nn.relu(inner + self.hidden_bias)
        active = active - jax.nn.relu(inner) if self.clipped else active
        return self.diagonal * state + active @ self.outer_weights.T + self.bias

    def region(self, state: Float[Array, " state"]) -> Bool[Array, " switch"]:
        """The signs of the hidden units; of a clipped network also those without their biases, after these."""
        inner = self.inner_weights @ state
        sides = inner + self.hidden_bias > 0
        return jnp.concatenate([sides, inner > 0]) if self.clipped else sides

    def affine(self, region: Bool[Array, " switch"]) -> tuple[Float[Array, "state state"], Float[Array, " state"]]:
        sides = region[: self.hidden_size].astype(self.bias.dtype)
        gains = sides - region[self.hidden_size :] if self.clipped else sides
        matrix = jnp.diag(self.diagonal) + (self.outer_weights * gains) @ self.inner_weights
        return matrix, self.bias + self.outer_weights @ (sides * self.hidden_bias)
