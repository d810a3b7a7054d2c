"""Chaos as a benchmark: what its annotations are worth, and who forecasts best once methods are tuned."""

from collections.abc import Callable
from typing import Any

import jax.random as jr
import numpy as np
import xarray as xr
from scipy.stats import binomtest

from .. import systems
from .._cite import cite
from .._types import PRNGKey
from ..config import Gilpin2021Chaos
from ._gilpin2021_annotations import annotations, contractions, differ, impossible, published, recompute
from ._gilpin2021_figures import PUBLISHED_MEDIANS, invariants_figure, scores_figure
from ._gilpin2021_forecasts import forecasts
from ._gilpin2021_orbits import orbits
from ._study import Claim, Findings, silent

#: Largest exponents from the literature (Sprott 2003), per unit of time or iteration.
LITERATURE = {"Lorenz": 0.9056, "Rossler": 0.0714, "Henon": 0.41922}
#: A spectrum whose sum is off by more than this, in units of its largest exponent in magnitude, breaks the sum rule,
#: where it is more than three standard errors of the divergence as well.
BROKEN = 0.05


@cite("gilpin2021chaos", "gilpin2023model", "schotz2026machine", "benettin1980lyapunov")
def gilpin2021_chaos(config: Gilpin2021Chaos, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Published exponents and dimensions against recomputed ones, and forecasts of all systems by tuned methods.

    Forecasts are those of the multivariate benchmark: 1000 points of a series are learned, 100 a period, and 200 are
    scored by their sMAPE in the systems' own units. Settings are chosen, once for each system, on another piece of its
    orbit that is as long. Published medians are quoted from the benchmark's own result files; the published series are
    other pieces of these orbits. Two of the published methods are run again with the settings of the benchmark's code,
    and show that medians can be compared: its NVAR has monomials of order one, so that it is a linear map of delayed
    points, and of its reservoirs only the leak is chosen.

    Series without noise are the easiest case: polynomials learn many of these flows almost exactly, for as long as is
    forecast here (Schötz et al. 2026 found simple methods ahead too). In a second set of series methods see noisy
    points only, and are held against the truth.
    """
    names = tuple(published()) if not config.systems else config.systems
    wrong = [name for name in names if name not in published()]
    if wrong:
        raise ValueError(f"--systems takes flows and delay flows of dysts, got {', '.join(wrong)}.")
    progress("exponents")
    table = annotations(published())
    again = recompute(config.recomputed, config.duration)
    progress("orbits")
    found = orbits(
        names, known=config.known, ahead=config.ahead, horizon=config.horizon, pieces=config.pieces,
    )  # fmt: skip
    progress("divergences")
    num = 2000 + config.known + config.horizon + config.pieces * (config.known + config.ahead)
    sums = contractions(found.names, num)
    keys = jr.split(key, 3)
    scores, settings = forecasts(config, found, 0.0, networks=True, key=keys[0], progress=progress)
    parts = {"clean": _in_time(scores, found, table, config.ahead)}
    if config.noise:
        noisy, _ = forecasts(config, found, config.noise, networks=config.noisy_networks, key=keys[1],
                             progress=lambda stage: progress(f"with noise: {stage}"))  # fmt: skip
        parts["noisy"] = _in_time(noisy, found, table, config.ahead)
    seed = int(jr.randint(keys[2], (), 0, 2**31 - 1))
    spans = {part: intervals(scores["error"], config.resamples, seed) for part, scores in parts.items()}
    whole = len(found.names) > 100
    claims = [*_invariants(table, again, sums), *_forecasts(parts["clean"], spans["clean"], whole)]
    if "noisy" in parts:
        claims += _noisy(parts["noisy"], spans["noisy"], whole)
    figures = [
        invariants_figure(table),
        scores_figure(parts["clean"], spans["clean"], "Forecasts of series without noise", "forecasts"),
    ]
    if "noisy" in parts:
        title = f"Forecasts of series with noise of {config.noise:g} standard deviations"
        figures.append(scores_figure(parts["noisy"], spans["noisy"], title, "noise"))
    data = {"annotations": table, "recomputed": again, "sums": sums, "settings": settings, **parts}
    return Findings(tuple(claims), tuple(figures), data)


def _in_time(scores: xr.Dataset, found: Any, table: xr.Dataset, ahead: int) -> xr.Dataset:
    """Scores with valid times in Lyapunov times: by linnet's exponents, and by the published ones."""
    table = table.sel(system=list(found.names))
    for name, column in (("time", "own_largest"), ("published_time", "largest")):
        rate = np.where(table["known"].values, table[column].values * found.dt, np.nan)
        scores = scores.assign({name: scores["valid"] * xr.DataArray(rate, dims="system")})
    return scores.assign(ended=scores["valid"] >= ahead)


def intervals(errors: xr.DataArray, resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    """The 95 % interval of each method's median over systems, by resampling systems.

    Args:
        errors: by method, system and piece; a system enters with its mean over pieces.
        resamples: how many.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    values = errors.mean("piece").values
    picks = rng.integers(0, values.shape[1], (resamples, values.shape[1]))
    return {
        str(method): tuple(float(x) for x in np.quantile(np.median(row[picks], axis=1), (0.025, 0.975)))
        for method, row in zip(errors["method"].values, values)
    }


def better(errors: xr.DataArray, first: str, second: str) -> float:
    """The lower end of the 95 % interval (Clopper-Pearson) of how often the first method has the smaller error.

    Systems in which both are within one percentage point of each other are ties and left out: a sign test.
    """
    one, two = (errors.sel({"method": method}).mean("piece").values for method in (first, second))
    apart = np.abs(one - two) > 1
    wins = int(np.sum((one < two) & apart))
    return float(binomtest(wins, max(int(apart.sum()), 1)).proportion_ci(0.95).low)


def _invariants(table: xr.Dataset, again: xr.Dataset, sums: xr.Dataset) -> list[Claim]:
    own = {name: float(again["exponent"].sel(system=name)) for name in LITERATURE}
    far = max(abs(own[name] / value - 1) for name, value in LITERATURE.items())
    flows = [name for name in LITERATURE if name in published()]
    theirs = max(
        abs(float(table[column].sel(system=name)) / LITERATURE[name] - 1)
        for name in flows for column in ("largest", "first")
    )  # fmt: skip
    stored = [systems.invariants(str(name)) for name in again["system"].values]
    gaps = [
        abs(float(value) - entry.exponents[0]) / np.hypot(float(error), entry.errors[0])
        for value, error, entry in zip(again["exponent"].values, again["error"].values, stored)
        if entry is not None
    ]
    known = int(table["known"].sum())
    share = {column: differ(table, column, 0.25) / known for column in ("largest", "first")}
    broken = {name: _broken(sums, name) for name in ("published", "own")}
    # Two periods; of all systems, as it was published, and of those that both sides know.
    every = [200 / 100 * systems.get(str(name)).period for name in table["system"].values]
    horizons = xr.DataArray(every, dims="system") * table[["largest", "own_largest"]]
    both = horizons.isel(system=np.flatnonzero(table["known"].values)).median()
    counts = ", ".join(f"{differ(table, 'largest', by)} by more than {100 * by:g} %" for by in (0.1, 0.25, 0.5))
    return [
        Claim("The largest exponents of Lorenz, Rössler and Hénon, computed here, are those of the literature (largest "
              "relative difference)", 0.0, far, 0.02, "at most"),
        Claim("... the published ones of the two flows are not (largest relative difference)", 0.25, theirs, 0.0,
              "at least"),
        Claim(f"The largest exponents of {len(gaps)} systems, computed here on other time spans, are those of linnet's "
              "table (largest difference in standard errors)", 0.0, max(gaps), 5.0, "at most"),
        Claim(f"Published largest exponents are off for many of the {known} systems whose spectrum has converged "
              f"({counts}): share by more than a quarter", 0.35, share["largest"], 0.0, "at least"),
        Claim("... so are the first entries of published spectra: share by more than a quarter", 0.35, share["first"],
              0.0, "at least"),
        Claim("Published Kaplan-Yorke dimensions of flows exceed the number of their coordinates (number of flows)",
              10, len(impossible(table, "dimension")), 0.0, "at least"),
        Claim("... linnet's do not", 0, len(impossible(table, "own_dimension")), 0.0, "at most", control=True),
        Claim(f"Exponents sum to the mean divergence of the flow: of {sums.sizes['system']} spectra of linnet's table "
              f"so many are off by more than {100 * BROKEN:g} % of the largest in magnitude", 0, broken["own"], 0.0,
              "at most"),
        Claim("... of the published ones it is at least a tenth (share)", 0.1,
              broken["published"] / max(sums.sizes["system"], 1), 0.0, "at least", control=True),
        Claim("200 points, the horizon, are 1.8 Lyapunov times by published exponents (median of all systems)", 1.8,
              float(horizons["largest"].median()), 0.1),
        Claim("... by linnet's they are fewer: median over that by published ones, of those with both", 0.9,
              float(both["own_largest"] / both["largest"]), 0.0, "at most"),
    ]  # fmt: skip


def _broken(sums: xr.Dataset, column: str) -> int:
    off = np.abs(sums[column].values - sums["mean"].values)
    return int(np.sum((off > BROKEN) & (off > BROKEN + 3 * sums["error"].values)))


def _forecasts(scores: xr.Dataset, spans: dict[str, tuple[float, float]], whole: bool) -> list[Claim]:
    errors = scores["error"]
    medians = {
        str(name): float(errors.sel({"method": name}).mean("piece").median()) for name in errors["method"].values
    }
    times = {str(name): float(scores["time"].sel({"method": name}).median()) for name in errors["method"].values}
    tuned, old = "echo state", "echo state, as published"
    best = min(PUBLISHED_MEDIANS.values())
    claims = [
        Claim("Reservoirs with settings chosen for each system forecast better than those with the published settings: "
              "how often, lower end of the 95 % interval", 0.5, better(errors, tuned, old), 0.0, "at least"),
        Claim("Polynomials of one or two points forecast better than linear maps of up to 120: how often, lower end",
              0.5, better(errors, "polynomial", "linear"), 0.0, "at least"),
        Claim("Tuned reservoirs are good for a Lyapunov time or more (median; of correct Lyapunov times)", 1.0,
              times[tuned], 0.0, "at least"),
        Claim("... persistence for less than a fifth", 0.2, times["persistence"], 0.0, "at most", control=True),
    ]  # fmt: skip
    if not whole:
        return claims
    return [
        Claim("Linear maps of delayed points with the settings of the published NVAR have its published median sMAPE: "
              "it is this linear map", PUBLISHED_MEDIANS["NVAR"], medians["linear, as published"], 15.0),
        Claim("Reservoirs with the published settings have the published median sMAPE", PUBLISHED_MEDIANS["ESN"],
              medians[old], 15.0),
        *claims,
        Claim("With the settings chosen for another system reservoirs are worse than with their own: how often, lower "
              "end", 0.5, better(errors, tuned, "echo state, another's settings"), 0.0, "at least", control=True),
        *(
            Claim(f"{label} are better than the best published median, that of N-BEATS (median sMAPE, upper end of its "
                  "95 % interval)", best, spans[name][1], 0.0, "at most")
            for label, name in (("Tuned reservoirs", tuned), ("Polynomials", "polynomial"))
        ),
        Claim("... linear maps are not, however they are tuned (lower end)", best, spans["linear"][0], 0.0, "at least",
              control=True),
        Claim("The GRU is better than the published LSTM (upper end)", PUBLISHED_MEDIANS["LSTM"], spans["GRU"][1], 0.0,
              "at most"),
        Claim("Residual perceptrons are better than the published neural ODE (upper end)",
              PUBLISHED_MEDIANS["neural ODE"], spans["MLP"][1], 0.0, "at most"),
        Claim("Tuned reservoirs forecast better than either of the trained networks: how often, the lower of two lower "
              "ends", 0.5, min(better(errors, tuned, "GRU"), better(errors, tuned, "MLP")), 0.0, "at least"),
    ]  # fmt: skip


def _noisy(scores: xr.Dataset, spans: dict[str, tuple[float, float]], whole: bool) -> list[Claim]:
    errors = scores["error"]
    claims = [
        Claim("With noise tuned reservoirs are still better than those with the published settings on the same series: "
              "how often, lower end", 0.5, better(errors, "echo state", "echo state, as published"), 0.0, "at least"),
    ]  # fmt: skip
    if whole:
        claims.append(
            Claim("... and better than the published medians of reservoirs, NVAR and the neural ODE, of series without "
                  "noise (upper end)", PUBLISHED_MEDIANS["neural ODE"], spans["echo state"][1], 0.0, "at most")
        )  # fmt: skip
    return claims
