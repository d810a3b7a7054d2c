"""`linnet phase`: one number of a study over two of its parameters, simulated and predicted."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import jax.random as jr
import numpy as np
import xarray as xr

from .. import report, store, studies
from .._cite import bibliography, citations
from ..config import PhaseConfig
from ._phase_plan import Plan, make_plan
from ._session import begin, finite, located, resume_note, session

Progress = Callable[[str, int, int], None]


def phase(
    config: PhaseConfig,
    *,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Draws a phase diagram, or finds the finished one of the same settings.

    Where the study has a model of its own, all points and seeds are one compiled program (one for each value of a
    parameter that changes shapes); elsewhere the whole study runs at every point. Either way an interrupted run
    continues where it stopped.

    Args:
        config: the settings.
        out: the folder of runs.
        force: repeat a finished run.
        resume: say so if there was nothing to resume.
        command: what the user typed, for the record.
        progress: called with the name of a stage, how much is done and of how much.

    Returns:
        The summary: `study`, `scalar`, `x` and `y` (each with `name` and `values`), `simulated` and `predicted`
        (medians over seeds, a row for each value of y), `median_gap`, `largest_gap`, `figure`, `data`, `run`, `report`.

    Raises:
        ValueError: a sentence for everything about the settings or the output folder that does not work.
    """
    plan = make_plan(config)
    run = begin("phase", f"phase-{plan.config.study}", plan.config, {}, out, force=force, command=command)
    if run.state == store.FINISHED:
        return located(run)
    with session(run):
        resume_note(run, resume)
        summary = _execute(run, plan, command, progress)
        run.finish(answer=summary["answer"], summary=summary)
    return summary


def _execute(run: store.RunFolder, plan: Plan, command: str, progress: Progress) -> dict[str, Any]:
    started = time.monotonic()
    data, labels = (_whole if plan.model is None else _modelled)(run, plan, progress)
    scalar = str(plan.config.scalar)
    diagram = report.PhaseDiagram(
        study=plan.config.study,
        quantity=labels[scalar][0],
        log=labels[scalar][1],
        x=_axis(plan, 0),
        y=_axis(plan, 1),
        simulated=data[f"simulated_{scalar}"].values,
        predicted=data[f"predicted_{scalar}"].values,
        theory="what the study predicts" if plan.model is None else plan.model.theory,
    )
    names = list(labels)
    roads = {
        road: xr.Dataset({name: data[f"{road}_{name}"] for name in names}, data.coords, {"title": labels[scalar][0]})
        for road in ("simulated", "predicted")
    }
    simulated, predicted = roads["simulated"], roads["predicted"]
    groups = {"/simulation": simulated, "/theory": predicted, "/difference": simulated - predicted}
    path = store.write_data(run, xr.DataTree.from_dict(groups))
    run.write(store.CITATIONS, bibliography(citations(studies.STUDIES[plan.config.study])))
    gaps = diagram.gaps()
    summary = {
        "study": plan.config.study,
        "preset": plan.config.preset,
        "seed": plan.config.seed,
        "scalar": scalar,
        "label": diagram.quantity,
        "scalars": {name: label for name, (label, _) in labels.items()},
        "x": {"name": plan.config.x, "values": diagram.x.values.tolist()},
        "y": {"name": plan.config.y, "values": diagram.y.values.tolist()},
        "fixed": plan.fixed,
        "seeds": plan.config.seeds,
        "simulated": np.transpose(diagram.median("simulated")).tolist(),
        "predicted": np.transpose(diagram.median("predicted")).tolist(),
        "median_gap": gaps[0],
        "largest_gap": gaps[1],
        "failed": int(np.sum(np.isnan(diagram.simulated))),
        "answer": diagram.answer(),
        "command": command,
        "seconds": round(time.monotonic() - started, 1),
        "run": str(run.path),
        "report": str(run.path / "report" / "index.html"),
        "figure": str(run.path / "report" / "figures" / "phase.svg"),
        "data": str(path),
    }
    progress("writing the report", 0, 0)
    summary = finite(summary)
    report.write_phase_report(run.path, diagram, summary)
    return summary


def _axis(plan: Plan, place: int) -> report.PhaseAxis:
    name = list(plan.grid)[place]
    values = plan.grid[name]
    axis = None if plan.model is None else plan.model.axis(name)
    label = name.replace("_", " ") if axis is None else axis.label
    steps = values[1:] / values[:-1] if np.all(values > 0) else np.array([1.0, 2.0])
    # Spaced evenly in the logarithm, as it was made.
    log = len(values) > 2 and bool(np.allclose(steps, steps[0])) if axis is None else axis.spacing == "log"
    return report.PhaseAxis(name, label, values, log)


