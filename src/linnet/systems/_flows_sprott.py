"""Sprott's algebraically simple flows: the cases A to S of 1994, and three later ones."""

import jax.numpy as jnp

from ._equations import flow


@flow("SprottA")
def sprott_a(t, u):
    x, y, z = u
    return y, y * z - x, 1 - y**2


@flow("SprottB")
def sprott_b(t, u):
    x, y, z = u
    return y * z, x - y, 1 - x * y


@flow("SprottC")
def sprott_c(t, u):
    x, y, z = u
    return y * z, x - y, 1 - x**2


@flow("SprottD")
def sprott_d(t, u):
    x, y, z = u
    return -y, x + z, x * z + 3 * y**2


@flow("SprottE")
def sprott_e(t, u):
    x, y, z = u
    return y * z, x**2 - y, 1 - 4 * x


@flow("SprottF")
def sprott_f(t, u, a):
    x, y, z = u
    return y + z, a * y - x, x**2 - z


@flow("SprottG")
def sprott_g(t, u, a):
    x, y, z = u
    return a * x + z, x * z - y, y - x


@flow("SprottH")
def sprott_h(t, u, a):
    x, y, z = u
    return z**2 - y, x + a * y, x - z


@flow("SprottI")
def sprott_i(t, u, a):
    x, y, z = u
    return -a * y, x + z, x + y**2 - z


@flow("SprottJ")
def sprott_j(t, u):
    x, y, z = u
    return 2 * z, z - 2 * y, y + y**2 - x


@flow("SprottK")
def sprott_k(t, u, a):
    x, y, z = u
    return x * y - z, x - y, x + a * z


@flow("SprottL")
def sprott_l(t, u, a, b):
    x, y, z = u
    return y + b * z, a * x**2 - y, 1 - x


@flow("SprottM")
def sprott_m(t, u, a):
    x, y, z = u
    return -z, -(x**2) - y, a * (1 + x) + y


@flow("SprottN")
def sprott_n(t, u):
    x, y, z = u
    return -2 * y, x + z**2, 1 + y - 2 * z


@flow("SprottO")
def sprott_o(t, u, a):
    x, y, z = u
    return y, x - z, x * (1 + z) + a * y


@flow("SprottP")
def sprott_p(t, u, a):
    x, y, z = u
    return a * y + z, y**2 - x, x + y


@flow("SprottQ")
def sprott_q(t, u, a, b):
    x, y, z = u
    return -z, x - y, a * x + y**2 + b * z


@flow("SprottR")
def sprott_r(t, u, a, b):
    x, y, z = u
    return a - y, b + z, x * y - z


@flow("SprottS")
def sprott_s(t, u):
    x, y, z = u
    return -x - 4 * y, x + z**2, 1 + x


@flow("SprottJerk")
def sprott_jerk(t, u, mu):
    x, y, z = u
    return y, z, y**2 - mu * z - x


@flow("SprottTorus")
def sprott_torus(t, u):
    x, y, z = u
    return y + x * (2 * y + z), 1 - 2 * x**2 + y * z, x - x**2 - y**2


@flow("SprottMore")
def sprott_more(t, u):
    x, y, z = u
    return y, -x - jnp.sign(z) * y, y**2 - jnp.exp(-(x**2))
