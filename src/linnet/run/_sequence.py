"""`linnet sequence TASK`: train, test far beyond the training length, and hold it against chance and a control."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from .. import nn, store, tasks
from .._cite import bibliography, citations
from ..config import SequenceConfig
from ._sequence_plan import Contestant, contestants, lengths_of, make_task
from ._sequence_train import check_model, measure, sizes_of, train
from ._session import begin, finite, located, resume_note, session

Progress = Callable[[str, int, int], None]

#: From this accuracy, of what there is above chance, a length counts as solved.
SOLVED = 0.9


def sequence(
    config: SequenceConfig,
    name: str,
    *,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Trains a layer and its negative control on a task and measures both by length.

    Args:
        config: the settings.
        name: the task, one of `linnet.tasks.SEQUENCE_TASKS`.
        out: the folder of runs.
        force: repeat a finished run.
        resume: say so if there was nothing to resume.
        command: what the user typed, for the record.
        progress: called with the name of a stage, how much is done and of how much.

    Returns:
        The summary: `task`, `layer`, `chance`, `train_length`, `accuracy_by_length` (medians over seeds), `solved_to`,
        `control` (with the same), `answer`, `report`, `run` and more; plain values without NaN.

    Raises:
        ValueError: a sentence for everything about the task, the settings or the output folder that does not work.
    """
    task = make_task(name, config)
    lengths = lengths_of(task, config)
    fighters = contestants(config, steps_of(task, lengths))
    for fighter in fighters:
        check_model(fighter, sizes_of(task), config)
    run = begin("sequence", f"sequence-{task.name}", config, {}, out, force=force, command=command)
    if run.state == store.FINISHED:
        return located(run)
    with session(run):
        resume_note(run, resume)
        started = time.monotonic()
        found = {f.name: run_contestant(run, f.name, f, task, lengths, config, progress) for f in fighters}
        groups = {f"/layers/{key}/{part}": data for key, parts in found.items() for part, data in parts.items()}
        store.write_data(run, xr.DataTree.from_dict(groups))
        keys = [key for f in fighters for key in citations(nn.LAYERS[f.layer])]
        run.write(store.CITATIONS, bibliography(dict.fromkeys([*keys, *citations(type(task))])))
        summary = _summary(run, task, config, fighters, found, command)
        summary = finite({**summary, "seconds": round(time.monotonic() - started, 1)})
        progress("writing the report", 0, 0)
        from .. import report

        report.write_sequence_report(run.path, summary)
        run.finish(answer=summary["answer"], summary=summary)
    return summary


def steps_of(task: Any, lengths: list[int]) -> int:
    """The steps of the longest sequence, with those at which an answer is asked for."""
    return task.num_steps(max(lengths)) if isinstance(task, tasks.AbstractTokenTask) else max(lengths)


def run_contestant(
    run: store.RunFolder,
    name: str,
    contestant: Contestant,
    task: Any,
    lengths: list[int],
    config: SequenceConfig,
    progress: Progress,
) -> dict[str, xr.Dataset]:
    """Trains a layer and measures it by length, or reads both back: "training" and "test"."""
    title = f"training {contestant.about} on {task.name}"
    progress(title, 0, 0)
    trained, models = train(run, name, contestant, task, config, lambda done, total: progress(title, done, total))
    progress(f"testing {contestant.about} on {task.name}", 0, 0)
    tested = store.stage(run, f"test-{name}", lambda: measure(models, task, lengths, config))
    return {"training": trained, "test": tested}


def by_length(tested: xr.Dataset) -> dict[str, float]:
    """The median accuracy over seeds at each length."""
    medians = np.median(tested["accuracy"].values, axis=0)
    return {str(length): float(share) for length, share in zip(tested["length"].values, medians, strict=True)}


def solved_to(accuracies: dict[str, float], chance: float, train_length: int) -> int | None:
    """The longest tested length up to which, from the training length on, each length is solved."""
    last = None
    for length, share in accuracies.items():
        if int(length) < train_length:
            continue
        if share < chance + SOLVED * (1 - chance):
            break
        last = int(length)
    return last


def _summary(
    run: store.RunFolder,
    task: Any,
    config: SequenceConfig,
    fighters: list[Contestant],
    found: dict[str, dict[str, xr.Dataset]],
    command: str,
) -> dict[str, Any]:
    entries = []
    for fighter in fighters:
        parts = found[fighter.name]
        accuracies = by_length(parts["test"])
        trained = parts["training"]
        entries.append(
            {
                "layer": fighter.layer,
                "about": fighter.about,
                "settings": fighter.settings,
                "parameters": trained.attrs["parameters"],
                "accuracy_by_length": accuracies,
                "solved_to": solved_to(accuracies, task.chance, task.length),
                "steps": trained["step"].values.tolist(),
                "loss": np.median(trained["loss"].values, axis=0).tolist(),
                "training_accuracy": np.median(trained["accuracy"].values, axis=0).tolist(),
                "diverged": int(np.sum(trained["result"].values != 0)),
            }
        )
    first, control = entries[0], entries[1] if len(entries) > 1 else None
    return {
        "task": task.name,
        "chance": task.chance,
        "train_length": task.length,
        "lengths": [int(length) for length in first["accuracy_by_length"]],
        **first,
        "control": control,
        "seeds": config.seeds,
        "samples": config.samples,
        "batch": config.batch,
        "answer": answer(task.name, task.length, task.chance, first, control),
        "command": command,
        "run": str(run.path),
        "report": str(run.path / "report" / "index.html"),
    }


def answer(task: str, trained: int, chance: float, first: dict[str, Any], control: dict[str, Any] | None) -> str:
    """What was found, in a sentence or two."""
    shares = first["accuracy_by_length"]
    longest = max(map(int, shares))
    at = [f"{_percent(shares[str(trained)])} at length {trained}"] if str(trained) in shares else []
    if longest > trained:
        at.append(f"{_percent(shares[str(longest)])} at {longest}, {longest / trained:.3g} times as long")
    said = (
        f"{first['about']}, trained on {task} up to length {trained}: {' and '.join(at)}; chance is {_percent(chance)}"
    )
    if first["solved_to"] is not None and 2 * trained <= first["solved_to"] < longest:
        said += f"; solved up to length {first['solved_to']}"
    if control is None:
        return f"{said}."
    share = control["accuracy_by_length"].get(str(trained), float("nan"))
    return f"{said}. The control ({control['about']}): {_percent(share)} at length {trained}."


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
