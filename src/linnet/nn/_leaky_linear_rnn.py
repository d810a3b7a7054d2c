"""The linear recurrent network in continuous time."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._products import linear_map
from ._network import AbstractRecurrent


@cite("bordelon2025dynamically")
class LeakyLinearRNN(AbstractRecurrent):
    r"""$\dot h = -h + W h + U x$, $y = V h$: units that leak at the rate 1, in continuous time.

    On a sequence it is the continuous network at steps of $\Delta$, exactly: inputs of variance 1 are the increments of
    white noise over $\sqrt\Delta$, $h_{k} = e^{(W - I) \Delta} h_{k-1} + \sqrt\Delta\, U x_k$, and $y_k = V h_k$. The
    impulse response at the lag $k$ is $\sqrt\Delta\, V e^{(W - I) k \Delta} U$.

    Args:
        input_weights: $U$.
        recurrent_weights: $W$; an eigenvalue $\lambda$ of it is a mode that decays at the rate $1 - \lambda$.
        output_weights: $V$.
        dt: $\Delta$, of sequences only.

    Raises:
        ValueError: if the shapes do not fit.
    """

    input_weights: Float[Array, "hidden in"] = eqx.field(converter=jnp.asarray)
    recurrent_weights: Float[Array, "hidden hidden"] = eqx.field(converter=jnp.asarray)
    output_weights: Float[Array, "out hidden"] = eqx.field(converter=jnp.asarray)
    dt: float = eqx.field(static=True, default=0.1)

    def __check_init__(self) -> None:
        shapes = self.input_weights.shape, self.recurrent_weights.shape, self.output_weights.shape
        hidden = shapes[0][0]
        if any(len(s) != 2 for s in shapes) or shapes[1] != (hidden, hidden) or shapes[2][1] != hidden:
            raise ValueError(
                "LeakyLinearRNN needs input_weights (hidden, in), recurrent_weights (hidden, hidden) and "
                f"output_weights (out, hidden), got {shapes[0]}, {shapes[1]} and {shapes[2]}."
            )
        if not self.dt > 0:
            raise ValueError(f"LeakyLinearRNN needs a positive dt, got {self.dt}.")

    @property
    def in_size(self) -> int:
        """The number of inputs."""
        return self.input_weights.shape[1]

    @property
    def hidden_size(self) -> int:
        """The number of hidden units."""
        return self.recurrent_weights.shape[0]

    def state_space(
        self,
    ) -> tuple[Float[Array, "hidden hidden"], Float[Array, "hidden in"], Float[Array, "out hidden"]]:
        """$W - I$, $U$ and $V$."""
        leak = jnp.eye(self.hidden_size, dtype=self.recurrent_weights.dtype)
        return self.recurrent_weights - leak, self.input_weights, self.output_weights

    def init_state(self) -> Float[Array, " hidden"]:
        return jnp.zeros(self.hidden_size, self.recurrent_weights.dtype)

    def step(
        self, state: Float[Array, " hidden"], x: Float[Array, " in"]
    ) -> tuple[Float[Array, " hidden"], Float[Array, " out"]]:
        state = self._over_a_step() @ state + self.dt**0.5 * (self.input_weights @ x)
        return state, self.output_weights @ state

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        over_a_step = self._over_a_step()

        def advance(state: Array, drive: Array) -> tuple[Array, Array]:
            state = over_a_step @ state + drive
            return state, state

        drives = self.dt**0.5 * linear_map(xs, self.input_weights)
        final, states = jax.lax.scan(advance, self.init_state() if state is None else state, drives)
        return linear_map(states, self.output_weights), final

    @eqx.filter_jit
    def impulse_response(self, num_steps: int) -> Float[Array, "lag out in"]:
        r"""The maps $\sqrt\Delta\, V e^{(W - I) k \Delta} U$ for the lags $k = 0, \dots, T - 1$."""
        over_a_step = self._over_a_step()
        start = self.dt**0.5 * self.input_weights
        sides = jax.lax.scan(lambda side, _: (over_a_step @ side, side), start, length=num_steps)[1]
        return self.output_weights @ sides

    def _over_a_step(self) -> Array:
        return jax.scipy.linalg.expm(self.dt * self.state_space()[0])
