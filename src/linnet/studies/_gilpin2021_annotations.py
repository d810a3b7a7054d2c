"""What was published of chaotic systems, what linnet has computed of them, and how far the two are apart."""

import functools as ft
import tomllib
from collections.abc import Iterable
from importlib import resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from .. import analyse, systems
from .._cite import cite

#: Systems that are not those of the collection in more than digits: another delay, other equations of the momenta, and
#: three that conserve a quantity and start in another part of their state space, the chaotic one.
CHANGED = ("MackeyGlass", "DoublePendulum", "SprottA", "NoseHoover", "HenonHeiles")


@ft.lru_cache(maxsize=1)
def published() -> dict[str, dict[str, Any]]:
    """`largest`, `dimension` and `spectrum` (empty where there is none) of each system, as published."""
    text = resources.files("linnet.studies").joinpath("gilpin2021_annotations.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cite("gilpin2021chaos")
def annotations(names: Iterable[str]) -> xr.Dataset:
    """Published annotations and linnet's table, side by side.

    Args:
        names: systems that have annotations.

    Returns:
        By system: the published `largest` exponent, the `first` of the published spectrum and the published
        `dimension`, linnet's `own_largest` and `own_dimension`, `states` (the number of coordinates, NaN for delay
        flows, whose dimension has no bound) and `known`: whether linnet's value is converged and of the same system.
    """
    names = list(names)
    columns: dict[str, list[Any]] = {}
    for name in names:
        theirs, own, system = published()[name], systems.invariants(name), systems.get(name)
        spectrum = theirs["spectrum"]
        row = {
            "largest": theirs["largest"],
            "first": spectrum[0] if spectrum else np.nan,
            "dimension": theirs["dimension"],
            "own_largest": own.exponents[0] if own and own.exponents else np.nan,
            "own_dimension": own.kaplan_yorke_dimension if own and own.exponents else np.nan,
            "states": system.dimension if isinstance(system, systems.Flow) else np.nan,
            "known": bool(own and own.verdict == "chaotic" and name not in CHANGED),
        }
        for column, value in row.items():
            columns.setdefault(column, []).append(value)
    return xr.Dataset({key: ("system", np.array(value)) for key, value in columns.items()}, {"system": names})


def differ(table: xr.Dataset, column: str, by: float) -> int:
    """How many of the known systems have a published exponent that is off by more than a fraction of linnet's."""
    known = table["known"].values
    own = table["own_largest"].values[known]
    return int(np.sum(np.abs(table[column].values[known] - own) > by * own))


def impossible(table: xr.Dataset, column: str) -> list[str]:
    """The flows with a dimension above the number of their coordinates (which a rounded value may reach)."""
    above = table[column].values > table["states"].values + 1e-6
    return [str(name) for name in table["system"].values[above]]


@cite("benettin1980lyapunov")
def recompute(names: Iterable[str], duration: float) -> xr.Dataset:
    """Largest exponents and dimensions computed here and now, of systems with values from the literature or the table.

    Args:
        names: the systems.
        duration: of the computation, as a fraction of what `lyapunov_spectrum` takes by itself.

    Returns:
        By system: `exponent`, its standard `error` and the `dimension`.
    """
    names, rows = list(names), []
    for name in names:
        system = systems.get(name)
        length = 500 * system.period if isinstance(system, systems.Flow) else 10_000.0
        found = analyse.lyapunov_spectrum(system, time=duration * length)
        rows.append((*(float(x[0]) for x in (found.exponents, found.standard_errors)), found.kaplan_yorke_dimension))
    values = np.array(rows, float).T
    return xr.Dataset(dict(zip(("exponent", "error", "dimension"), (("system", row) for row in values))),
                      {"system": names})  # fmt: skip


def contractions(names: Iterable[str], num: int) -> xr.Dataset:
    r"""$\langle \mathrm{tr} Df \rangle$ along orbits, which the sum of all Lyapunov exponents must be.

    No tangent vector is carried along, so that it decides between two spectra.

    Args:
        names: flows.
        num: points of each orbit, a quarter of a period apart; the first fifth is left out.

    Returns:
        By system: the `mean`, its standard `error`, and the sums `published` and `own`, all as fractions of the size of
        linnet's largest exponent in magnitude; only of systems that are known and have two whole spectra.
    """
    rows: dict[str, list[float]] = {}
    for name in names:
        system: Any = systems.get(name)
        theirs, own = published()[name]["spectrum"], systems.invariants(name)
        whole = own is not None and own.verdict == "chaotic" and name not in CHANGED
        if not (isinstance(system, systems.Flow) and whole and len(theirs) == system.dimension):
            continue
        traces = _traces(system, num)[num // 5 :]
        blocks = traces[: len(traces) // 16 * 16].reshape(16, -1).mean(axis=1)
        size = max(abs(x) for x in own.exponents)
        rows[name] = [blocks.mean(), blocks.std(ddof=1) / 4, sum(theirs), sum(own.exponents)]
        rows[name] = [float(value) / size for value in rows[name]]
    columns = np.array(list(rows.values()), float).reshape(-1, 4).T
    names = ("mean", "error", "published", "own")
    return xr.Dataset(dict(zip(names, (("system", column) for column in columns))), {"system": list(rows)})


def _traces(system: Any, num: int) -> np.ndarray:
    """The divergence of a flow along an orbit, with steps ten times as long as the table's where these do."""
    dt = system.period / 4
    for longer in (10, 1):
        states = analyse.fixed_step_states(system, num, dt=dt, step=longer * system.dt)
        if bool(jnp.all(jnp.isfinite(states))):
            break
    times = dt * jnp.arange(1, num + 1)
    return np.asarray(jax.jit(jax.vmap(lambda t, x: jnp.trace(system.jacobian(x, t))))(times, states))
