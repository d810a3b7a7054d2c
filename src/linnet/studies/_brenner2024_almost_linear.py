"""How few rectified units suffice for chaos, and what the regions they make say about it."""

import concurrent.futures
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr

from .. import analyse, nn, reconstruct, systems
from .._cite import cite
from .._types import PRNGKey
from ..config import Brenner2024AlmostLinear
from ..config._brenner2024_almost_linear import PUBLISHED_RELUS
from ._brenner2024_figures import attractors_figure, relus_figure
from ._revolutions import Section, agreement, entropies, lorenz_section, rossler_section
from ._study import Claim, Findings, silent


class Setting(NamedTuple):
    """One system as it is learned: the time between two points, the window of training, and its symbolic code."""

    dt: float
    window: int
    section: Callable[[np.ndarray], Section]


SETTINGS = {"Lorenz": Setting(0.02, 100, lorenz_section), "Rossler": Setting(0.1, 150, rossler_section)}
#: Steps of the free run that are left out, and of which the largest exponent is the mean.
_TRANSIENT, _TANGENT = 1000, 5000.0
#: What is measured of each network; 0 or infinite where its free run does not go on.
_MEASURES = ("chaotic", "divergence", "spectrum", "exponent", "agreement", "chance", "topological", "metric", "regions")


class Studied(NamedTuple):
    """What is known of one system.

    Args:
        table: the measures of all networks, (relus, seed).
        truth: those of the system itself, and of Gaussian points.
        data: the orbit that is learned.
        best: the seed of the best network with the published number of rectified units.
        run: its free run, observed.
        symbols: its symbolic dynamics.
        codes: the topological and the metric entropy of its regions, read once in a revolution.
        points: its exact fixed points, observed.
    """

    table: xr.Dataset
    truth: dict[str, float]
    data: np.ndarray
    best: int
    run: np.ndarray
    symbols: analyse.SymbolicDynamics
    codes: tuple[float, float]
    points: np.ndarray


