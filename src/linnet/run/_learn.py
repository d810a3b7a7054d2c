"""`linnet learn`: predict, train, compare, report; every stage a checkpoint."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.random as jr
import numpy as np
import xarray as xr

from .. import analyse, store
from .._cite import bibliography
from ..config import LearnConfig
from ._agreement import tie_groups
from ._networks import Spec, main_spec, make_specs
from ._noise import noise_edge
from ._predict import predict_spec
from ._problem import Problem, describe, read_problem
from ._rate import check_rate
from ._session import begin, finite, located, resume_note, session
from ._summary import citation_keys, difference, summarise
from ._train import LONGER, train_linear, train_nonlinear

Progress = Callable[[str, int, int], None]

#: Keys of what is not a network, apart from those of `Spec.index`.
_NOISE = 1000


def learn(
    config: LearnConfig,
    file: str = "",
    *,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Predicts what networks will learn from data, checks it by training, and writes a report.

    The same config on the same data with the same version of linnet is the same run: a finished one is found, an
    interrupted one continues where it stopped and ends with the same numbers, bit for bit.

    Args:
        config: the settings.
        file: a table or a time series; "" for scikit-learn's digits.
        out: the folder of runs.
        force: repeat a finished run.
        resume: say so if there was nothing to resume.
        command: what the user typed, for the record.
        progress: called with the name of a stage, how much is done and of how much.

    Returns:
        The summary: `modes`, `order_agreement`, `stopping`, `report`, `run` and more; plain values without NaN.

    Raises:
        ValueError: a sentence for everything about the data, the settings or the output folder that does not work.
    """
    inputs = {"data": store.file_digest(file) if file else "scikit-learn digits"}
    name = f"learn-{_slug(Path(file).stem) if file else 'digits'}"
    run = begin("learn", name, config, inputs, out, force=force, command=command, paths={"data": file})
    if run.state == store.FINISHED:
        return located(run)
    with session(run):
        resume_note(run, resume)
        summary = _execute(run, config, file, command, progress)
        run.finish(answer=summary["answer"], summary=summary)
    return summary


def _execute(run: store.RunFolder, config: LearnConfig, file: str, command: str, progress: Progress) -> dict[str, Any]:
    started = time.monotonic()
    progress("reading", 0, 0)
    problem = read_problem(config, file)
    specs = make_specs(problem, config)
    main, linear = main_spec(specs), [spec for spec in specs if spec.linear]
    if not problem.is_series:  # Known before anything is trained, so that a rate that cannot work costs nothing.
        check_rate(config.rate, _table_rate(problem))
    progress("noise edge", 0, 0)
    task = _stage(run, "describe", lambda: _describe(problem, config))

    theories: dict[str, xr.Dataset] = {}
    for spec in linear:
        progress(f"predicting {spec.title}", 0, 0)
        theories[spec.name] = _stage(run, f"predict-{spec.name}", lambda spec=spec: predict_spec(spec, problem, config))

    trained: dict[str, xr.Dataset] = {}
    for spec in linear:
        ts = theories[spec.name]["time"].values
        trained[spec.name] = _train_stage(
            run, spec, progress, lambda spec, kept, told, ts=ts: train_linear(spec, problem, config, ts, kept, told)
        )
    end = config.time or _nonlinear_end(task, theories, main, config)
    rate = check_rate(
        config.rate, trained[main.name].attrs["largest_stable_rate"] if problem.is_series else _table_rate(problem)
    )
    ends = np.median(trained[main.name]["mode_strengths"].values[:, -1], axis=0)
    for spec in specs:
        if not spec.linear:
            trained[spec.name] = _train_stage(
                run,
                spec,
                progress,
                lambda spec, kept, told: train_nonlinear(spec, problem, config, end, rate, ends, kept, told),
            )
            _check_diverged(spec, trained[spec.name], config)

    progress("writing the report", 0, 0)
    groups: dict[str, xr.Dataset] = {"/task": task}
    for spec in specs:
        groups[f"/networks/{spec.name}/simulation"] = trained[spec.name]
        if spec.name in theories:
            theory = theories[spec.name]
            groups[f"/networks/{spec.name}/theory/{theory.attrs['theory']}"] = theory
            groups[f"/networks/{spec.name}/difference"] = difference(theory, trained[spec.name])
    tree = xr.DataTree.from_dict(groups)
    store.write_data(run, tree)
    run.write(store.CITATIONS, bibliography(citation_keys(specs, theories, problem)))
    summary = summarise(problem, specs, main, task, theories, trained)
    summary = {
        **summary,
        "run": str(run.path),
        "report": str(run.path / "report" / "index.html"),
        "file": file or None,
        "command": command,
        "seconds": round(time.monotonic() - started, 1),
    }
    from .. import report

    summary = finite(summary)
    report.write_learn_report(run.path, tree, summary)
    return summary


