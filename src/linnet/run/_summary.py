"""What a run of `linnet learn` adds up to: the numbers of the JSON object and of the report."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from .. import nn, tasks, theory as theories
from .._cite import citations
from ._agreement import order_agreement, relative_error, stopping_time
from ._answer import answer, departure_sentence
from ._networks import Spec
from ._problem import Problem

#: How many columns and targets of a mode are named.
NAMED = 6


def summarise(
    problem: Problem,
    specs: list[Spec],
    main: Spec,
    task: xr.Dataset,
    theory: Mapping[str, xr.Dataset],
    trained: Mapping[str, xr.Dataset],
) -> dict[str, Any]:
    """All numbers of a run, as plain values.

    Args:
        problem: the data.
        specs: the networks.
        main: the network that `predicted_time` and `measured_time` are about.
        task: the group `/task`.
        theory: the predictions by network.
        trained: the simulations by network.

    Returns:
        The summary, which may hold NaN.
    """
    predicted = {name: _median(data["half_times"].values) for name, data in theory.items()}
    measured = {name: _median(data["half_times"].values) for name, data in trained.items()}
    ties = task["tie"].values
    agreements = {name: order_agreement(predicted[name], measured[name], ties) for name in predicted}
    modes = [_mode(index, task, main, predicted, measured) for index in range(problem.num_modes)]
    stopping = _stopping(main, theory[main.name], trained[main.name])
    summary = {
        "modes": modes,
        "order_agreement": agreements[main.name],
        "order_agreements": agreements,
        "stopping": stopping,
        "noise_edge": float(task["noise_edge"]),
        "main": main.name,
        "time_columns": {spec.name: spec.title for spec in specs if spec.linear},
        "theories": {name: _theory(data) for name, data in theory.items()},
        "departure": {spec.name: _departure(spec, main, measured, trained) for spec in specs if not spec.linear},
        "networks": [_network(spec, trained[spec.name]) for spec in specs],
        "data": {**problem.task.report.to_dict(), "sentences": list(problem.task.report.sentences())},
        "notes": _notes(specs, trained),
    }
    return {"answer": answer(summary, main, problem), **summary}


def difference(theory: xr.Dataset, simulation: xr.Dataset) -> xr.Dataset:
    """Simulation less theory: medians over the ensemble of strengths and losses; relative errors of half times."""
    names = [name for name in ("mode_strengths", "loss", "validation_loss") if name in theory and name in simulation]
    data: dict[str, Any] = {
        name: (
            simulation[name].dims[1:],
            np.median(simulation[name].values, axis=0) - np.median(theory[name].values, axis=0),
        )
        for name in names
    }
    predicted, measured = _median(theory["half_times"].values), _median(simulation["half_times"].values)
    errors = [relative_error(p, m) for p, m in zip(predicted, measured)]
    data["half_times"] = ("mode", np.array([np.nan if e is None else e for e in errors]))
    return xr.Dataset(data, {"time": simulation["time"].values, "mode": simulation["mode"].values})


def citation_keys(specs: list[Spec], theory: Mapping[str, xr.Dataset], problem: Problem) -> list[str]:
    """The keys of the works that a run used."""
    used = {data.attrs["theory"] for data in theory.values()}
    things: list[Any] = [type(t) for t in theories.THEORIES if type(t).__name__ in used]
    if problem.is_series:
        things += [nn.LinearRNN, nn.VanillaRNN, nn.GRU]
    if problem.task.report.format == "arrays":
        things.append(tasks.digits)
    return [key for thing in things for key in citations(thing)]


def _median(times: np.ndarray) -> np.ndarray:
    """The median over members, where a mode that was never learned counts as learned last."""
    middle = np.median(np.where(np.isnan(times), np.inf, times), axis=0)
    return np.where(np.isfinite(middle), middle, np.nan)


def _mode(
    index: int, task: xr.Dataset, main: Spec, predicted: dict[str, np.ndarray], measured: dict[str, np.ndarray]
) -> dict[str, Any]:
    at, seen = float(predicted[main.name][index]), float(measured[main.name][index])
    return {
        "singular_value": float(task["singular_values"].values[index]),
        "strength": float(task["strengths"].values[index]),
        "predicted_time": at,
        "measured_time": seen,
        "relative_error": relative_error(at, seen),
        "above_noise_edge": bool(task["above_noise_edge"].values[index]),
        "tie": int(task["tie"].values[index]),
        "predicted_times": {name: float(times[index]) for name, times in predicted.items()},
        "measured_times": {name: float(times[index]) for name, times in measured.items()},
        "inputs": _named("column", task["column"].values, task["in_columns"].values[:, index]),
        "outputs": _named("target", task["output"].values, task["left"].values[:, index]),
    }


def _named(what: str, names: np.ndarray, weights: np.ndarray) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(weights), kind="stable")[:NAMED]
    return [{what: str(names[i]), "weight": round(float(weights[i]), 4)} for i in order]


def _stopping(main: Spec, theory: xr.Dataset, trained: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {"predicted": None, "measured": None, "network": main.name}
    if "validation_loss" not in trained:
        return found
    ts = trained["time"].values
    losses = np.median(trained["validation_loss"].values, axis=0)
    found["measured"] = stopping_time(ts, losses)
    if "validation_loss" in theory:
        found["predicted"] = stopping_time(theory["time"].values, np.median(theory["validation_loss"].values, axis=0))
    best = int(np.nanargmin(losses))
    found |= {"validation_loss_at_stop": float(losses[best]), "validation_loss_at_end": float(losses[-1])}
    if "test_loss" in trained:
        tested = np.median(trained["test_loss"].values, axis=0)
        found |= {"test_loss_at_stop": float(tested[best]), "test_loss_at_end": float(tested[-1])}
    return found


def _theory(data: xr.Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {"theory": data.attrs["theory"], "assumptions": []}
    if "assumption" in data.coords:
        rows = zip(
            data["assumption"].values,
            data["assumption_value"].values,
            data["assumption_threshold"].values,
            data["statement"].values,
        )
        found["assumptions"] = [
            {
                "name": str(name),
                "value": float(value),
                "threshold": float(threshold),
                "holds": bool(value <= threshold),
                "statement": str(statement),
            }
            for name, value, threshold, statement in rows
        ]
    return found


def _departure(
    spec: Spec, main: Spec, measured: dict[str, np.ndarray], trained: Mapping[str, xr.Dataset]
) -> dict[str, Any]:
    """How far a nonlinear network departs from the linear one."""
    ratios = measured[spec.name] / measured[main.name]
    ratio = float(np.nanmedian(ratios)) if np.any(np.isfinite(ratios)) else float("nan")
    lost = int(np.sum(np.isnan(measured[spec.name]) & np.isfinite(measured[main.name])))
    found: dict[str, Any] = {"half_time_ratio": ratio, "modes_not_learned": lost}
    name = "validation_loss" if "validation_loss" in trained[spec.name] else "loss"
    for who, data in (("", trained[spec.name]), ("linear_", trained[main.name])):
        found[f"{who}best_{name}"] = float(np.nanmin(np.nanmedian(data[name].values, axis=0)))
    found["sentence"] = departure_sentence(found, spec, main, name)
    return found


def _network(spec: Spec, data: xr.Dataset) -> dict[str, Any]:
    results = data["result"].values
    return {
        "name": spec.name,
        "title": spec.title,
        "seeds": int(data.sizes["seed"]),
        "diverged": int(np.sum(results == 1)),
        "stopped": int(np.sum(results == 2)),
        "end_time": float(data["time"].values[-1]),
        "rate": data.attrs.get("rate"),
        "steps": data.attrs.get("steps"),
    }


def _notes(specs: list[Spec], trained: Mapping[str, xr.Dataset]) -> list[str]:
    notes = []
    for spec in specs:
        found = _network(spec, trained[spec.name])
        if found["diverged"]:
            notes.append(f"{found['diverged']} of {found['seeds']} members of the {spec.title} ensemble diverged.")
        if found["stopped"]:
            notes.append(
                f"{found['stopped']} of {found['seeds']} members of the {spec.title} ensemble ran out of solver steps."
            )
    return notes
