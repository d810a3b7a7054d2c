"""The linear state space model whose states do not meet."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from .._cite import cite
from .._products import linear_map
from ._network import AbstractRecurrent


@cite("smekal2024towards")
class DiagonalSSM(AbstractRecurrent):
    r"""$x_t = A x_{t-1} + B u_t$, $y_t = C x_t$ with $A = \mathrm{diag}(a)$ of real poles.

    A `LinearRNN` with diagonal recurrent weights: each state is a leaky integrator of its own, and they meet in the
    output alone. The transfer function is $H(\omega) = C\, (I - A e^{-i\omega})^{-1} B$.

    Args:
        poles: $a$; stable within $(-1, 1)$.
        input_weights: $B$.
        output_weights: $C$.

    Raises:
        ValueError: if the shapes do not fit.
    """

    poles: Float[Array, " state"] = eqx.field(converter=jnp.asarray)
    input_weights: Float[Array, "state in"] = eqx.field(converter=jnp.asarray)
    output_weights: Float[Array, "out state"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        shapes = self.poles.shape, self.input_weights.shape, self.output_weights.shape
        size = shapes[0][:1]
        if [len(s) for s in shapes] != [1, 2, 2] or shapes[1][:1] != size or shapes[2][1:] != size:
            raise ValueError(
                "DiagonalSSM needs poles (state,), input_weights (state, in) and output_weights (out, state), got "
                f"{shapes[0]}, {shapes[1]} and {shapes[2]}."
            )

    def init_state(self) -> Float[Array, " state"]:
        return jnp.zeros_like(self.poles)

    def step(
        self, state: Float[Array, " state"], x: Float[Array, " in"]
    ) -> tuple[Float[Array, " state"], Float[Array, " out"]]:
        state = self.poles * state + self.input_weights @ x
        return state, self.output_weights @ state

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        def advance(state: Array, drive: Array) -> tuple[Array, Array]:
            state = self.poles * state + drive
            return state, state

        final, states = jax.lax.scan(
            advance, self.init_state() if state is None else state, linear_map(xs, self.input_weights)
        )
        return linear_map(states, self.output_weights), final

    @eqx.filter_jit
    def impulse_response(self, num_steps: int) -> Float[Array, "lag out in"]:
        """The maps $C A^k B$ for the lags $k = 0, \\dots, T - 1$."""
        powers = jax.lax.scan(lambda p, _: (p * self.poles, p), jnp.ones_like(self.poles), length=num_steps)[1]
        return (self.output_weights * powers[:, None, :]) @ self.input_weights

    def transfer(self, frequencies: Float[Array, " frequency"]) -> Complex[Array, "frequency out in"]:
        r"""$H(\omega)$ at frequencies in radians per step."""
        states = 1 / (1 - self.poles * jnp.exp(-1j * frequencies)[:, None])
        return (self.output_weights * states[:, None, :]) @ self.input_weights.astype(states.dtype)
