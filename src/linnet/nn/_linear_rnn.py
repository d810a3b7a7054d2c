"""The linear recurrent network."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._products import linear_map
from ._network import AbstractRecurrent


@cite("proca2025learning")
class LinearRNN(AbstractRecurrent):
    r"""$h_{t+1} = W_h h_t + W_x x_t$, $y_t = W_y h_{t+1}$: the output is read after the input of its step has entered.

    The last of $T$ inputs therefore meets $W_h^0$: $y_T = \sum_{i=1}^{T} W_y W_h^{T-i} W_x x_i$, and $T = 1$ is a
    two-layer linear network.

    Args:
        input_weights: $W_x$.
        recurrent_weights: $W_h$.
        output_weights: $W_y$.

    Raises:
        ValueError: if the shapes do not fit.

    !!! example
        ```python
        import jax.numpy as jnp, jax.random as jr
        import linnet as ln

        net = ln.nn.fan_in(0.5)(ln.nn.LinearRNN, (2, 16, 1), key=jr.key(0))  # 2 inputs, 16 hidden units, 1 output
        ys, state = net(jnp.ones((10, 2)))  # outputs at all 10 steps, and the state to go on from
        ```
    """

    input_weights: Float[Array, "hidden in"] = eqx.field(converter=jnp.asarray)
    recurrent_weights: Float[Array, "hidden hidden"] = eqx.field(converter=jnp.asarray)
    output_weights: Float[Array, "out hidden"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        shapes = self.input_weights.shape, self.recurrent_weights.shape, self.output_weights.shape
        hidden = shapes[0][0]
        if any(len(s) != 2 for s in shapes) or shapes[1] != (hidden, hidden) or shapes[2][1] != hidden:
            raise ValueError(
                "LinearRNN needs input_weights (hidden, in), recurrent_weights (hidden, hidden) and output_weights "
                "(out, hidden), "
                f"got {shapes[0]}, {shapes[1]} and {shapes[2]}."
            )

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
        state = self.recurrent_weights @ state + self.input_weights @ x
        return state, self.output_weights @ state

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        def advance(state: Array, drive: Array) -> tuple[Array, Array]:
            state = self.recurrent_weights @ state + drive
            return state, state

        # What does not depend on the state is one product over all steps, outside the loop.
        final, states = jax.lax.scan(
            advance, self.init_state() if state is None else state, linear_map(xs, self.input_weights)
        )
        return linear_map(states, self.output_weights), final

    @eqx.filter_jit
    def impulse_response(self, num_steps: int) -> Float[Array, "lag out in"]:
        """The maps $W_y W_h^k W_x$ for the lags $k = 0, \\dots, T - 1$."""
        narrow_end = self.output_weights.shape[0] <= self.input_weights.shape[1]

        def advance(side: Array, _: None) -> tuple[Array, Array]:
            return (side @ self.recurrent_weights if narrow_end else self.recurrent_weights @ side), side

        # Powers of W_h are only ever multiplied onto the narrower of the two outer weights.
        start = self.output_weights if narrow_end else self.input_weights
        sides = jax.lax.scan(advance, start, length=num_steps)[1]
        return sides @ self.input_weights if narrow_end else self.output_weights @ sides
