"""Particles carried by a fluid: steady and driven two- and three-dimensional velocity fields."""

import jax.numpy as jnp

from ._equations import flow


def _switch(phase, tau):
    """A smooth square wave between 0 and 1 of period tau: which of two stirrers is on."""
    return (1 + jnp.tanh(20 * tau * jnp.sin(2 * jnp.pi * phase / tau))) / 2


@flow("DoubleGyre")
def double_gyre(t, u, alpha, eps, omega):
    x, y, phase = u
    tilt = eps * jnp.sin(phase)
    place, slope = tilt * x**2 + (1 - 2 * tilt) * x, 2 * tilt * x + 1 - 2 * tilt
    speed = alpha * jnp.pi
    return (
        -speed * jnp.sin(jnp.pi * place) * jnp.cos(jnp.pi * y),
        speed * jnp.cos(jnp.pi * place) * jnp.sin(jnp.pi * y) * slope,
        omega,
    )


@flow("OscillatingFlow")
def oscillating_flow(t, state, b, k, omega, u):
    x, y, phase = state
    place = k * (x + b * jnp.sin(phase))
    return u * jnp.cos(k * y) * jnp.sin(place), -u * jnp.sin(k * y) * jnp.cos(place), omega


@flow("BickleyJet")
def bickley_jet(t, state, ell, eps, k, omega, sigma, u):
    """A jet with three travelling waves; the coordinates are (across, along, phase)."""
    across, along, phase = state
    profile = u / jnp.cosh(across / ell) ** 2
    wave = k * (along - sigma * phase)
    return (
        ell * profile * jnp.sum(eps * k * jnp.sin(wave)),
        -profile * (1 + 2 * jnp.tanh(across / ell) * jnp.sum(eps * jnp.cos(wave))),
        omega,
    )


@flow("ArnoldBeltramiChildress")
def arnold_beltrami_childress(t, u, a, b, c):
    x, y, z = u
    return (
        a * jnp.sin(z) + c * jnp.cos(y),
        b * jnp.sin(x) + a * jnp.cos(z),
        c * jnp.sin(y) + b * jnp.cos(x),
    )


def _rotlet(r, theta, a, b, bc):
    """The radial and the angular velocity at (r, theta) in a disc of radius a, of a vortex at distance b.

    `bc` is 1 for a wall without slip, 0 for one without friction.
    """
    sin, cos = jnp.sin(theta), jnp.cos(theta)
    direct = r**2 + b**2 - 2 * b * r * cos
    image = a**2 + (b * r / a) ** 2 - 2 * b * r * cos
    pull = b**2 * r / a**2 - b * cos
    wall = bc * (1 - (r / a) ** 2) * (a**2 - (b * r / a) ** 2) / image**2
    radial = b * sin * (1 / direct - 1 / image - wall)
    shear = bc * r * (a**2 + b**2 - 2 * (b * r / a) ** 2) / (a**2 * image)
    return radial, wall * pull + shear + pull / image - (r - b * cos) / direct


@flow("BlinkingRotlet", "BlinkingVortex")
def blinking_vortex(t, u, a, b, bc, sigma, tau):
    """Two vortices in a disc take turns; the coordinates are polar, with the phase of the stirring."""
    r, theta, phase = u
    weight = _switch(phase, tau)
    radial1, angular1 = _rotlet(r, theta, a, b, bc)
    radial2, angular2 = _rotlet(r, theta, a, -b, bc)
    radial = weight * radial1 + (1 - weight) * radial2
    angular = weight * angular1 + (1 - weight) * angular2
    return sigma * radial, sigma * angular / r, 1.0


def _lid_mode(n, x, y, a, b):
    """The n-th mode of Stokes flow in a box of length a and height 2 b with moving lids, for unit speed."""
    k = n * jnp.pi / a
    scale = 2 / (2 * b * n * jnp.pi + a * jnp.sinh(2 * k * b))
    # Both velocities follow from one stream function, sin(k x) times this profile in y.
    profile = b * jnp.sinh(k * b) * jnp.cosh(k * y) - y * jnp.cosh(k * b) * jnp.sinh(k * y)
    slope = b * jnp.sinh(k * b) * k * jnp.sinh(k * y) - jnp.cosh(k * b) * (jnp.sinh(k * y) + y * k * jnp.cosh(k * y))
    return -a * scale * jnp.sin(k * x) * slope, a * scale * k * jnp.cos(k * x) * profile


@flow("LidDrivenCavityFlow")
def lid_driven_cavity(t, u, a, b, tau, u1, u2):
    """The first mode of the lids changes its sign twice a period, so that one half and then the other is stirred."""
    x, y, phase = u
    vx1, vy1 = _lid_mode(1, x, y, a, b)
    vx2, vy2 = _lid_mode(2, x, y, a, b)
    sign = 2 * _switch(phase, tau) - 1
    return sign * u1 * vx1 + u2 * vx2, sign * u1 * vy1 + u2 * vy2, 1.0


@flow("InteriorSquirmer")
def interior_squirmer(t, u, a, g, tau):
    """Flow in a disc whose wall pumps: its modes `a` and `g` take turns; the coordinates are polar."""
    r, theta, phase = u
    n = jnp.arange(1, a.shape[0] + 1)
    weight = _switch(phase, tau)
    a, g = weight * a, (1 - weight) * g
    sin, cos = jnp.sin(n * theta), jnp.cos(n * theta)
    radial = jnp.sum(n * r ** (n - 1) * (r**2 - 1) * (g * cos + a * sin))
    angular = jnp.sum(r**n * (2 * r + (r**2 - 1) * n / r) * (a * cos - g * sin))
    return radial, angular / r, 1.0
