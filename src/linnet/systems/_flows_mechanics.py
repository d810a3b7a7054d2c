"""Pendula, rotors, celestial mechanics and thermostats, most of them conservative."""

import jax.numpy as jnp

from ._equations import flow


@flow("DoublePendulum")
def double_pendulum(t, u, g, l1, l2, m1, m2):
    r"""Hamilton's equations of $H = (m_2 l_2^2 p_1^2 + (m_1 + m_2) l_1^2 p_2^2 - 2 m_2 l_1 l_2 p_1 p_2 \cos\delta) /
    (2 m_2 l_1^2 l_2^2 (m_1 + m_2 \sin^2\delta)) - (m_1 + m_2) g l_1 \cos\theta_1 - m_2 g l_2 \cos\theta_2$."""
    theta1, theta2, p1, p2 = u
    cos, sin = jnp.cos(theta1 - theta2), jnp.sin(theta1 - theta2)
    mass = m1 + m2 * sin**2
    kinetic = m2 * l2**2 * p1**2 + (m1 + m2) * l1**2 * p2**2 - 2 * m2 * l1 * l2 * p1 * p2 * cos
    # The derivative of the kinetic energy with respect to the difference of the angles.
    torque = p1 * p2 * sin / (l1 * l2 * mass) - kinetic * cos * sin / (l1**2 * l2**2 * mass**2)
    return (
        (l2 * p1 - l1 * p2 * cos) / (l1**2 * l2 * mass),
        ((m1 + m2) * l1 * p2 - m2 * l2 * p1 * cos) / (m2 * l1 * l2**2 * mass),
        -(m1 + m2) * g * l1 * jnp.sin(theta1) - torque,
        -m2 * g * l2 * jnp.sin(theta2) + torque,
    )


@flow("SwingingAtwood")
def swinging_atwood(t, u, m1, m2):
    r, theta, pr, ptheta = u
    g = 9.82
    return (
        pr / (m1 + m2),
        ptheta / (m1 * r**2),
        ptheta**2 / (m1 * r**3) + g * (m1 * jnp.cos(theta) - m2),
        -m1 * g * r * jnp.sin(theta),
    )


@flow("HenonHeiles")
def henon_heiles(t, u, lam):
    x, y, px, py = u
    return px, py, -x - 2 * lam * x * y, -y + lam * (y**2 - x**2)


@flow("NuclearQuadrupole")
def nuclear_quadrupole(t, u, a, b, d):
    q1, q2, p1, p2 = u
    radial = a + d * (q1**2 + q2**2)
    cubic = 3 / jnp.sqrt(2.0).astype(u.dtype) * b
    return a * p1, a * p2, cubic * (q1**2 - q2**2) - radial * q1, -2 * cubic * q1 * q2 - radial * q2


@flow("ArnoldWeb")
def arnold_web(t, u, mu, w):
    p1, p2, x1, x2, phase = u
    weight = mu / (4 + jnp.cos(phase) + jnp.cos(x1) + jnp.cos(x2)) ** 2
    return -weight * jnp.sin(x1), -weight * jnp.sin(x2), p1, p2, w


@flow("NoseHoover")
def nose_hoover(t, u, a):
    x, y, z = u
    return y, y * z - x, a - y**2


@flow("RikitakeDynamo")
def rikitake_dynamo(t, u, a, mu):
    x, y, z = u
    return y * z - mu * x, (z - a) * x - mu * y, 1 - x * y


@flow("NewtonLiepnik")
def newton_liepnik(t, u, a, b):
    x, y, z = u
    return -a * x + y + 10 * y * z, -x - 0.4 * y + 5 * x * z, b * z - 5 * x * y


@flow("FluidTrampoline")
def fluid_trampoline(t, u, gamma, psi, w):
    x, v, phase = u
    contact = jnp.where(x < 0, x + psi * v * jnp.abs(v), 0.0)
    return v, gamma * jnp.cos(phase) - 1 - contact, w


@flow("WindmiReduced")
def windmi_reduced(t, u, a1, b1, b2, b3, d1, vsw):
    """The solar wind drives the magnetosphere: current, voltage and pressure.

    The voltage has half the pressure, as in the field's collections; a model with the root of the pressure in its place
    settles on a fixed point at these parameters.
    """
    current, voltage, pressure = u
    unloading = (1 + jnp.tanh(d1 * (current - 1))) / 2
    return (
        a1 * (vsw - voltage),
        b1 * current - b2 * pressure / 2 - b3 * voltage,
        vsw**2 - pressure**1.25 * jnp.sqrt(vsw) * unloading,
    )
