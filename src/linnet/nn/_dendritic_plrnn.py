"""The piecewise-linear recurrent network with a basis of thresholds in each unit."""

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
    without_diagonal,
)


@cite("brenner2022tractable", "talathi2016improving")
class DendriticPLRNN(AbstractPiecewiseLinear):
    r"""$z_t = A z_{t-1} + W \sum_b \alpha_b \max(z_{t-1} - h_b, 0) + h + C s_t$.

    Clipped, each $\max(z - h_b, 0)$ is less by $\max(z, 0)$: what a unit sends is bounded, and so is every orbit if
    $|A| < 1$.

    Args:
        state_size: the number of latent units, $M$.
        num_bases: the number of thresholds of a unit, $B$.
        in_size: the number of external inputs $s_t$; 0 for an autonomous network.
        clipped: whether orbits are bounded.
        thresholds: the range in which thresholds $h_b$ begin, such as that of the data; by default they are Gaussian.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights: $\alpha_b$ between $\pm 1/\sqrt B$, the others as in a `PLRNN`.

    Raises:
        ValueError: if an argument is not what it must be.
    """

    diagonal: Float[Array, " state"]
    weights: Float[Array, "state state"]
    slopes: Float[Array, " basis"]
    thresholds: Float[Array, "state basis"]
    bias: Float[Array, " state"]
    input_weights: Float[Array, "state in"] | None
    clipped: bool = eqx.field(static=True)

    def __init__(
        self,
        state_size: int,
        num_bases: int,
        in_size: int = 0,
        *,
        clipped: bool = False,
        thresholds: tuple[float, float] | None = None,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_size("DendriticPLRNN", "`state_size`", state_size)
        check_size("DendriticPLRNN", "`num_bases`", num_bases)
        check_size("DendriticPLRNN", "`in_size`", in_size, 0)
        if thresholds is not None and not thresholds[0] < thresholds[1]:
            raise ValueError(f"`thresholds` of DendriticPLRNN are a lower and a higher number, got {thresholds}.")
        dtype, (own, external, slopes, places) = float_dtype(dtype), jr.split(key, 4)
        shape = (state_size, num_bases)
        self.diagonal, self.weights = diagonal_and_rest(own, state_size, dtype)
        self.slopes = uniform_fan_in(slopes, (num_bases,), dtype)
        if thresholds is None:
            self.thresholds = jr.normal(places, shape, dtype)
        else:
            self.thresholds = jr.uniform(places, shape, dtype, *thresholds)
        self.bias = jnp.zeros(state_size, dtype)
        self.input_weights = external_weights(external, state_size, in_size, dtype)
        self.clipped = clipped

    @property
    def num_switches(self) -> int:
        return self.bias.shape[0] * (self.slopes.shape[0] + self.clipped)

    def advance(self, state: Float[Array, " state"]) -> Float[Array, " state"]:
        active = jax.nn.relu(state[:, None] - self.thresholds) @ self.slopes
        if self.clipped:
            active = active - jnp.sum(self.slopes) * jax.nn.relu(state)
        return self.diagonal * state + active @ without_diagonal(self.weights).T + self.bias

    def region(self, state: Float[Array, " state"]) -> Bool[Array, " switch"]:
        """Unit by unit the side of each threshold; of a clipped network the signs of the units after these."""
        sides = jnp.ravel(state[:, None] > self.thresholds)
        return jnp.concatenate([sides, state > 0]) if self.clipped else sides

    def affine(self, region: Bool[Array, " switch"]) -> tuple[Float[Array, "state state"], Float[Array, " state"]]:
        num = self.thresholds.size
        acting = region[:num].reshape(self.thresholds.shape) * self.slopes
        gains = jnp.sum(acting, axis=1)
        if self.clipped:
            gains = gains - jnp.sum(self.slopes) * region[num:]
        weights = without_diagonal(self.weights)
        offset = self.bias - weights @ jnp.sum(acting * self.thresholds, axis=1)
        return jnp.diag(self.diagonal) + weights * gains, offset
