"""A recurrent network that does not tell the width of its input."""

import jax.numpy as jnp

from linnet.nn import AbstractRecurrent, run_steps


class OfUnknownInputs(AbstractRecurrent):
    """Two units that halve at every step and add the mean of the input."""

    def init_state(self):
        return jnp.zeros(2)

    def step(self, state, x):
        state = 0.5 * state + jnp.mean(x)
        return state, state

    def __call__(self, xs, state=None):
        return run_steps(self, xs, state)
