"""`linnet sequence scoreboard`: a grid of layers and tasks as one resumable job."""

import dataclasses
import inspect
import time
from collections.abc import Callable
from typing import Any

import xarray as xr

from .. import nn, store
from .._cite import bibliography, citations
from ..config import SequenceConfig
from ._sequence import by_length, run_contestant, steps_of
from ._sequence_plan import Contestant, contestants, lengths_of, make_task
from ._sequence_train import check_model, sizes_of
from ._session import begin, finite, located, resume_note, session

Progress = Callable[[str, int, int], None]


def scoreboard(
    config: SequenceConfig,
    *,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Trains every layer on every task under one budget; layers with a choice of eigenvalues are there twice.

    Args:
        config: the settings, with `layers` and `tasks`.
        out: the folder of runs.
        force: repeat a finished run.
        resume: say so if there was nothing to resume.
        command: what the user typed, for the record.
        progress: called with the name of a stage, how much is done and of how much.

    Returns:
        The summary: `layers`, `tasks`, `scores` and `scores_at_train_length` (by task and layer: 0 at chance, 1 where
        all is right), `accuracy_by_length`, `chance`, `train_length`, `lengths` by task, and more.

    Raises:
        ValueError: a sentence for everything about the settings or the output folder that does not work.
    """
    if not config.layers or not config.tasks:
        raise ValueError("A scoreboard needs --layers and --tasks, each at least one, with commas between.")
    if config.task_settings:
        raise ValueError("The tasks of a scoreboard have their own settings; leave out --task-settings.")
    games = {task.name: task for task in (make_task(name, config) for name in config.tasks)}
    rows = {c.name: c for layer in config.layers for c in _rows(config, layer, 1)}
    for row in rows.values():
        check_model(row, sizes_of(next(iter(games.values()))), config)
    run = begin("sequence-scoreboard", "scoreboard", config, {}, out, force=force, command=command)
    if run.state == store.FINISHED:
        return located(run)
    with session(run):
        resume_note(run, resume)
        started = time.monotonic()
        found: dict[str, dict[str, dict[str, xr.Dataset]]] = {name: {} for name in games}
        for name, task in games.items():
            lengths = lengths_of(task, config)
            for layer in config.layers:
                for row in _rows(config, layer, steps_of(task, lengths)):
                    stage = f"{name}-{row.name}"
                    found[name][row.name] = run_contestant(run, stage, row, task, lengths, config, progress)
        groups = {
            f"/{name}/{row}/{part}": data
            for name, of_task in found.items()
            for row, parts in of_task.items()
            for part, data in parts.items()
        }
        store.write_data(run, xr.DataTree.from_dict(groups))
        keys = [key for c in rows.values() for key in citations(nn.LAYERS[c.layer])]
        keys += [key for task in games.values() for key in citations(type(task))]
        run.write(store.CITATIONS, bibliography(dict.fromkeys(keys)))
        accuracies = {
            name: {rows[row].about: by_length(parts["test"]) for row, parts in of_task.items()}
            for name, of_task in found.items()
        }
        summary: dict[str, Any] = {
            "layers": [row.about for row in rows.values()],
            "tasks": list(games),
            "chance": {name: task.chance for name, task in games.items()},
            "train_length": {name: task.length for name, task in games.items()},
            "lengths": {name: lengths_of(task, config) for name, task in games.items()},
            "accuracy_by_length": accuracies,
            "scores": _scores(games, accuracies, lambda task, lengths: max(lengths)),
            "scores_at_train_length": _scores(games, accuracies, _nearest_to_training),
            "seeds": config.seeds,
            "steps": config.steps,
            "command": command,
            "seconds": round(time.monotonic() - started, 1),
            "run": str(run.path),
            "report": str(run.path / "report" / "index.html"),
        }
        summary = finite({**summary, "answer": _answer(summary)})
        progress("writing the report", 0, 0)
        from .. import report

        report.write_scoreboard_report(run.path, summary)
        run.finish(answer=summary["answer"], summary=summary)
    return summary


def _rows(config: SequenceConfig, layer: str, longest: int) -> list[Contestant]:
    """A layer, and itself with other eigenvalues where it has a choice."""
    # What only some of the layers have is given to those.
    takes = inspect.signature(nn.LAYERS[nn.layer_name(layer)]).parameters
    given = tuple(item for item in config.layer_settings if item.partition("=")[0].strip() in takes)
    both = contestants(dataclasses.replace(config, layer=layer, layer_settings=given), longest)
    return [row for row in both if row.layer == both[0].layer]


def _nearest_to_training(task: Any, lengths: list[int]) -> int:
    return min(lengths, key=lambda length: abs(length - task.length))


def _scores(games: dict[str, Any], accuracies: Any, choose: Callable[[Any, list[int]], int]) -> dict[str, Any]:
    """How much of what there is above chance is reached."""
    found = {}
    for name, task in games.items():
        of_task = {}
        for row, shares in accuracies[name].items():
            share = shares[str(choose(task, [int(length) for length in shares]))]
            of_task[row] = (share - task.chance) / (1 - task.chance)
        found[name] = of_task
    return found


def _answer(summary: dict[str, Any]) -> str:
    scores = summary["scores"]
    means = {row: sum(scores[task][row] for task in scores) / len(scores) for row in summary["layers"]}
    best = max(means, key=means.__getitem__)
    games = f"{len(scores)} task{'s' if len(scores) > 1 else ''}"
    return (
        f"{len(means)} layers on {games}: the best at the longest lengths is {best}, with "
        f"{means[best]:.2f} on average (0 is chance, 1 all right)."
    )
