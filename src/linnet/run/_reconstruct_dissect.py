"""A reconstruction taken apart: exponents, fixed points, and the symbols of a piecewise-linear one."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr

from .. import analyse, nn
from ..reconstruct import Reconstruction

_KEY = 0x66697865
#: Of larger states only the first exponents are computed, over a time that costs no more than this many products.
_LARGE, _FEW, _COST = 60, 3, 4e9
_TIME, _LEAST = 20_000, 500
#: Searches for fixed points, of small states and of large ones.
_STARTS = {True: 256, False: 24}
#: Fixed points that are kept, those nearest to the attractor first.
_MOST_POINTS = 50
#: Symbols whose transitions are kept, and of which more the entropy is not computed.
_MOST_SYMBOLS, _MOST_WORDS = 40, 2000
#: Points of the orbit that are kept with their symbols.
_SHOWN = 3000


def exponents(one: Reconstruction, orbit: np.ndarray, diverged: bool) -> xr.Dataset:
    """The Lyapunov exponents of a model per step, from a point of its orbit; none where its orbits leave every bound.

    Args:
        one: the model.
        orbit: its latent orbit, (time, state).
        diverged: whether the orbit left every bound.
    """
    size = orbit.shape[1]
    num, trajectories = (min(size, 10), 16) if size <= _LARGE else (_FEW, 8)
    width = getattr(getattr(one.model, "hidden_bias", None), "size", 0) or size
    time = float(np.clip(_COST / (size * (size + width) * (num + 1) * trajectories), _LEAST, _TIME))
    failed = {"reason": "", "dimension": -1.0, "time": 0.0}
    nothing = xr.Dataset({"exponent": ("index", np.zeros(0)), "error": ("index", np.zeros(0))})
    if diverged or not np.all(np.isfinite(orbit)):
        return nothing.assign_attrs(failed | {"reason": "the free run of the model left every bound."})
    try:
        found = analyse.lyapunov_spectrum(
            one.model, initial=jnp.asarray(orbit[-1]), num_exponents=num, time=time, trajectories=trajectories
        )
    except ValueError as error:
        return nothing.assign_attrs(failed | {"reason": str(error)})
    values = np.asarray(found.exponents, float)
    # Exponents that were left out may be what the sum needs to become negative.
    whole = num == size or np.sum(values) < 0
    dimension = float(found.kaplan_yorke_dimension) if whole else -1.0
    return xr.Dataset(
        {"exponent": ("index", values), "error": ("index", np.asarray(found.standard_errors, float))},
        {"index": np.arange(1, num + 1)},
        {"reason": "", "dimension": dimension, "time": float(found.time)},
    )


def points(one: Reconstruction, orbit: np.ndarray, seed: int) -> xr.Dataset:
    """Fixed points of a model, in the units of the data: exact ones of a piecewise-linear model, by searches else."""
    key, small = jr.fold_in(jr.key(seed), _KEY), orbit.shape[1] <= _LARGE
    kept = orbit[np.linspace(0, len(orbit) - 1, _STARTS[small]).astype(int)]
    spread = orbit.std(axis=0)
    noise = np.asarray(jr.normal(key, kept.shape), float)
    # Fixed points of an attractor lie between its orbits rather than on them.
    starts = jnp.asarray(np.concatenate([kept, orbit.mean(axis=0) + 1.5 * spread * noise]))
    if isinstance(one.model, nn.AbstractPiecewiseLinear):
        found = analyse.cycles(one.model, 1, key=key, starts=starts)
        where, how = found.points[:, 0], "exact, by regions"
        complete = bool(found.exhaustive)
    else:
        found = analyse.fixed_points(one.model, starts)
        where, how, complete = found.points, "searches by the Levenberg-Marquardt method", False
    states = jnp.asarray(where, one.mean.dtype)
    seen, visited = _observed(one, states), _observed(one, orbit[:: max(1, len(orbit) // 500)])
    # How far from the nearest point of the orbit, in standard deviations of the data.
    far = np.asarray([np.min(np.linalg.norm(visited - row, axis=1)) for row in seen])
    nearest = np.argsort(far, kind="stable")[:_MOST_POINTS]
    values = seen * np.asarray(one.scale, float) + np.asarray(one.mean, float)
    eigenvalues = np.asarray(found.eigenvalues).reshape(len(where), -1)
    moduli = np.abs(eigenvalues)
    return xr.Dataset(
        {
            "value": (("point", "column"), values[nearest]),
            "distance": ("point", far[nearest]),
            "unstable_dimension": ("point", np.asarray(found.unstable_dimension)[nearest]),
            "stable": ("point", np.asarray(found.is_stable)[nearest]),
            "largest_modulus": ("point", moduli.max(axis=1, initial=0.0)[nearest]),
            "oscillates": ("point", np.asarray([_leading_is_complex(row) for row in eigenvalues], bool)[nearest]),
        },
        {"point": np.arange(1, len(nearest) + 1)},
        {"how": how, "complete": int(complete), "num": len(where)},
    )


def symbols(one: Reconstruction, orbit: np.ndarray) -> xr.Dataset:
    """The regions that an orbit of a piecewise-linear model visits, and their graph."""
    found = analyse.symbolic_dynamics(one.model, jnp.asarray(orbit))
    few = min(found.num, _MOST_SYMBOLS)
    seen = _observed(one, orbit[:_SHOWN])
    try:
        entropy = found.topological_entropy() if found.num <= _MOST_WORDS else -1.0
    except ValueError:
        entropy = -1.0
    return xr.Dataset(
        {
            "visits": ("symbol", np.asarray(found.visits)[:few]),
            "transitions": (("symbol", "next"), np.asarray(found.transitions)[:few, :few]),
            "sequence": ("shown", np.asarray(found.symbols)[:_SHOWN] + 1),
            "seen": (("shown", "column"), seen * np.asarray(one.scale, float) + np.asarray(one.mean, float)),
            "code": ("symbol", np.array(found.labels[:few])),
        },
        {"symbol": np.arange(1, few + 1), "next": np.arange(1, few + 1)},
        {
            "num": found.num,
            "steps": int(found.symbols.shape[-1]),
            "regions": float(2.0 ** min(one.model.num_switches, 1000)),
            "topological_entropy": float(entropy),
            "entropy_rate": float(found.entropy_rate),
        },
    )


def _observed(one: Reconstruction, states: Any) -> np.ndarray:
    """What is observed of many states, in the model's units."""
    return np.asarray(jax.vmap(one.observation.observe)(jnp.asarray(states)), float)


def _leading_is_complex(eigenvalues: np.ndarray) -> Any:
    if not len(eigenvalues):
        return False
    leading = eigenvalues[np.argmax(np.abs(eigenvalues))]
    return bool(abs(leading.imag) > 1e-9 * abs(leading))
