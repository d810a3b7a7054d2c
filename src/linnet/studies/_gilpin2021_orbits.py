"""Orbits of many systems as forecasting benchmarks see them: bounded, delays embedded, padded to one size."""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import analyse, systems
from .._cores import num_cores

#: How many delayed values a delay flow is seen by, over one delay.
LAGS = 10


def _polar(tau: float) -> Callable[..., Any]:
    return lambda r, angle, t: (r * np.cos(angle), r * np.sin(angle), np.sin(2 * np.pi * t / tau))


#: What is seen of the systems whose coordinates grow without bound, as in dysts: functions of the coordinates.
SEEN: dict[str, Callable[..., Any]] = {
    "ArnoldBeltramiChildress": lambda x, y, z: (np.sin(x), np.cos(y), np.sin(z)),
    "ArnoldWeb": lambda p, q, x, y, z: (p, q, np.sin(x), np.sin(y), np.cos(z)),
    "BickleyJet": lambda x, y, z: (x, np.sin(0.313922 * y), np.sin(0.313922 * 9.05854e-6 * z)),
    "BlinkingRotlet": _polar(3.0),
    "BlinkingVortex": _polar(3.0),
    "CircadianRhythm": lambda *x: (*x[:4], np.cos(x[4])),
    "DoublePendulum": lambda x, y, p, q: (np.sin(x), np.sin(y), p, q),
    "Duffing": lambda x, y, z: (x, y, np.cos(z)),
    "FluidTrampoline": lambda x, y, z: (x, y, np.cos(z)),
    "InteriorSquirmer": _polar(3.0),
    "LidDrivenCavityFlow": lambda x, y, z: (x, y, np.sin(2 * np.pi * z / 1.1)),
    "OscillatingFlow": lambda x, y, z: (np.cos(x), y, np.sin(z)),
    "StickSlipOscillator": lambda x, y, z: (x, y, np.cos(z)),
    "SwingingAtwood": lambda r, angle, p, q: (r, np.sin(angle), p, q),
}


@dataclasses.dataclass(frozen=True)
class Orbits:
    """Pieces of the orbits of many systems.

    Args:
        names: the systems.
        sizes: how many coordinates of each are seen; the rest of the arrays' width is zero.
        dt: the time between two points of each.
        tuning: a piece on which settings are chosen, `"system time coordinate"`.
        testing: pieces that are learned and forecast, `"system orbit time coordinate"`.
        known: how many first points of a piece are learned; what comes after is forecast.
        failed: systems whose orbit was not computed.
    """

    names: tuple[str, ...]
    sizes: np.ndarray
    dt: np.ndarray
    tuning: np.ndarray
    testing: np.ndarray
    known: int
    failed: tuple[str, ...]


def orbits(names: Sequence[str], *, known: int, ahead: int, horizon: int, pieces: int) -> Orbits:
    """One long orbit of each system, 100 points a period, cut into pieces.

    Flows are stepped by the fourth-order Runge-Kutta method with the fine step of their table, mostly a fiftieth of
    the time between two points: one small program each, where an adaptive solver takes seven times as long to compile.

    Args:
        names: flows and delay flows.
        known: points that are learned in each piece.
        ahead: points that are forecast in the pieces for tests.
        horizon: points that are forecast in the piece for tuning.
        pieces: pieces for tests.
    """
    num = known + horizon + pieces * (known + ahead)
    with concurrent.futures.ThreadPoolExecutor(num_cores()) as pool:
        found = dict(zip(names, pool.map(lambda name: _orbit(name, num), names)))
    good = tuple(name for name in names if np.all(np.isfinite(found[name])))
    width = max(found[name].shape[1] for name in good)
    padded = np.stack([np.pad(found[name], ((0, 0), (0, width - found[name].shape[1]))) for name in good])
    first = known + horizon
    return Orbits(
        names=good,
        sizes=np.array([found[name].shape[1] for name in good]),
        dt=np.array([systems.get(name).period / 100 for name in good]),
        tuning=padded[:, :first],
        testing=padded[:, first:].reshape(len(good), pieces, known + ahead, width),
        known=known,
        failed=tuple(name for name in names if name not in good),
    )


def _orbit(name: str, num: int) -> np.ndarray:
    """What is seen of one system, "time coordinate"."""
    system = systems.get(name)
    dt, before = system.period / 100, 2000
    if isinstance(system, systems.DelayFlow):
        lag = float(system.delay) / dt / (LAGS - 1)
        extra = int(np.ceil(lag * (LAGS - 1))) + 1
        orbit = system.orbit(num + extra, dt=dt, transient=before * dt, steps_per_delay=128)
        grid = np.arange(num)[:, None] + extra - lag * np.arange(LAGS)
        return np.interp(grid, np.arange(num + extra), np.asarray(orbit.states)[:, 0])
    states = np.asarray(analyse.fixed_step_states(system, before + num, dt=dt, step=system.dt))[before:]
    return observe(name, states)


def observe(name: str, states: np.ndarray) -> np.ndarray:
    """What is seen of states: coordinates that grow without bound are replaced by functions of them that do not."""
    unbounded = systems.get(name).unbounded
    if name in SEEN:
        return np.stack(SEEN[name](*states.T), axis=-1)
    seen = states.copy()
    seen[:, list(unbounded)] = np.sin(states[:, list(unbounded)])
    return seen
