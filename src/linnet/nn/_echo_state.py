"""The echo state network: a random reservoir, of which only the readout is fitted."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import float_dtype, run_steps
from ._piecewise_linear import check_size, external_weights
from ._random import gaussian
from ._reservoir import AbstractReservoir

#: The matrix is squared so many times to find its spectral radius, by Gelfand's formula.
_SQUARINGS = 10


@cite("jaeger2004harnessing")
class EchoState(AbstractReservoir):
    r"""$r_t = (1 - a) r_{t-1} + a \tanh(W r_{t-1} + W_u u_{t-1} + C s_t + b)$ with the readout $y_t = W_y r_t + c$.

    In closed loop, which is what a step does, $u = y$: the network runs on its own predictions. `absorb` takes an
    observation in the place of the prediction. The reservoir stays as it was drawn; the readout begins at 0 and is
    fitted by `linnet.reconstruct.fit_readout`.

    Args:
        out_size: the number of observed quantities, in and out.
        hidden_size: the number of units of the reservoir.
        in_size: the number of external inputs $s_t$; 0 for an autonomous network.
        spectral_radius: of $W$, which is Gaussian.
        leak: $a$, between 0 and 1.
        input_scale: $W_u$ is uniform between plus and minus this.
        bias_scale: $b$ is uniform between plus and minus this.
        dtype: of the parameters; by default JAX's.
        key: randomness of the reservoir.

    Raises:
        ValueError: if an argument is not what it must be.
    """

    feedback_weights: Float[Array, "hidden out"]
    recurrent_weights: Float[Array, "hidden hidden"]
    output_weights: Float[Array, "out hidden"]
    hidden_bias: Float[Array, " hidden"]
    output_bias: Float[Array, " out"]
    input_weights: Float[Array, "hidden in"] | None
    leak: Float[Array, ""]

    def __init__(
        self,
        out_size: int,
        hidden_size: int,
        in_size: int = 0,
        *,
        spectral_radius: Any = 0.9,
        leak: Any = 1.0,
        input_scale: Any = 0.5,
        bias_scale: Any = 0.5,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        check_size("EchoState", "`out_size`", out_size)
        check_size("EchoState", "`hidden_size`", hidden_size)
        check_size("EchoState", "`in_size`", in_size, 0)
        if isinstance(leak, (int, float)) and not 0 < leak <= 1:
            raise ValueError(f"The `leak` of EchoState is more than 0 and at most 1, got {leak}.")
        dtype, (own, feedback, bias, external) = float_dtype(dtype), jr.split(key, 4)
        weights = gaussian(own, (hidden_size, hidden_size), dtype, hidden_size**-0.5)
        self.recurrent_weights = weights * (jnp.asarray(spectral_radius, dtype) / _spectral_radius(weights))
        uniform = jr.uniform(feedback, (hidden_size, out_size), dtype, -1, 1)
        self.feedback_weights = jnp.asarray(input_scale, dtype) * uniform
        self.hidden_bias = jnp.asarray(bias_scale, dtype) * jr.uniform(bias, (hidden_size,), dtype, -1, 1)
        self.output_weights = jnp.zeros((out_size, hidden_size), dtype)
        self.output_bias = jnp.zeros(out_size, dtype)
        self.input_weights = external_weights(external, hidden_size, in_size, dtype)
        self.leak = jnp.asarray(leak, dtype)

    @property
    def out_size(self) -> int:
        return self.output_bias.shape[0]

    @property
    def in_size(self) -> int:
        return 0 if self.input_weights is None else self.input_weights.shape[1]

    @property
    def num_features(self) -> int:
        return self.hidden_bias.shape[0] + 1

    @property
    def is_ahead(self) -> bool:
        return True

    def init_state(self) -> Float[Array, " hidden"]:
        return jnp.zeros_like(self.hidden_bias)

    def absorb(
        self, state: Float[Array, " hidden"], observed: Float[Array, " out"], x: Float[Array, " in"]
    ) -> Float[Array, " hidden"]:
        drive = self.feedback_weights @ observed + self.hidden_bias
        drive = drive if self.input_weights is None else drive + self.input_weights @ x
        return (1 - self.leak) * state + self.leak * jnp.tanh(self.recurrent_weights @ state + drive)

    def features(self, state: Float[Array, " hidden"], x: Float[Array, " in"]) -> Float[Array, " feature"]:
        return jnp.concatenate([state, jnp.ones_like(state[:1])])

    def target(self, state: Float[Array, " hidden"], observed: Float[Array, " out"]) -> Float[Array, " out"]:
        return observed

    def with_readout(self, weights: Float[Array, "out feature"]) -> "EchoState":
        parts = weights[:, :-1], weights[:, -1]
        return eqx.tree_at(lambda net: (net.output_weights, net.output_bias), self, parts)

    def read(self, state: Float[Array, " hidden"]) -> Float[Array, " out"]:
        """What the network makes of a state: the observation it expects next."""
        return self.output_weights @ state + self.output_bias

    def step(
        self, state: Float[Array, " hidden"], x: Float[Array, " in"]
    ) -> tuple[Float[Array, " hidden"], Float[Array, " out"]]:
        state = self.absorb(state, self.read(state), x)
        return state, self.read(state)

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        return run_steps(self, xs, state)


def _spectral_radius(matrix: Float[Array, "row column"]) -> Float[Array, ""]:
    r"""$\|W^{2^k}\|^{2^{-k}}$; unlike an eigenvalue routine it maps over seeds and runs on every device."""
    logarithm, weight = jnp.zeros((), matrix.dtype), 1.0
    for _ in range(_SQUARINGS):
        size = jnp.linalg.norm(matrix)
        logarithm = logarithm + weight * jnp.log(size)
        matrix = matrix / size
        matrix, weight = matrix @ matrix, weight / 2
    return jnp.exp(logarithm + weight * jnp.log(jnp.linalg.norm(matrix)))
