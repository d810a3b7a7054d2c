"""The plain nonlinear recurrent network."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import AbstractRecurrent, check_sizes, float_dtype
from ._random import glorot_weights


@cite("elman1990finding")
class VanillaRNN(AbstractRecurrent):
    r"""$h_{t+1} = \phi(W_h h_t + W_x x_t + b)$, $y_t = W_y h_{t+1} + c$: a `LinearRNN` with an activation and biases.

    Args:
        sizes: `(in, hidden, out)`.
        activation: $\phi$, a leaf of the network's tree.
        use_bias: whether there are biases $b$ and $c$; they begin at 0.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights, drawn from Glorot's Gaussian.
    """

    input_weights: Float[Array, "hidden in"]
    recurrent_weights: Float[Array, "hidden hidden"]
    output_weights: Float[Array, "out hidden"]
    hidden_bias: Float[Array, " hidden"] | None
    output_bias: Float[Array, " out"] | None
    activation: Callable

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable = jnp.tanh,
        *,
        use_bias: bool = True,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        (num_in, hidden, num_out), dtype = check_sizes("VanillaRNN", sizes, 3), float_dtype(dtype)
        shapes = [(hidden, num_in), (hidden, hidden), (num_out, hidden)]
        self.input_weights, self.recurrent_weights, self.output_weights = glorot_weights(key, shapes, dtype)
        self.hidden_bias = jnp.zeros(hidden, dtype) if use_bias else None
        self.output_bias = jnp.zeros(num_out, dtype) if use_bias else None
        self.activation = activation

    @property
    def in_size(self) -> int:
        """The number of inputs."""
        return self.input_weights.shape[1]

    @property
    def hidden_size(self) -> int:
        """The number of hidden units."""
        return self.recurrent_weights.shape[0]

    def init_state(self) -> Float[Array, " hidden"]:
        return jnp.zeros(self.hidden_size, self.recurrent_weights.dtype)

    def step(
        self, state: Float[Array, " hidden"], x: Float[Array, " in"]
    ) -> tuple[Float[Array, " hidden"], Float[Array, " out"]]:
        state = self._advance(state, self._drive(x))
        return state, self._read(state)

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        def advance(state: Array, drive: Array) -> tuple[Array, Array]:
            state = self._advance(state, drive)
            return state, state

        # What does not depend on the state is one product over all steps, outside the loop.
        final, states = jax.lax.scan(advance, self.init_state() if state is None else state, self._drive(xs))
        return self._read(states), final

    def _drive(self, x: Float[Array, "*step in"]) -> Float[Array, "*step hidden"]:
        drive = x @ self.input_weights.T
        return drive if self.hidden_bias is None else drive + self.hidden_bias

    def _advance(self, state: Float[Array, " hidden"], drive: Float[Array, " hidden"]) -> Float[Array, " hidden"]:
        return self.activation(self.recurrent_weights @ state + drive)

    def _read(self, state: Float[Array, "*step hidden"]) -> Float[Array, "*step out"]:
        output = state @ self.output_weights.T
        return output if self.output_bias is None else output + self.output_bias