def _modelled(run: store.RunFolder, plan: Plan, progress: Progress) -> tuple[xr.Dataset, dict[str, tuple[str, bool]]]:
    """All points by the study's model: one program for each value of what changes shapes."""
    model, key, seeds = plan.model, jr.key(plan.config.seed), plan.config.seeds or 1
    shapes = [name for name in plan.grid if model.axis(name).recompiles]
    traced = {name: values for name, values in plan.grid.items() if name not in shapes}
    points = list(itertools.product(*(range(len(plan.grid[name])) for name in shapes)))
    pieces = []
    for place in points:
        values = {name: float(plan.grid[name][index]) for name, index in zip(shapes, place, strict=True)}
        at = ", ".join(f"{name} {value:g}" for name, value in values.items())
        title = f"training {len(pieces) + 1} of {len(points)} ({at})" if at else "training"
        name = "-".join(["points", *map(str, place)])
        checkpointer = store.FolderCheckpointer(run, f"chunks-{name}")

        def compute(values: Any = values, title: str = title, checkpointer: Any = checkpointer) -> xr.Dataset:
            found = studies.evaluate(
                model,
                traced,
                {**plan.fixed, **values},
                seeds,
                key=key,
                checkpointer=checkpointer,
                progress=lambda done, total: progress(title, done, total),
            )
            dims = ("seed", *traced)
            roads = zip(("simulated", "predicted"), found, strict=True)
            return xr.Dataset({f"{road}_{q}": (dims, part[q]) for road, part in roads for q in part})

        progress(title, 0, 0)
        piece = store.stage(run, name, compute)
        checkpointer.remove()
        pieces.append(piece.expand_dims({name: [value] for name, value in values.items()}))
    whole = xr.combine_by_coords(pieces, join="exact") if shapes else pieces[0]
    coords = {"seed": np.arange(seeds), **plan.grid}
    whole = xr.Dataset(whole.data_vars).assign_coords(coords).transpose("seed", *plan.grid)
    return whole, {quantity.name: (quantity.label, quantity.log) for quantity in model.quantities}


def _whole(run: store.RunFolder, plan: Plan, progress: Progress) -> tuple[xr.Dataset, dict[str, tuple[str, bool]]]:
    """The whole study at every point; its numbers are what its claims measure."""
    (x, xs), (y, ys) = plan.grid.items()
    seeds = plan.config.seeds or 1
    study = studies.STUDIES[plan.config.study]
    points = list(itertools.product(range(seeds), range(len(xs)), range(len(ys))))
    number = int(str(plan.config.scalar).removeprefix("claim-"))
    shape = (seeds, len(xs), len(ys))
    labels: dict[str, tuple[str, bool]] = {}
    measured: dict[str, np.ndarray] = {}
    expected: dict[str, np.ndarray] = {}
    for done, place in enumerate(points):
        seed, first, second = place
        settings = plan.at(**{x: xs[first], y: ys[second], "seed": plan.config.seed + seed})
        progress(f"{plan.config.study} at {x} {xs[first]:g}, {y} {ys[second]:g}", done, len(points))

        def compute(settings: Any = settings) -> xr.Dataset:
            claims = study(settings, key=jr.key(settings.seed)).claims
            return xr.Dataset(
                {
                    "statement": ("claim", np.array([claim.statement for claim in claims])),
                    "measured": ("claim", np.array([float(claim.measured) for claim in claims])),
                    "predicted": ("claim", np.array([float(claim.predicted) for claim in claims])),
                }
            )

        found = store.stage(run, f"point-{seed}-{first}-{second}", compute)
        if number > found.sizes["claim"]:
            raise ValueError(
                f"{plan.config.study} has {found.sizes['claim']} claims here, so --scalar cannot be claim-{number}."
            )
        for index, statement in enumerate(found["statement"].values):
            name = f"claim-{index + 1}"
            labels.setdefault(name, (str(statement), False))
            measured.setdefault(name, np.full(shape, np.nan))[place] = found["measured"].values[index]
            expected.setdefault(name, np.full(shape, np.nan))[place] = found["predicted"].values[index]
    dims = ("seed", x, y)
    variables = {f"simulated_{name}": (dims, part) for name, part in measured.items()}
    variables |= {f"predicted_{name}": (dims, part) for name, part in expected.items()}
    return xr.Dataset(variables, {"seed": np.arange(seeds), x: xs, y: ys}), labels