def _stage(run: store.RunFolder, name: str, compute: Callable[[], xr.Dataset]) -> xr.Dataset:
    started = time.monotonic()

    def timed() -> xr.Dataset:
        dataset = compute()
        run.log(stage=name, seconds=round(time.monotonic() - started, 3), **_numbers(dataset))
        return dataset

    return store.stage(run, name, timed)


def _train_stage(run: store.RunFolder, spec: Spec, progress: Progress, train: Callable) -> xr.Dataset:
    title = f"training {spec.title}"
    progress(title, 0, 0)
    checkpointer = store.FolderCheckpointer(run, f"chunks-{spec.name}")
    found = _stage(
        run,
        f"train-{spec.name}",
        lambda: train(spec, checkpointer, lambda done, total: progress(title, done, total)),
    )
    checkpointer.remove()
    return found


def _describe(problem: Problem, config: LearnConfig) -> xr.Dataset:
    key = jr.fold_in(jr.key(config.seed), _NOISE)
    edge, permuted = noise_edge(problem.samples.train, problem.task.report.parts[0], config.permutations, key=key)
    return describe(problem, edge, permuted, tie_groups(np.asarray(problem.modes.singular_values)[: problem.num_modes]))


def _numbers(dataset: xr.Dataset) -> dict[str, float]:
    names = [name for name in ("loss", "validation_loss", "test_loss") if name in dataset]
    return {str(name): finite(float(np.median(dataset[name].values[:, -1]))) for name in names}


def _table_rate(problem: Problem) -> float:
    return float(analyse.largest_stable_rate_at_minimum(problem.moments.train, 2))


def _nonlinear_end(task: xr.Dataset, theories: dict[str, xr.Dataset], main: Spec, config: LearnConfig) -> float:
    """When the slowest mode above the noise edge should be learned by a nonlinear network."""
    above = task["above_noise_edge"].values
    above = above if above.any() else np.ones_like(above)
    if main.depth in (None, 2):
        times = np.median(theories[main.name]["half_times"].values, axis=0)[above]
        found = times[np.isfinite(times)]
        return LONGER * float(np.max(found, initial=0)) or float(theories[main.name]["time"][-1])
    # The growth of a two-layer network from small random weights: u0 = hidden sigma^2 / 2, du/dt = 2 u (s - u).
    values = task["singular_values"].values[above]
    start = config.hidden * config.scale**2 / 2
    return LONGER * float(np.max((1 + np.log1p(values / start)) / (2 * values)))


def _check_diverged(spec: Spec, trained: xr.Dataset, config: LearnConfig) -> None:
    if np.all(trained["result"].values == 1):
        rate = trained.attrs["rate"]
        raise ValueError(
            f"Every {spec.title} diverged at a learning rate of {rate:.4g}, which linear networks endure: "
            f"choose a smaller one, such as --rate {rate / 4:.2g}."
        )


def _slug(name: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name.lower())
    return kept.strip("-.")[:40] or "data"
