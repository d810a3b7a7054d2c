"""The piecewise-linear recurrent network whose units see how far they are from their mean."""

from typing import Any

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
    without_diagonal,
)


@cite("brenner2022tractable", "talathi2016improving")
class MeanCentredPLRNN(AbstractPiecewiseLinear):
    r"""$z_t = A z_{t-1} + W \max(z_{t-1} - \bar z_{t-1}, 0) + h + C s_t$, where $\bar z$ is the mean over units.

    Args:
        state_size: the number of latent units, $M$; at least 2, for one unit is its own mean.
        in_size: the number of external inputs $s_t$; 0 for an autonomous network.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, those of a `PLRNN`.

    Raises:
        ValueError: if a size is not what it must be.
    """

    diagonal: Float[Array, " state"]
    weights: Float[Array, "state state"]
    bias: Float[Array, " state"]
    input_weights: Float[Array, "state in"] | None

    def __init__(self, state_size: int, in_size: int = 0, *, dtype: Any = None, key: PRNGKey) -> None:
        check_size("MeanCentredPLRNN", "`state_size`", state_size, 2)
        check_size("MeanCentredPLRNN", "`in_size`", in_size, 0)
        dtype, (own, external) = float_dtype(dtype), jr.split(key)
        self.diagonal, self.weights = diagonal_and_rest(own, state_size, dtype)
        self.bias = jnp.zeros(state_size, dtype)
        self.input_weights = external_weights(external, state_size, in_size, dtype)

    @property
    def num_switches(self) -> int:
        return self.bias.shape[0]

    def advance(self, state: Float[Array, " state"]) -> Float[Array, " state"]:
        active = jax.nn.relu(state - jnp.mean(state))
        return self.diagonal * state + active @ without_diagonal(self.weights).T + self.bias

    def region(self, state: Float[Array, " state"]) -> Bool[Array, " switch"]:
        return state > jnp.mean(state)

    def affine(self, region: Bool[Array, " switch"]) -> tuple[Float[Array, "state state"], Float[Array, " state"]]:
        acting = without_diagonal(self.weights) * region
        # The matrix that subtracts the mean, from the right.
        centred = acting - jnp.mean(acting, axis=1, keepdims=True)
        return jnp.diag(self.diagonal) + centred, self.bias
