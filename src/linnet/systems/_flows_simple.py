"""Simple chaotic flows whose exponents are published: driven oscillators, jerks, a labyrinth, four competitors."""

import jax.numpy as jnp

from ._equations import flow


@flow("DiffusionlessLorenz")
def diffusionless_lorenz(t, u, r):
    x, y, z = u
    return -x - y, -x * z, x * y + r


@flow("RosslerPrototype4")
def rossler_prototype4(t, u, a, b):
    x, y, z = u
    return -y - z, x, a * y * (1 - y) - b * z


@flow("UedaOscillator", "DrivenCubicOscillator")
def ueda_oscillator(t, u, a, b, omega):
    x, v, phase = u
    return v, a * jnp.sin(phase) - b * v - x**3, omega


@flow("DrivenPendulum")
def driven_pendulum(t, u, a, b, omega):
    x, v, phase = u
    return v, a * jnp.sin(phase) - b * v - jnp.sin(x), omega


@flow("PiecewiseJerk")
def piecewise_jerk(t, u, a):
    x, v, acceleration = u
    return v, acceleration, jnp.abs(x) - 1 - v - a * acceleration


@flow("LabyrinthChaos")
def labyrinth_chaos(t, u):
    return jnp.sin(jnp.roll(u, -1))


@flow("LotkaVolterra")
def lotka_volterra(t, u, growth, competition):
    return growth * u * (1 - competition @ u)
