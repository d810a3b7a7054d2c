"""Scalar equations with one delay: the derivative depends on the state now and on the state one delay ago."""

import jax.numpy as jnp

from ._equations import delay


@delay("MackeyGlass")
def mackey_glass(t, x, delayed, beta, gamma, n):
    return beta * delayed / (1 + delayed**n) - gamma * x


@delay("IkedaDelay", "SprottDelay")
def ikeda_delay(t, x, delayed, c, mu, x0):
    return mu * jnp.sin(delayed - x0) - c * x


@delay("VossDelay")
def voss_delay(t, x, delayed, alpha):
    return jnp.polyval(jnp.array([-10.44, -13.95, -3.63, 0.85], x.dtype), delayed) - alpha * x


@delay("ScrollDelay")
def scroll_delay(t, x, delayed, alpha, beta):
    return beta * jnp.tanh(10 * delayed) - alpha * delayed


@delay("PiecewiseCircuit")
def piecewise_circuit(t, x, delayed, alpha, beta, c):
    scaled = delayed / c
    return beta * (3 * scaled - scaled**3) - alpha * delayed
