"""`linnet reconstruct [FILE]`: a time series as a dynamical system that is measured and taken apart."""

import dataclasses
import json
import time
import tomllib
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from .. import analyse, nn, reconstruct as rooms, store, tasks
from .._cite import bibliography, citations
from .._errors import InputError
from ..config import ReconstructConfig
from ._reconstruct_data import SeriesData, read_data
from ._reconstruct_dissect import exponents, points, symbols
from ._reconstruct_judge import order
from ._reconstruct_measure import forecast_test, free_run, measure, scales
from ._reconstruct_models import RESERVOIRS, Plan, make_forcing, make_network, make_plan
from ._reconstruct_summary import growth, summarise
from ._reconstruct_train import load, train
from ._session import begin, finite, located, resume_note, session

Progress = Callable[[str, int, int], None]

KIND = "reconstruct"

#: Points of the free run that are kept for the symbols and the exponents.
_ORBIT = 20_000


def reconstruct(
    config: ReconstructConfig,
    name: str = "",
    *,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Trains recurrent networks on a time series until they run like it, and takes the best of them apart.

    The same config on the same data with the same version of linnet is the same run: a finished one is found, an
    interrupted one continues where it stopped and ends with the same numbers, bit for bit.

    Args:
        config: the settings.
        name: a file, a name of real data, or a system of `linnet.systems`; "" for Lorenz-63.
        out: the folder of runs.
        force: repeat a finished run.
        resume: say so if there was nothing to resume.
        command: what the user typed, for the record.
        progress: called with the name of a stage, how much is done and of how much.

    Returns:
        The summary: `state_space_divergence`, `power_spectrum_distance`, `prediction_error`, `scales`,
        `lyapunov_exponents`, `failure_rate`, `report`, `run` and more; plain values without NaN.

    Raises:
        ValueError: a sentence for everything about the data, the settings or the output folder that does not work.
    """
    progress("reading", 0, 0)
    data = read_data(config, name)
    plan = make_plan(config, data)
    inputs, paths = {"data": data.digest}, {"data": name}
    run = begin(KIND, f"{KIND}-{data.slug}", config, inputs, out, force=force, command=command, paths=paths)
    if run.state == store.FINISHED:
        return located(run)
    with session(run):
        resume_note(run, resume)
        started = time.monotonic()
        tree = _stages(run, plan, data, config, progress)
        store.write_data(run, tree)
        run.write(store.CITATIONS, bibliography(dict.fromkeys(_keys(plan))))
        summary = summarise(plan, data, tree)
        summary = finite(
            {
                **summary,
                "file": name or None,
                "command": command,
                "seconds": round(time.monotonic() - started, 1),
                "run": str(run.path),
                "report": str(run.path / "report" / "index.html"),
            }
        )
        progress("writing the report", 0, 0)
        from .. import report

        report.write_reconstruct_report(run.path, tree, summary)
        run.finish(answer=summary["answer"], summary=summary)
    return summary


def forecast(name: str, steps: int, *, out: str = "", runs: str = "runs") -> dict[str, Any]:
    """Continues the series of a `linnet reconstruct` run beyond its end.

    Args:
        name: the run: a path, a name, or the unique beginning of its name or hash.
        steps: how many points.
        out: a CSV file to write, or "".
        runs: the folder of runs.

    Returns:
        `columns`, `times`, `dates` where the series has some, `forecast` (step by column), `diverged`, `horizon_steps`,
        `file`, `run` and more.

    Raises:
        ValueError: if the run has no model, or a number is out of range.
    """
    if steps < 1:
        raise InputError(f"--steps must be at least 1, got {steps}.")
    run = store.find_run(name, runs)
    record = tomllib.loads((run.path / store.CONFIG).read_text(encoding="utf-8")).get("config", {})
    if record.get("kind") != KIND:
        raise InputError(f"{run.path} is no run of `linnet reconstruct`, and only those have a model of a series.")
    if run.state != store.FINISHED:
        raise InputError(f"{run.path} is {run.state} and has no model yet: run its command again to end it.")
    tree = store.read_data(run)
    plan, data = _stored(tree)
    trained = load(run, plan)
    if trained is None:
        raise store.StoreError(f"The models of {run.path} cannot be read back; repeat the run with --force.")
    seed = order(tree["training"].to_dataset())[0]
    one = trained.reconstruction(seed)
    strength = float(tree["forecast"].attrs["strength"])
    series = np.concatenate([data.train, data.test]) if data.embedding is None else data.test
    found = one.forecast(series, steps, strength=strength)
    good = int(found.num_valid)
    # Of a delay embedding the first column is the channel, the others are its past.
    shown = 1 if data.embedding else len(data.names)
    values = np.asarray(found.values, float)[:good, :shown]
    times = data.end + data.dt * np.arange(1, good + 1)
    summary = run.meta.get("summary") or {}
    content: dict[str, Any] = {
        "run": str(run.path),
        "title": data.title,
        "columns": list(data.names[:shown]),
        "steps": steps,
        "unit": data.unit,
        "times": times.tolist(),
        "dates": tasks.dates_after(data.origin, data.unit, times) if data.origin else None,
        "forecast": values.tolist(),
        "diverged": bool(found.diverged),
        "message": found.message if bool(found.diverged) else None,
        "horizon_steps": (summary.get("forecast") or {}).get("good_steps"),
        "file": None,
    }
    if out:
        lines = [",".join(_quoted(word) for word in ("time", *content["columns"]))]
        stamps = content["dates"] or [repr(float(f"{value:.12g}")) for value in times]
        lines += [",".join([stamp, *map(repr, row)]) for stamp, row in zip(stamps, values.tolist(), strict=True)]
        content["file"] = str(store.write(out, "\n".join(lines) + "\n"))
    return finite(content)


def _stages(
    run: store.RunFolder, plan: Plan, data: SeriesData, config: ReconstructConfig, progress: Progress
) -> xr.DataTree:
    """All stages of a run, each computed or read back."""
    kept = store.stage(run, "data", lambda: _described(plan, data))
    told = f"training {plan.about}"
    progress(told, 0, 0)
    found, trained = train(run, plan, data, config, lambda done, total: progress(told, done, total))
    best = order(found)[0]
    one = trained.reconstruction(best)
    progress("measuring all seeds on the test part", 0, 0)
    measured = store.stage(run, "measure", lambda: measure(trained, plan, data, config))
    progress("the scales of the metrics", 0, 0)
    calibrated = store.stage(run, "scales", lambda: scales(data, plan, config))
    progress("taking the best one apart", 0, 0)
    free = store.stage(run, "free-run", lambda: _orbit(one, data))
    orbit = free["state"].values
    lyapunov = store.stage(run, "exponents", lambda: exponents(one, orbit, bool(free.attrs["diverged"])))
    fixed = store.stage(run, "points", lambda: points(one, orbit, config.seed))
    groups = {
        "/data": kept,
        "/training": found.assign_attrs(best=best),
        "/metrics": measured,
        "/scales": calibrated,
        "/free_run": free.drop_vars("state"),
        "/exponents": lyapunov,
        "/fixed_points": fixed,
    }
    if isinstance(one.model, nn.AbstractPiecewiseLinear):
        groups["/symbols"] = store.stage(run, "symbols", lambda: symbols(one, orbit))
    progress("forecasts", 0, 0)
    groups["/forecast"] = store.stage(run, "forecast", lambda: forecast_test(one, plan, data, growth(lyapunov)))
    return xr.DataTree.from_dict(groups)


def _described(plan: Plan, data: SeriesData) -> xr.Dataset:
    """The data as they are trained and tested on, with all that it takes to go on with them."""
    plain = {**dataclasses.asdict(data), "plan": dataclasses.asdict(plan)}
    values = {part: ((f"{part}_time", "column"), plain.pop(part)) for part in ("train", "test")}
    coords = {"column": np.array(data.names)}
    return xr.Dataset(values, coords, {"about": json.dumps(plain, ensure_ascii=False)})


def _stored(tree: xr.DataTree) -> tuple[Plan, SeriesData]:
    """Plan and data of a finished run."""
    kept = tree["data"].to_dataset()
    about = json.loads(kept.attrs["about"])
    plan = Plan(**about.pop("plan"))
    lists = {name: tuple(value) for name, value in about.items() if isinstance(value, list)}
    return plan, SeriesData(**{**about, **lists, "train": kept["train"].values, "test": kept["test"].values})


def _orbit(one: Any, data: SeriesData) -> xr.Dataset:
    """The free run that is shown, and a latent orbit of which the model is taken apart."""
    shown = free_run(one, data)
    num = len(data.test)
    long = free_run(one, data, int(np.clip(4 * num, 4000, _ORBIT)))
    whole = int(long.num_valid)
    states = np.asarray(long.states, float)[:whole]
    states = states[len(states) // 5 :] if len(states) > 10 else np.asarray(long.states, float)[-2:]
    values = np.asarray(shown.values, float)[-num:]
    attributes = {"diverged": int(bool(shown.diverged) or bool(long.diverged)), "valid": int(shown.num_valid)}
    return xr.Dataset(
        {"values": (("time", "column"), values), "state": (("orbit_time", "unit"), states)},
        {"column": np.array(data.names)},
        attributes,
    )


def _keys(plan: Plan) -> list[str]:
    """References of all that a run used."""
    import jax.random as jr

    network = make_network(plan, key=jr.key(0))
    used = [type(getattr(network, "network", network)), analyse.state_space_divergence, analyse.lyapunov_spectrum]
    used += [analyse.cycles, analyse.symbolic_dynamics] if isinstance(network, nn.AbstractPiecewiseLinear) else [
        analyse.fixed_points
    ]  # fmt: skip
    used += [rooms.fit_readout] if plan.model in RESERVOIRS else [rooms.fit, type(make_forcing(plan))]
    return [key for one in (*used, analyse.valid_time, analyse.kaplan_yorke_dimension) for key in citations(one)]


def _quoted(word: str) -> str:
    return f'"{word}"' if "," in word or '"' in word else word
