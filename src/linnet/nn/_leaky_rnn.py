"""The nonlinear recurrent network whose units leak, each with a timescale of its own that is learned."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._network import AbstractRecurrent, check_sizes, float_dtype


@cite("khajehabdollahi2024emergent")
class LeakyRNN(AbstractRecurrent):
    r"""$h_{t+1} = \phi\big((1 - 1/\tau) \odot h_t + (W_h h_t + W_x x_t + b) / \tau\big)$, $y_t = W_y h_{t+1} + c$.

    Each unit $i$ forgets its own past within $\tau_i$ steps, and $\tau$ is learned with the weights. No unit is
    connected to itself: the diagonal of $W_h$ is left out, so that $\tau_i$ is all the memory that a unit has without
    the others. $\tau_i$ is the parameter `raw_timescales` where this is above 1, else 1, a unit without memory; a
    parameter below 1 has no gradient, and comes back only by the momentum of a rule. All of this is as Khajehabdollahi
    et al. have it; their two biases in a unit are one here.

    Args:
        sizes: `(in, hidden, out)`.
        activation: $\phi$, a leaf of the network's tree; by default $\max(z, 0.01 z)$.
        shortest: the first $\tau$ are uniform between this ...
        longest: ... and this.
        dtype: of the parameters; by default JAX's.
        key: randomness of the weights and biases, uniform within $\pm 1 / \sqrt{\text{fan-in}}$.

    Raises:
        ValueError: if sizes are not three positive integers, or the first timescales not 1 or longer and in order.
    """

    input_weights: Float[Array, "hidden in"]
    recurrent_weights: Float[Array, "hidden hidden"]
    output_weights: Float[Array, "out hidden"]
    hidden_bias: Float[Array, " hidden"]
    output_bias: Float[Array, " out"]
    raw_timescales: Float[Array, " hidden"]
    activation: Callable

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Callable = jax.nn.leaky_relu,
        *,
        shortest: float = 1.0,
        longest: float = 2.0,
        dtype: Any = None,
        key: PRNGKey,
    ) -> None:
        (num_in, hidden, num_out), dtype = check_sizes("LeakyRNN", sizes, 3), float_dtype(dtype)
        if not 1 <= shortest <= longest < math.inf:
            raise ValueError(f"LeakyRNN needs 1 <= shortest <= longest, got {shortest} and {longest}.")
        shapes = [(hidden, num_in), (hidden, hidden), (num_out, hidden), (hidden,), (hidden,), (num_out,), (hidden,)]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        # One draw for all: to compile one is what takes time.
        parts = jnp.split(jr.uniform(key, (int(ends[-1]),), dtype, -1.0, 1.0), ends[:-1].tolist())
        w_in, w_hidden, w_out, own, entering, last, times = (
            part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)
        )
        self.input_weights = w_in / num_in**0.5
        self.recurrent_weights = w_hidden / hidden**0.5
        self.output_weights = w_out / hidden**0.5
        self.hidden_bias = own / hidden**0.5 + entering / num_in**0.5
        self.output_bias = last / hidden**0.5
        self.raw_timescales = shortest + (longest - shortest) * (times + 1) / 2
        self.activation = activation

    @property
    def in_size(self) -> int:
        """The number of inputs."""
        return self.input_weights.shape[1]

    @property
    def hidden_size(self) -> int:
        """The number of hidden units."""
        return self.recurrent_weights.shape[0]

    @property
    def unit_timescales(self) -> Float[Array, " hidden"]:
        r"""$\tau$, at least 1."""
        return jnp.maximum(self.raw_timescales, 1)

    def init_state(self) -> Float[Array, " hidden"]:
        return jnp.zeros(self.hidden_size, self.recurrent_weights.dtype)

    def step(
        self, state: Float[Array, " hidden"], x: Float[Array, " in"]
    ) -> tuple[Float[Array, " hidden"], Float[Array, " out"]]:
        state = self._advance(self.transition(), state, self.drive(x))
        return state, self.read(state)

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step out"], Any]:
        transition = self.transition()

        def advance(state: Array, drive: Array) -> tuple[Array, Array]:
            state = self._advance(transition, state, drive)
            return state, state

        # What does not depend on the state is one product over all steps, outside the loop.
        final, states = jax.lax.scan(advance, self.init_state() if state is None else state, self.drive(xs))
        return self.read(states), final

    def transition(self) -> Float[Array, "hidden hidden"]:
        r"""Leak and connections as one matrix: $1 - 1 / \tau_i$ on the diagonal, $W_{ij} / \tau_i$ elsewhere."""
        rates = 1 / self.unit_timescales[:, None]
        return jnp.where(jnp.eye(self.hidden_size, dtype=bool), 1 - rates, self.recurrent_weights * rates)

    def drive(self, x: Float[Array, "*step in"]) -> Float[Array, "*step hidden"]:
        r"""What inputs and biases add to each unit, $(W_x x + b) / \tau$."""
        return (x @ self.input_weights.T + self.hidden_bias) / self.unit_timescales

    def read(self, state: Float[Array, "*step hidden"]) -> Float[Array, "*step out"]:
        """The output of a state, $W_y h + c$."""
        return state @ self.output_weights.T + self.output_bias

    def _advance(
        self, transition: Float[Array, "hidden hidden"], state: Float[Array, " hidden"], drive: Float[Array, " hidden"]
    ) -> Float[Array, " hidden"]:
        return self.activation(transition @ state + drive)
