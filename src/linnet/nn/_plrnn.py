"""The piecewise-linear recurrent network."""

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


@cite("durstewitz2017state", "talathi2016improving")
class PLRNN(AbstractPiecewiseLinear):
    r"""$z_t = A z_{t-1} + W \max(z_{t-1}, 0) + h + C s_t$ with a diagonal $A$ and a $W$ without diagonal.

    Diagonal and rest begin as those of one positive definite matrix whose largest eigenvalue is 1, $h$ as 0.

    Args:
        state_size: the number of latent units, $M$.
        in_size: the number of external inputs $s_t$; 0 for an autonomous network.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights.

    Raises:
        ValueError: if a size is not what it must be.
    """

    diagonal: Float[Array, " state"]
    weights: Float[Array, "state state"]
    bias: Float[Array, " state"]
    input_weights: Float[Array, "state in"] | None

    def __init__(self, state_size: int, in_size: int = 0, *, dtype: Any = None, key: PRNGKey) -> None:
        check_size("PLRNN", "`state_size`", state_size)
        check_size("PLRNN", "`in_size`", in_size, 0)
        dtype, (own, external) = float_dtype(dtype), jr.split(key)
        self.diagonal, self.weights = diagonal_and_rest(own, state_size, dtype)
        self.bias = jnp.zeros(state_size, dtype)
        self.input_weights = external_weights(external, state_size, in_size, dtype)

    @property
    def num_switches(self) -> int:
        return self.bias.shape[0]

    def advance(self, state: Float[Array, " state"]) -> Float[Array, " state"]:
        return self.diagonal * state + jax.nn.relu(state) @ without_diagonal(self.weights).T + self.bias

    def region(self, state: Float[Array, " state"]) -> Bool[Array, " switch"]:
        return state > 0

    def affine(self, region: Bool[Array, " switch"]) -> tuple[Float[Array, "state state"], Float[Array, " state"]]:
        return jnp.diag(self.diagonal) + without_diagonal(self.weights) * region, self.bias
