"""The recurrent network that is linear but for a few rectified units."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import float_dtype
from ._piecewise_linear import AbstractPiecewiseLinear, check_size, diagonal_and_rest, external_weights
from ._random import gaussian


@cite("brenner2024almost")
class AlmostLinearRNN(AbstractPiecewiseLinear):
    r"""$z_t = A z_{t-1} + W \Phi^*(z_{t-1}) + h + C s_t$, where $\Phi^*$ rectifies the last $P$ units only.

    There are $2^P$ regions, whose signs are a symbolic code of the orbit. The first units are the ones to be read out.

    Args:
        state_size: the number of latent units, $M$.
        num_relus: how many of them are rectified, $P$.
        in_size: the number of external inputs $s_t$; 0 for an autonomous network.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights: $A$ is the diagonal of a positive definite matrix whose largest eigenvalue is 1,
            $W$ is Gaussian of standard deviation 0.01, $h$ is 0.

    Raises:
        ValueError: if a size is not what it must be.
    """

    diagonal: Float[Array, " state"]
    weights: Float[Array, "state state"]
    bias: Float[Array, " state"]
    input_weights: Float[Array, "state in"] | None
    num_relus: int = eqx.field(static=True)

    def __init__(self, state_size: int, num_relus: int, in_size: int = 0, *, dtype: Any = None, key: PRNGKey) -> None:
        check_size("AlmostLinearRNN", "`state_size`", state_size)
        check_size("AlmostLinearRNN", "`num_relus`", num_relus, 0)
        check_size("AlmostLinearRNN", "`in_size`", in_size, 0)
        if num_relus > state_size:
            raise ValueError(
                f"AlmostLinearRNN rectifies at most all of its {state_size} units, got num_relus={num_relus}."
            )
        dtype, (own, external, weights) = float_dtype(dtype), jr.split(key, 3)
        self.diagonal, _ = diagonal_and_rest(own, state_size, dtype)
        self.weights = gaussian(weights, (state_size, state_size), dtype, 0.01)
        self.bias = jnp.zeros(state_size, dtype)
        self.input_weights = external_weights(external, state_size, in_size, dtype)
        self.num_relus = num_relus

    @property
    def num_switches(self) -> int:
        return self.num_relus

    @property
    def num_linear(self) -> int:
        """How many units are not rectified."""
        return self.bias.shape[0] - self.num_relus

    def advance(self, state: Float[Array, " state"]) -> Float[Array, " state"]:
        linear, rest = state[: self.num_linear], state[self.num_linear :]
        active = jnp.concatenate([linear, jax.nn.relu(rest)])
        return self.diagonal * state + active @ self.weights.T + self.bias

    def region(self, state: Float[Array, " state"]) -> Bool[Array, " switch"]:
        return state[self.num_linear :] > 0

    def affine(self, region: Bool[Array, " switch"]) -> tuple[Float[Array, "state state"], Float[Array, " state"]]:
        gains = jnp.concatenate([jnp.ones(self.num_linear, bool), region])
        return jnp.diag(self.diagonal) + self.weights * gains, self.bias
