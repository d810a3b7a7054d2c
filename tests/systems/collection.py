"""The same systems in dysts, an independent collection, and where linnet departs from it."""

import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that numba is missing
    import dysts.flows
    import dysts.maps

#: linnet's name: the name in dysts.
RENAMED = {"DuffingMap": "Duffing"}


def zaslavskii(state, eps, nu, r):
    """The dissipative twist map of Zaslavskii."""
    x, y = state
    mu, kick = (1 - np.exp(-r)) / r, np.cos(2 * np.pi * x)
    return (x + nu * (1 + mu * y) + eps * nu * mu * kick) % 1, np.exp(-r) * (y + eps * kick)


#: Systems that dysts does not have; their formulas are written again below, in NumPy.
OWN = {
    "ArnoldCat": lambda s: ((s[0] + s[1]) % 0.99999995, (s[0] + 2 * s[1]) % 0.99999995),
    "Burgers": lambda s, a, b: ((1 - a) * s[0] - s[1] ** 2, (1 + b + s[0]) * s[1]),
    "DiffusionlessLorenz": lambda s, r: (-s[1] - s[0], -s[0] * s[2], s[0] * s[1] + r),
    "RosslerPrototype4": lambda s, a, b: (-s[1] - s[2], s[0], a * (s[1] - s[1] ** 2) - b * s[2]),
    "UedaOscillator": lambda s, a, b, omega: (s[1], -b * s[1] - s[0] ** 3 + a * np.sin(s[2]), omega),
    "DrivenCubicOscillator": lambda s, a, b, omega: (s[1], -b * s[1] - s[0] ** 3 + a * np.sin(s[2]), omega),
    "DrivenPendulum": lambda s, a, b, omega: (s[1], -b * s[1] - np.sin(s[0]) + a * np.sin(s[2]), omega),
    "PiecewiseJerk": lambda s, a: (s[1], s[2], -a * s[2] - s[1] + abs(s[0]) - 1),
    "LabyrinthChaos": lambda s: (np.sin(s[1]), np.sin(s[2]), np.sin(s[0])),
    "LotkaVolterra": lambda s, growth, competition: [
        growth[i] * s[i] * (1 - sum(competition[i, j] * s[j] for j in range(4))) for i in range(4)
    ],
    "Cubic": lambda s, a: (a * s[0] - a * s[0] ** 3,),
    "Cusp": lambda s, a: (1 - a * abs(s[0]) ** 0.5,),
    "DelayedLogistic": lambda s, a: (a * s[0] * (1 - s[1]), s[0]),
    "Lozi": lambda s, a, b: (1 - a * abs(s[0]) + s[1], b * s[0]),
    "Sine": lambda s, r: (r * np.sin(np.pi * s[0]),),
    "Zaslavskii": zaslavskii,
}

#: Right-hand sides that are not those of dysts, with the reason; each has a test of its own.
DEPARTURES = {
    "DoublePendulum": "dysts's momenta do not conserve the energy of the angles' equations; linnet's do, to rounding",
}

#: Parameters that are not those of dysts: (those of linnet that give dysts's equation, the reason).
PARAMETERS = {
    "Lorenz": ({"beta": 2.667}, "8/3, as in the paper, not 2.667"),
    "MackeyGlass": ({"tau": 16.0}, "17: at 16 the attractor is periodic"),
    "ForcedVanDerPol": ({"w": 0.63}, "2 pi / 10, not rounded"),
}


def other(name, kind):
    """The system of dysts, or None."""
    found = getattr(dysts.maps if kind == "map" else dysts.flows, RENAMED.get(name, name), None)
    return found() if found is not None else None