@cite("brenner2024almost")
def brenner2024_almost_linear(
    config: Brenner2024AlmostLinear, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Almost-linear recurrent networks on Lorenz's and Roessler's systems, by the number of rectified units.

    The paper chooses the number where the divergence in state space stops falling. Whether a free run goes on, and is
    chaotic by the largest exponent of the network's own Jacobians, is what is asked first here; divergences are set
    beside that of Gaussian points. Codes have one symbol for each revolution.
    """
    names = config.systems
    keys = jr.split(key, len(names))
    # Each system trains on one core: two at a time.
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        done = list(pool.map(lambda name, key: study_system(config, name, key, progress), names, keys))
    found = dict(zip(names, done))
    claims = [claim for name in names for claim in _claims(config, name, found[name])]
    figures = (attractors_figure(found), relus_figure(found))
    return Findings(tuple(claims), figures, {name.lower(): found[name].table for name in names})


def study_system(
    config: Brenner2024AlmostLinear, name: str, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Studied:
    """Trains all networks on one system and measures them."""
    setting, system = SETTINGS[name], systems.get(name)
    data_key, scale_key, *keys = jr.split(key, 2 + len(config.relus))
    noisy = system.orbit(config.points, dt=setting.dt, noise=config.noise, key=data_key).states
    train = np.asarray(noisy, np.float32)
    # What is reconstructed is the system without the noise of its observations, which would fill thin attractors.
    clean = np.asarray(system.orbit(max(config.run_points, 3 * config.points), dt=setting.dt).states)[config.points :]
    section, test = setting.section(clean), clean[: config.points]
    truth = _truth(name, section, clean, test, scale_key)
    rows, best, chosen = [], 0, None
    for relus, one in zip(config.relus, keys):
        progress(f"{name}: {relus} rectified units")
        fitted = reconstruct.fit(
            lambda key, relus=relus: nn.AlmostLinearRNN(config.units, relus, dtype=jnp.float32, key=key),
            train,
            reconstruct.SparseTeacherForcing(config.interval),
            seeds=config.seeds,
            steps=config.steps,
            window=setting.window,
            learning_rate=(config.first_rate, config.last_rate),
            aperiodic=True,
            key=one,
        )
        num = config.run_points
        row = [measure(fitted, seed, test, section, setting.dt, num) for seed in range(config.seeds)]
        rows.append(row)
        if relus == PUBLISHED_RELUS[name]:
            # The nearest to the data among those that are chaotic; the first where none is.
            best = int(np.argmin([now["divergence"] if now["chaotic"] else np.inf for now in row]))
            chosen = fitted.reconstruction(best)
    data = {
        column: (("relus", "seed"), np.array([[now[column] for now in row] for row in rows])) for column in _MEASURES
    }
    table = xr.Dataset(data, {"relus": list(config.relus)})
    values, states = _settled(chosen.free_run(config.run_points))
    symbols = analyse.symbolic_dynamics(chosen.model, states)
    codes = entropies(np.asarray(symbols.symbols)[section.peaks(values)])
    return Studied(table, truth, train, best, values, symbols, codes, fixed_points(chosen))


def _settled(run: Any) -> tuple[np.ndarray, np.ndarray]:
    """What is observed of a free run, and its states, without the transient."""
    return np.asarray(run.values)[_TRANSIENT:], np.asarray(run.states)[_TRANSIENT:]


def _truth(name: str, section: Section, clean: np.ndarray, test: np.ndarray, key: PRNGKey) -> dict[str, float]:
    """The same measures of the system, and of Gaussian points with the covariance of the data."""
    topological, metric = entropies(section.code(clean))
    scales = analyse.metric_scales(test, past=clean[len(test) : 2 * len(test)], key=key).scales
    return {
        "exponent": float(systems.invariants(name).exponents[0]),
        "topological": topological,
        "metric": metric,
        "divergence": scales["floor"]["state_space_divergence"],
        "spectrum": scales["floor"]["power_spectrum_distance"],
        "gaussian divergence": scales["correlated"]["state_space_divergence"],
        "gaussian spectrum": scales["correlated"]["power_spectrum_distance"],
    }


def measure(
    fitted: reconstruct.Fit, seed: int, test: np.ndarray, section: Section, dt: float, num: int
) -> dict[str, float]:
    """The measures of one network; `dt` is the time of one of its steps."""
    found = dict.fromkeys(_MEASURES, 0.0) | {"divergence": np.inf, "spectrum": 1.0, "exponent": -np.inf}
    if int(fitted.verdicts[seed]) in (1, 2):  # its training stopped, or its run left every bound
        return found
    one = fitted.reconstruction(seed)
    run = one.free_run(num)
    if bool(run.diverged):
        return found
    values, states = _settled(run)
    piece = values[: len(test)]
    found["divergence"] = float(analyse.state_space_divergence(test, piece))
    found["spectrum"] = float(analyse.power_spectrum_distance(test, piece))
    start = jnp.asarray(states[0], jnp.float64)
    spectrum = analyse.lyapunov_spectrum(in_float64(one.model), num_exponents=1, initial=start, time=_TANGENT)
    found["exponent"] = float(spectrum.exponents[0]) / dt
    error = float(spectrum.standard_errors[0]) / dt
    found["chaotic"] = float(found["exponent"] > 3 * error and len(section.peaks(values)) > num / 1000)
    if not found["chaotic"]:
        return found
    symbols = analyse.symbolic_dynamics(one.model, states) if one.model.num_switches else None
    code = section.code(values)
    if symbols is not None:
        found["regions"] = float(symbols.num)
        found["agreement"] = agreement(np.asarray(symbols.symbols)[section.peaks(values)], code)
    found["chance"] = max(float(code.mean()), 1 - float(code.mean()))
    found["topological"], found["metric"] = entropies(code)
    return found


def in_float64(model: Any) -> Any:
    """The network with parameters in float64: its exponents and fixed points are not to hang on rounding."""
    return jtu.tree_map(lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, model)


def fixed_points(one: reconstruct.Reconstruction) -> np.ndarray:
    """All fixed points of a network, region by region, as observations."""
    states = jnp.asarray(analyse.cycles(in_float64(one.model), 1, exhaustive=True).points[:, 0])
    seen = jax.vmap(in_float64(one.observation).observe)(states)
    return np.asarray(seen) * np.asarray(one.scale) + np.asarray(one.mean)


def wing_distance(points: np.ndarray, centres: np.ndarray, data: np.ndarray) -> float:
    """How far the farthest centre is from the nearest point, in standard deviations of the data."""
    apart = (points[:, None] - centres[None]) / data.std(axis=0)
    return float(np.linalg.norm(apart, axis=-1).min(axis=0).max()) if len(points) else np.inf


def _claims(config: Brenner2024AlmostLinear, name: str, found: Studied) -> list[Claim]:
    table, truth, few = found.table, found.truth, PUBLISHED_RELUS[name]
    share = table["chaotic"].mean("seed")
    own = {column: float(table[column].sel(relus=few).values[found.best]) for column in _MEASURES}
    system = name.replace("Rossler", "Roessler")
    graph = abs(found.codes[0] - truth["topological"]) / truth["topological"]
    code = abs(own["topological"] - truth["topological"]) / truth["topological"]
    claims = [
        Claim(f"{system}: with {few} rectified unit{'s' * (few > 1)} at least half of the networks run on chaotically",
              0.5, float(share.sel(relus=few)), 0.0, "at least"),
        Claim("... without any none does (share)", 0.0, float(share.sel(relus=0)), 0.0, "at most", control=True),
        Claim("... the largest exponent of the best is the system's up to half of it (relative difference)", 0.0,
              abs(own["exponent"] / truth["exponent"] - 1), 0.5, "at most"),
        Claim("... its power spectrum is at most a third as far from the data as that of Gaussian points (quotient of "
              "distances)", 1 / 3, own["spectrum"] / truth["gaussian spectrum"], 0.0, "at most"),
        Claim("... its region at a revolution says which symbol the system's own code would give it (share that is "
              "right)", 0.9, own["agreement"], 0.0, "at least"),
        Claim("... by chance it is right less often (share of the commoner symbol)", 0.75, own["chance"], 0.0,
              "at most", control=True),
        Claim("... that code has the topological entropy of the system's up to a quarter (relative difference)", 0.0,
              code, 0.25, "at most"),
        Claim("... and so has the graph of its regions, read once in a revolution (relative difference)", 0.0, graph,
              0.25, "at most"),
    ]  # fmt: skip
    scale = truth["gaussian divergence"]
    apart = float(table["divergence"].sel(relus=few).min()) / scale
    # Half of what Gaussian points have is where `linnet.reconstruct.fit` says that a network has failed.
    if name == "Lorenz":
        geometry = "... its geometry they do not get: the least divergence in state space is more than half"
    else:
        geometry = "... it gets the geometry too: the least divergence in state space is less than half"
    claims += [
        Claim(f"{geometry} of that of Gaussian points (quotient)", 0.5, apart, 0.0,
              "at least" if name == "Lorenz" else "at most"),
        Claim("... that of another orbit of the system is less than a quarter", 0.25, truth["divergence"] / scale, 0.0,
              "at most", control=True),
    ]  # fmt: skip
    if name == "Rossler":
        return claims
    centres = np.sqrt(72.0) * np.array([[1, 1, 0], [-1, -1, 0]]) + np.array([0, 0, 27.0])
    middle = wing_distance(found.data.mean(axis=0)[None], centres, found.data)
    claims += [
        Claim("... a fixed point of the network, solved for region by region, lies within half a standard deviation of "
              "the centre of each wing", 0.5, wing_distance(found.points, centres, found.data), 0.0, "at most"),
        Claim("... the mean of the data does not (standard deviations)", 1.0, middle, 0.0, "at least", control=True),
    ]  # fmt: skip
    most = max(config.relus)
    if most >= 5 * few:
        more = float(table["divergence"].sel(relus=most).min()) / scale
        claims.append(
            Claim(f"... {most} get more of it (quotient of the least divergences)", 0.8, more / apart, 0.0, "at most")
        )
    if 1 in config.relus:
        claims.append(
            Claim("... one rectified unit is too few: at most a quarter of the networks run on chaotically", 0.25,
                  float(share.sel(relus=1)), 0.0, "at most")
        )  # fmt: skip
    return claims
