"""Maps: the next state from this one."""

import jax.numpy as jnp

from ._equations import iterate

# --- one coordinate -------------------------------------------------------------------------------------------------


@iterate("Logistic")
def logistic(u, r):
    return r * u * (1 - u)


@iterate("Ricker")
def ricker(u, a):
    return u * jnp.exp(a - u)


@iterate("Tent")
def tent(u, mu):
    return mu * (1 - jnp.abs(2 * u - 1))


@iterate("Gauss")
def gauss(u, a, b):
    return jnp.exp(-a * u**2) + b


@iterate("Chebyshev")
def chebyshev(u, a):
    return jnp.cos(a * jnp.arccos(u))


@iterate("Circle")
def circle(u, k, omega):
    """The angle in turns, not wrapped."""
    return u + omega + k / (2 * jnp.pi) * jnp.sin(2 * jnp.pi * u)


@iterate("Cubic")
def cubic(u, a):
    return a * u * (1 - u**2)


@iterate("Sine")
def sine(u, r):
    return r * jnp.sin(jnp.pi * u)


@iterate("Cusp")
def cusp(u, a):
    return 1 - a * jnp.sqrt(jnp.abs(u))


# --- two coordinates ------------------------------------------------------------------------------------------------


@iterate("Henon")
def henon(u, a, b):
    x, y = u
    return 1 - a * x**2 + y, b * x


@iterate("Lozi")
def lozi(u, a, b):
    x, y = u
    return 1 - a * jnp.abs(x) + y, b * x


@iterate("Ikeda")
def ikeda(state, u):
    x, y = state
    angle = 0.4 - 6 / (1 + x**2 + y**2)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return 1 + u * (x * cos - y * sin), u * (x * sin + y * cos)


@iterate("Tinkerbell")
def tinkerbell(u, a, b, c, d):
    x, y = u
    return x**2 - y**2 + a * x + b * y, 2 * x * y + c * x + d * y


@iterate("DuffingMap")
def duffing_map(u, a, b):
    x, y = u
    return y, a * y - b * x - y**3


@iterate("MaynardSmith")
def maynard_smith(u, a, b):
    x, y = u
    return y, a * y + b - x**2


@iterate("Bogdanov")
def bogdanov(u, eps, k, mu):
    x, y = u
    following = (1 + eps) * y + k * x * (x - 1) + mu * x * y
    return x + following, following


@iterate("Gingerbreadman")
def gingerbreadman(u):
    x, y = u
    return 1 - y + jnp.abs(x), x


@iterate("GumowskiMira")
def gumowski_mira(u, a, b):
    def bend(x):
        return a * x + 2 * (1 - a) * x**2 / (1 + x**2)

    x, y = u
    following = b * y + bend(x)
    return following, bend(following) - x


@iterate("Hopalong")
def hopalong(u, a, b, c):
    """Martin's map in coordinates moved by one, as the field's collections have it."""
    x, y = u
    return y - 1 - jnp.sqrt(jnp.abs(b * x - 1 - c)) * jnp.sign(x - 1), a - x - 1


@iterate("DeJong")
def de_jong(u, a, b, c, d):
    x, y = u
    return jnp.sin(a * y) - jnp.cos(b * x), jnp.sin(c * x) - jnp.cos(d * y)


@iterate("Svensson")
def svensson(u, a, b, c, d):
    x, y = u
    return d * jnp.sin(a * x) - jnp.sin(b * y), c * jnp.cos(a * x) + jnp.cos(b * y)


@iterate("Pickover")
def pickover(u, a, b, c, d):
    x, y = u
    return jnp.sin(a * y) + c * jnp.cos(a * x), jnp.sin(b * x) + d * jnp.cos(b * y)


@iterate("Bedhead")
def bedhead(u, a, b):
    x, y = u
    return y * jnp.sin(x * y / b) + jnp.cos(a * x - y), x + jnp.sin(y) / b


@iterate("Burgers")
def burgers(u, a, b):
    x, y = u
    return (1 - a) * x - y**2, (1 + b + x) * y


@iterate("DelayedLogistic")
def delayed_logistic(u, a):
    x, y = u
    return a * x * (1 - y), x


@iterate("Chirikov")
def chirikov(u, k):
    """The standard map, neither coordinate wrapped."""
    momentum, angle = u
    kicked = momentum + k * jnp.sin(angle)
    return kicked, angle + kicked


@iterate("ArnoldCat")
def arnold_cat(u):
    """The cat map of the torus, with a modulus a hair below one (see `kaplan_yorke_map`)."""
    x, y = u
    return (x + y) % _ONE, (x + 2 * y) % _ONE


@iterate("Zaslavskii")
def zaslavskii(u, eps, nu, r):
    x, y = u
    mu = (1 - jnp.exp(-r)) / r
    kick = eps * jnp.cos(2 * jnp.pi * x)
    return (x + nu * (1 + mu * y) + nu * mu * kick) % 1.0, jnp.exp(-r) * (y + kick)


#: A modulus below one: doubling modulo exactly one shifts the bits of a floating number out until nothing is left.
_ONE = 0.99999995


@iterate("KaplanYorke")
def kaplan_yorke_map(u, alpha):
    x, y = u
    return (2 * x) % _ONE, alpha * y + jnp.cos(4 * jnp.pi * x)


@iterate("Baker")
def baker(u, a):
    """The baker's map, stretching by a hair less than two for the same reason."""
    x, y = u
    stretched = (2.0 - 1e-10) * x
    fold = jnp.floor(stretched)
    return stretched - fold, (a * y + fold) / 2
