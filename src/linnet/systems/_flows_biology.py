"""Populations, neurons, cells and chemical reactions."""

import jax
import jax.numpy as jnp

from ._equations import flow

# --- populations ----------------------------------------------------------------------------------------------------


@flow("Blasius")
def blasius(t, u, a, alpha1, alpha2, b, c, k1, k2, zs):
    x, y, z = u
    grazed, hunted = alpha1 * x * y / (1 + k1 * x), alpha2 * y * z / (1 + k2 * y)
    return a * x - grazed, grazed - hunted - b * y, hunted - c * (z - zs)


@flow("HastingsPowell")
def hastings_powell(t, u, a1, a2, b1, b2, d1, d2):
    x, y, z = u
    grazed, hunted = a1 * x * y / (1 + b1 * x), a2 * y * z / (1 + b2 * y)
    return x * (1 - x) - grazed, grazed - hunted - d1 * y, hunted - d2 * z


@flow("SaltonSea")
def salton_sea(t, u, a, d, k, lam, m, mu, r, th):
    x, y, z = u
    infected, eaten = lam * x * y, y * z / (y + a)
    return r * x * (1 - (x + y) / k) - infected, infected - m * eaten - mu * y, th * eaten - d * z


@flow("TurchinHanski")
def turchin_hanski(t, u, a, d, e, g, h, lamb, r, s):
    prey, predator, phase = u
    season = 1 - e * jnp.sin(phase)
    generalists, specialists = g * prey**2 / (prey**2 + h**2), a * prey * predator / (prey + d)
    return (
        r * prey * (season - prey) - generalists - specialists,
        s * predator * (season - predator / prey),
        2 * jnp.pi * lamb,
    )


@flow("CoevolvingPredatorPrey")
def coevolving_predator_prey(t, u, a1, a2, a3, b1, b2, d1, d2, delta, k1, k2, k4, vv):
    x, y, trait = u
    eaten, grown, late = x / (1 + b2 * x), a1 * trait / (1 + b1 * trait), trait * delta
    deaths = d1 * (1 - k2 * (late**2 - trait**2) + k4 * (late**4 - trait**4))
    return (
        x * (grown * (1 - k1 * x * (late - trait)) - deaths) - a3 * y * eaten,
        y * (a2 * eaten - d2),
        vv * delta * (d1 * (2 * k2 * late - 4 * k4 * late**3) - grown * k1 * x),
    )


@flow("MacArthur")
def mac_arthur(t, u, c, d, k, m, r, s):
    """Five species and five resources; each species grows by its scarcest resource (the least of five fractions)."""
    species, resources = jnp.split(u, 2)
    growth = jnp.min(r * resources / (k.T + resources), axis=1)
    return jnp.concatenate([species * (growth - m), d * (s - resources) - c @ (growth * species)])


@flow("ItikBanksTumor")
def itik_banks_tumor(t, u, a12, a13, a21, a31, d3, k3, r2, r3):
    x, y, z = u
    return (
        x * (1 - x - a12 * y - a13 * z),
        y * (r2 * (1 - y) - a21 * x),
        z * (r3 * x / (x + k3) - a31 * x - d3),
    )


# --- neurons --------------------------------------------------------------------------------------------------------


@flow("HindmarshRose")
def hindmarsh_rose(t, u, a, b, c, d, s, tx, tz):
    x, y, z = u
    return (
        (y + z - a * x**3 + b * x**2) / tx - x,
        z - a * x**3 - (d - b) * x**2,
        (c - s * x - z) / tz,
    )


@flow("ForcedFitzHughNagumo")
def forced_fitz_hugh_nagumo(t, u, a, b, curr, f, gamma, omega):
    v, w, phase = u
    return v - v**3 / 3 - w + curr + f * jnp.sin(phase), gamma * (v + a - b * w), omega


@flow("ExcitableCell")
def excitable_cell(t, u, aho, ahr, ahs, ams, amvb, amvo, ans, anvb, anvo, ar, bho, bhr, bmo, bmr, bms, bno, bnr, bns,
                   gi, gkc, gkv, gl, kc, rho, tscl, vc, vi, vk, vl, vm, vn):  # fmt: skip
    """Chay's model: voltage, potassium gate and calcium; the gates of the mixed channel are at rest."""
    v, n, calcium = u

    def opening(scale, shift, offset):
        # (shift + v) / (1 - exp(-x)) with x = ar v + offset vanishing at v = -shift: finite there, by its limit.
        x = ar * v + offset
        near = jnp.abs(x) < 1e-6
        safe = jnp.where(near, 1.0, x)
        return scale / ar * jnp.where(near, 1 + x / 2, safe / -jnp.expm1(-safe)) + scale * (shift - offset / ar) / (
            -jnp.expm1(-safe)
        )

    open_m, close_m = opening(ams, amvb, amvo), bms * jnp.exp(-bmr * v - bmo)
    open_h, close_h = ahs * jnp.exp(-ahr * v - aho), jax.nn.sigmoid(bhr * v + bho)
    open_n, close_n = opening(ans, anvb, anvo), bns * jnp.exp(-bnr * v - bno)
    mixed = (open_m / (open_m + close_m)) ** 3 * open_h / (open_h + close_h)
    bound = calcium / (1 + calcium)
    return (
        gi * mixed * (vi - v) + (gkv * n**4 + gkc * bound) * (vk - v) + gl * (vl - v),
        tscl * (open_n - (open_n + close_n) * n),
        rho * (mixed * (vc - v) - kc * calcium),
    )


