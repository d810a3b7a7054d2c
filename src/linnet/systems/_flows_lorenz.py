"""Lorenz's systems of convection and of the atmosphere, and the family of three-dimensional flows around them."""

import jax.numpy as jnp

from ._equations import flow


@flow("Lorenz")
def lorenz(t, u, sigma, rho, beta):
    x, y, z = u
    return sigma * (y - x), x * (rho - z) - y, x * y - beta * z


@flow("LorenzBounded")
def lorenz_bounded(t, u, sigma, rho, beta, r):
    """Lorenz's flow times a factor that vanishes on the sphere of radius r, so that no orbit leaves it."""
    inside = 1 - jnp.sum(u**2) / r**2
    return tuple(inside * rate for rate in lorenz(t, u, sigma, rho, beta))


@flow("LorenzCoupled")
def lorenz_coupled(t, u, sigma, rho, rho1, rho2, beta, eps):
    """One Lorenz system drives the first coordinate of another; `rho` is a name of the field's and without effect."""
    x, y, z = lorenz(t, u[3:], sigma, rho2, beta)
    return *lorenz(t, u[:3], sigma, rho1, beta), x + eps * (u[0] - u[3]), y, z


@flow("Lorenz96")
def lorenz96(t, u, f):
    """Any number of sites on a ring, at least four: it is the length of the state."""
    return (jnp.roll(u, -1) - jnp.roll(u, 2)) * jnp.roll(u, 1) - u + f


@flow("Lorenz84", "Hadley")
def lorenz84(t, u, a, b, f, g):
    x, y, z = u
    return a * (f - x) - y**2 - z**2, x * y - b * x * z - y + g, b * x * y + x * z - z


@flow("RayleighBenard")
def rayleigh_benard(t, u, a, b, r):
    x, y, z = u
    return a * (y - x), r * y - x * z, x * y - b * z


@flow("VallisElNino")
def vallis_el_nino(t, u, b, c, p):
    x, y, z = u
    return b * y - c * (x + p), x * z - y, 1 - z - x * y


@flow("Chen")
def chen(t, u, a, b, c):
    x, y, z = u
    return a * (y - x), (c - a - z) * x + c * y, x * y - b * z


@flow("LuChen")
def lu_chen(t, u, a, b, c):
    x, y, z = u
    return a * (y - x), c * y - x * z, x * y - b * z


@flow("LuChenCheng")
def lu_chen_cheng(t, u, a, b, c):
    x, y, z = u
    return c - a * b / (a + b) * x - y * z, a * y + x * z, b * z + x * y


@flow("QiChen")
def qi_chen(t, u, a, b, c):
    x, y, z = u
    return a * (y - x) + y * z, (c - z) * x + y, x * y - b * z


@flow("ZhouChen")
def zhou_chen(t, u, a, b, c, d, e):
    x, y, z = u
    return a * x + (b + z) * y, c * y + (d * y - x) * z, e * z - x * y


@flow("ChenLee")
def chen_lee(t, u, a, b, c):
    x, y, z = u
    return a * x - y * z, b * y + x * z, c * z + x * y / 3


@flow("WangSun")
def wang_sun(t, u, a, b, d, e, f, q):
    x, y, z = u
    return a * x + q * y * z, (b - z) * x + d * y, e * z + f * x * y


@flow("BurkeShaw")
def burke_shaw(t, u, e, n):
    x, y, z = u
    return -n * (x + y), y - n * x * z, n * x * y + e


@flow("ShimizuMorioka")
def shimizu_morioka(t, u, a, b):
    x, y, z = u
    return y, (1 - z) * x - a * y, x**2 - b * z


@flow("Rucklidge")
def rucklidge(t, u, a, b):
    x, y, z = u
    return (b - z) * y - a * x, x, y**2 - z


@flow("Sakarya", "LiuChen")
def four_wings(t, u, a, b, c, h, p, q, r, s):
    x, y, z = u
    return a * x + (h + s * z) * y, (q * z - p) * x - b * y, c * z - r * x * y


@flow("Dadras")
def dadras(t, u, c, e, o, p, r):
    x, y, z = u
    return (1 + o * z) * y - p * x, r * y + (1 - x) * z, c * x * y - e * z


@flow("PehlivanWei")
def pehlivan_wei(t, u):
    x, y, z = u
    return y * (1 - z), y * (1 + z) - 2 * x, 2 - y * (x + y)


@flow("DequanLi", "PanXuZhou", "Tsucs2")
def three_scrolls(t, u, a, c, d, eps, f, k):
    x, y, z = u
    return a * (y - x) + d * x * z, (k - z) * x + f * y, c * z + x * y - eps * x**2


@flow("YuWang")
def yu_wang(t, u, a, b, c, d):
    x, y, z = u
    return a * (y - x), (b - c * z) * x, jnp.exp(x * y) - d * z


@flow("YuWang2")
def yu_wang2(t, u, a, b, c, d):
    x, y, z = u
    return a * (y - x), (b - c * z) * x, jnp.cosh(x * y) - d * z


@flow("SanUmSrisuchinwong")
def san_um_srisuchinwong(t, u, a):
    x, y, z = u
    return y - x, -z * jnp.tanh(x), x * y + jnp.abs(y) - a


@flow("Laser")
def laser(t, u, a, b, c, d, h, k):
    x, y, z = u
    return a * (y - x) + b * y * z**2, x * (c + d * z**2), h * z + k * x**2


@flow("Finance")
def finance(t, u, a, b, c):
    x, y, z = u
    return (1 / b - a + y) * x + z, -b * y - x**2, -x - c * z


@flow("Bouali", "Bouali2")
def bouali(t, u, a, b, bb, c, g, m, y0):
    x, y, z = u
    return a * x * (y0 - y) - b * z, g * y * (x**2 - 1), m * x * (bb * z - 1.5) - c * z


@flow("AtmosphericRegime")
def atmospheric_regime(t, u, alpha, beta, mu1, mu2, omega, sigma):
    x, y, z = u
    turn = omega + alpha * y + beta * z
    return (mu1 + sigma * y) * x, mu2 * y + turn * z - sigma * x**2, mu2 * z - turn * y
