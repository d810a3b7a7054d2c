"""What the reconstructions of `linnet reconstruct` are worth on the part of the series that they have not seen."""

from typing import Any

import jax.random as jr
import numpy as np
import xarray as xr

from .. import analyse
from ..config import ReconstructConfig
from ..reconstruct import Reconstruction
from ._reconstruct_data import SeriesData, noiseless
from ._reconstruct_forecast import best_strength, horizon, prediction_errors
from ._reconstruct_judge import Measure, make_measure, spectrum_width
from ._reconstruct_models import Plan
from ._reconstruct_train import Trained

METRICS = ("state_space_divergence", "power_spectrum_distance", "prediction_error")

#: A free run is longer than the test part by its first fifth, which is left out.
_LONGER = 1.25

#: How much of the past is taken up before a free run or a forecast.
_PAST = 200

#: The longest forecasts that are held against what came.
_LONGEST = 1000

_SCALES = 0x7363616C


def free_run(one: Reconstruction, data: SeriesData, num: int | None = None) -> Any:
    """A free run from the end of the training part, by default as long as the test part after its transient."""
    num = int(round(_LONGER * len(data.test))) if num is None else num
    return one.free_run(num, start=data.train[-_PAST:])


def measure(trained: Trained, plan: Plan, data: SeriesData, config: ReconstructConfig) -> xr.Dataset:
    """All metrics of all seeds on the test part; infinite of a run that left every bound."""
    rows: dict[str, list[float]] = {name: [] for name in (*METRICS, "diverged", "valid_points")}
    for seed in range(plan.seeds):
        one = trained.reconstruction(seed)
        found = measure_one(one, plan, data, config)
        for name, values in rows.items():
            values.append(found[name])
    kinds = {"diverged": bool, "valid_points": int}
    variables = {name: ("seed", np.asarray(values, kinds.get(name, float))) for name, values in rows.items()}
    return xr.Dataset(variables, {"seed": np.arange(plan.seeds)})


def measure_one(one: Reconstruction, plan: Plan, data: SeriesData, config: ReconstructConfig) -> dict[str, float]:
    """The metrics of one model."""
    truth = np.asarray(one.standardise(data.test), float)
    run = free_run(one, data)
    error, _, _ = prediction_errors(one, data.train[-_PAST:], data.test, plan.ahead, 1.0)
    diverged = bool(run.diverged)
    found: dict[str, float] = {"diverged": diverged, "valid_points": int(run.num_valid), "prediction_error": error}
    if diverged:
        return {**found, "state_space_divergence": np.inf, "power_spectrum_distance": np.inf}
    values = np.asarray(one.standardise(run.values), float)[len(run.values) - len(truth) :]
    options = make_measure(len(data.train), plan.columns).options(_key(config))
    divergence = float(analyse.state_space_divergence(truth, values, **options))
    distance = float(analyse.power_spectrum_distance(truth, values, sigma=spectrum_width(len(truth))))
    return {**found, "state_space_divergence": divergence, "power_spectrum_distance": distance}


def scales(data: SeriesData, plan: Plan, config: ReconstructConfig) -> xr.Dataset:
    """The same metrics of the truth against itself and of models that know little.

    Where the data come from a system of the table, "system" is its own orbit without observation noise: no model can be
    expected to be nearer than that.
    """
    mean, scale = data.train.mean(axis=0), data.train.std(axis=0)
    truth, past = (data.test - mean) / scale, (data.train - mean) / scale
    method: Measure = make_measure(len(data.train), plan.columns)
    divergence = method.options(_key(config))
    key = divergence.pop("key", _key(config))
    options: dict[str, Any] = {
        "sigma": spectrum_width(len(truth)),
        "divergence": divergence,
        "n": plan.ahead,
        "key": key,
    }
    found = {name: dict(row) for name, row in analyse.metric_scales(truth, past=past, **options).scales.items()}
    # Of as many points as the truth and the model's run: more of them would fill more bins.
    compared = {"floor": past[-len(truth) :]}
    orbit = noiseless(data)
    if orbit is not None:
        found["system"] = {"prediction_error": np.nan}
        compared["system"] = (orbit - mean) / scale
    for name, values in compared.items():
        distance = analyse.state_space_divergence(truth, values, **method.options(_key(config)))
        spectra = analyse.power_spectrum_distance(truth, values, sigma=spectrum_width(len(truth)))
        found[name] |= {"state_space_divergence": float(distance), "power_spectrum_distance": float(spectra)}
    # A shifted copy has the very same spectrum, but for rounding.
    found["shifted"]["power_spectrum_distance"] = 0.0
    rows = {metric: ("scale", np.asarray([row[metric] for row in found.values()], float)) for metric in METRICS}
    attributes = {"method": method.method, "bins": method.bins, "variance": method.variance}
    return xr.Dataset(rows, {"scale": np.array(list(found))}, attributes)


def forecast_test(one: Reconstruction, plan: Plan, data: SeriesData, exponent: float | None) -> xr.Dataset:
    """Long forecasts over the test part: for how many steps each is good, and one of them to look at.

    Args:
        one: the model.
        plan: its plan.
        data: the series.
        exponent: the largest Lyapunov exponent per step, which says how long forecasts can be good at all.
    """
    longest = min(_LONGEST, len(data.test) // 2)
    num = longest if exponent is None else int(np.clip(8 / exponent, min(20, longest), longest))
    strength = best_strength(one, data.train, plan.ahead)
    past = data.train[-_PAST:]
    _, found, starts = prediction_errors(one, past, data.test, num, strength)
    truth = np.asarray(one.standardise(data.test), float)
    steps = horizon(found, starts, truth)
    last_known = np.broadcast_to(truth[starts][:, None], found.shape)
    persistence = horizon(np.asarray(last_known), starts, truth)
    errors = np.stack(
        [(row - truth[start + 1 : start + 1 + num]) ** 2 for row, start in zip(found, starts, strict=True)]
    )
    with np.errstate(over="ignore"):
        rms = np.sqrt(np.median(np.mean(errors, axis=2), axis=0))
    shown = one.forecast(data.train, num, strength=strength)
    values = np.asarray(shown.values, float)
    return xr.Dataset(
        {
            "good_steps": ("start", steps),
            "persistence_steps": ("start", persistence),
            "error": ("step", rms),
            "forecast": (("step", "column"), values),
            "came": (("step", "column"), data.test[:num]),
        },
        {"start": starts, "step": np.arange(1, num + 1), "column": np.array(data.names)},
        {"strength": strength, "diverged": int(bool(shown.diverged))},
    )


def _key(config: ReconstructConfig) -> Any:
    return jr.fold_in(jr.key(config.seed), _SCALES)