@flow("BeerRNN")
def beer_rnn(t, u, tau, theta, w):
    return (w @ jax.nn.sigmoid(u + theta) - u) / tau


@flow("Hopfield")
def hopfield(t, u, beta, eps, k, tau):
    return (1 + jnp.tanh(eps * (k @ u))) / 2 - u / tau - beta


# --- cells ----------------------------------------------------------------------------------------------------------


def _hill(x, threshold, power):
    """Hill's saturation."""
    return x**power / (threshold**power + x**power)


@flow("CaTwoPlus", "CaTwoPlusQuasiperiodic")
def calcium(t, u, K2, K5, Ka, Kd, Ky, Kz, V0, V1, V4, Vm2, Vm3, Vm5, beta, eps, k, kf, m, n, p):
    """Calcium of the cytosol, of the store, and inositol trisphosphate."""
    z, y, a = u
    pumped = Vm2 * _hill(z, K2, 2)
    released = Vm3 * _hill(z, Kz, m) * _hill(y, Ky, 2) * _hill(a, Ka, 4) + kf * y
    broken = Vm5 * _hill(a, K5, p) * _hill(z, Kd, n)
    return V0 + V1 * beta - pumped + released - k * z, pumped - released, beta * V4 - broken - eps * a


@flow("CellCycle")
def cell_cycle(t, u, K, Kc, Kd1, Kim, V2, V4, Vm1, Vm3, kd1, vd, vi):
    """Two mitotic oscillators (cyclin, kinase, protease) that slow each other's cyclin."""
    cyclin, kinase, protease = jnp.reshape(u, (2, 3)).T
    activated = Vm1 * cyclin / (Kc + cyclin)
    rates = (
        vi * Kim / (Kim + kinase[::-1]) - vd * protease * cyclin / (Kd1 + cyclin) - kd1 * cyclin,
        activated * (1 - kinase) / (K + 1 - kinase) - V2 * kinase / (K + kinase),
        Vm3 * kinase * (1 - protease) / (K + 1 - protease) - V4 * protease / (K + protease),
    )
    return jnp.stack(rates, axis=1).reshape(-1)


@flow("CircadianRhythm")
def circadian_rhythm(t, u, Ki, k, k1, k2, kd, kdn, km, ks, n, ps, vc, vd, vdn, vm, vmax, vmin):
    messenger, fresh, marked, nuclear, phase = u
    light = vc * ((1 + jnp.cos(phase)) / 2 + vmin) * (vmax - vmin)
    entering = k1 * fresh - k2 * nuclear
    return (
        light * Ki**n / (Ki**n + nuclear**n) - vm * messenger / (km + messenger),
        ks * messenger - entering - k * fresh,
        k * fresh - vd * marked / (kd + marked),
        entering - vdn * nuclear / (kdn + nuclear),
        2 * jnp.pi / ps,
    )


# --- reactions ------------------------------------------------------------------------------------------------------


@flow("GlycolyticOscillation")
def glycolytic_oscillation(t, u, d, k, l1, l2, nu, q1, q2, s1, s2):
    a, b, c = u
    first = s1 * a * (1 + a) * (1 + b) ** 2 / (l1 + (1 + a) ** 2 * (1 + b) ** 2)
    active, bound = (1 + d * b) ** 2 * (1 + c) ** 2, b * (1 + d * b) * (1 + c) ** 2
    second = s2 * bound / (l2 + active)
    return nu - first, q1 * first - second, q2 * second - k * c


@flow("ForcedBrusselator")
def forced_brusselator(t, u, a, b, f, w):
    x, y, phase = u
    return a + x**2 * y - (b + 1) * x + f * jnp.cos(phase), b * x - x**2 * y, w


@flow("KawczynskiStrizhak")
def kawczynski_strizhak(t, u, beta, gamma, kappa, mu):
    x, y, z = u
    return gamma * (y - x**3 + 3 * mu * x), beta - 2 * mu * x - y - z, kappa * (x - z)


@flow("IsothermalChemical")
def isothermal_chemical(t, u, delta, kappa, mu, sigma):
    a, b, c = u
    reaction = a * (1 + b**2)
    return mu * (kappa + c) - reaction, (reaction - b) / sigma, (b - c) / delta


@flow("BelousovZhabotinsky")
def belousov_zhabotinsky(t, u, c1, c10, c11, c12, c13, c2, c3, c4, c5, c6, c7, c8, c9, ci, kf, t0, y0, yb1, yb2, yb3,
                         z0):  # fmt: skip
    x, z, v = u
    bromide = yb1 / y0 * z * v / (yb2 * x + yb3 + kf)
    # A concentration is not negative; the root has no slope at zero, where its argument is replaced.
    x = jnp.maximum(x, 0.0)
    radical = (ci - z0 * z) * jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1.0)), 0.0)
    return (
        t0 * ((c1 * x + c2) * bromide + c3 * x**2 + c4 * radical + c5 * x * z - kf * x),
        t0 * (c6 / z0 * radical + z * (c7 * x + c8 * v + c9 - kf)),
        t0 * ((c10 * x + c11) * bromide + c12 * x**2 + c13 * z * v - kf * v),
    )
