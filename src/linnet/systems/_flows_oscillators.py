"""Oscillators, jerk equations and electronic circuits."""

import jax.numpy as jnp

from ._equations import flow


def _step(x):
    """Heaviside's step, 0 at 0."""
    return jnp.where(x > 0, 1.0, 0.0)


def _saturated(x):
    """The identity within [-1, 1], constant outside."""
    return (jnp.abs(x + 1) - jnp.abs(x - 1)) / 2


@flow("Rossler")
def rossler(t, u, a, b, c):
    x, y, z = u
    return -y - z, x + a * y, b + z * (x - c)


@flow("Thomas", "ThomasLabyrinth")
def thomas(t, u, a, b):
    return b * jnp.sin(jnp.roll(u, -1)) - a * u


@flow("Halvorsen")
def halvorsen(t, u, a, b):
    following = jnp.roll(u, -1)
    return -a * u - b * (following + jnp.roll(u, -2)) - following**2


@flow("Aizawa")
def aizawa(t, u, a, b, c, d, e, f):
    x, y, z = u
    radius = x**2 + y**2
    return (z - b) * x - d * y, d * x + (z - b) * y, c + a * z - z**3 / 3 - radius * (1 + e * z) + f * z * x**3


@flow("GuckenheimerHolmes")
def guckenheimer_holmes(t, u, a, b, c, d, e, f):
    x, y, z = u
    radius = x**2 + y**2
    return (a + c * z) * x - b * y + d * z * radius, (a + c * z) * y + b * x, e - z**2 - f * radius - a * z**3


@flow("RabinovichFabrikant")
def rabinovich_fabrikant(t, u, a, g):
    x, y, z = u
    return y * (z - 1 + x**2) + g * x, x * (3 * z + 1 - x**2) + g * y, -2 * z * (a + x * y)


@flow("AnishchenkoAstakhov")
def anishchenko_astakhov(t, u, eta, mu):
    x, y, z = u
    return mu * x + y - x * z, -x, eta * (_step(x) * x**2 - z)


@flow("Arneodo", "Coullet")
def arneodo(t, u, a, b, c, d):
    x, y, z = u
    return y, z, d * x**3 - a * x - b * y - c * z


@flow("GenesioTesi")
def genesio_tesi(t, u, a, b, c):
    x, y, z = u
    return y, z, x**2 - c * x - b * y - a * z


@flow("MooreSpiegel")
def moore_spiegel(t, u, a, b, eps):
    x, y, z = u
    return y, a * z, (eps - x**2) * y - b * x - z


@flow("JerkCircuit")
def jerk_circuit(t, u, eps, y0):
    x, y, z = u
    return y, z, -z - x - eps * jnp.expm1(y / y0)


@flow("Duffing")
def duffing(t, u, alpha, beta, delta, gamma, omega):
    x, y, phase = u
    return y, gamma * jnp.cos(phase) - delta * y - beta * x - alpha * x**3, omega


@flow("ForcedVanDerPol")
def forced_van_der_pol(t, u, a, mu, w):
    x, y, phase = u
    return y, mu * (1 - x**2) * y - x + a * jnp.sin(phase), w


@flow("Chua")
def chua(t, u, alpha, beta, m0, m1):
    x, y, z = u
    current = m1 * x + (m0 - m1) * _saturated(x)
    return alpha * (y - x - current), x - y + z, -beta * y


@flow("MultiChua")
def multi_chua(t, u, a, b, c, m):
    x, y, z = u
    # Each pair of break points adds a ramp between them; the first entry of `c` is a place holder of the paper's.
    ramps = (jnp.abs(x + c[1:]) - jnp.abs(x - c[1:])) / 2
    current = m[-1] * x + jnp.sum((m[:-1] - m[1:]) * ramps)
    return a * (y - current), x - y + z, -b * y


@flow("Colpitts")
def colpitts(t, u, a, b, c, d, e):
    x, y, z = u
    drop = z - e + 1
    return y + a * jnp.minimum(drop, 0.0), c - x - b * y - z, y - d * z


@flow("CellularNeuralNetwork")
def cellular_neural_network(t, u, a, b, c, d):
    x, y, z = u
    f, g, h = _saturated(u)
    return d * f - b * (g + h) - x, c * g - b * f - a * h - y, h + a * g - b * f - z


@flow("StickSlipOscillator")
def stick_slip_oscillator(t, u, a, alpha, b, beta, eps, gamma, t0, vs, w):
    x, v, phase = u
    friction = t0 * jnp.sign(v - vs) - alpha * v + beta * (v - vs) ** 3
    return v, eps * (gamma * jnp.cos(phase) - friction) + a * x - b * x**3, w


@flow("Torus")
def torus(t, u, a, n, r):
    """A curve wound around a torus, as a function of time alone: quasi-periodic, a control without chaos."""
    radius, rate, height = r + a * jnp.cos(n * t), -a * n * jnp.sin(n * t), a * n * jnp.cos(n * t)
    return rate * jnp.cos(t) - radius * jnp.sin(t), rate * jnp.sin(t) + radius * jnp.cos(t), height
