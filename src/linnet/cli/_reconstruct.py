"""`linnet reconstruct [FILE]` and `linnet forecast RUN`."""

import dataclasses
import shlex
from typing import Any

from ..config import load
from ._answer import Answer
from ._arguments import Forecast, Reconstruct
from ._process import bars, prepare
from ._summary import show_forecast, show_reconstruct


def reconstruct(command: Reconstruct) -> Answer:
    """Trains recurrent networks on a time series and takes the best one apart."""
    given = {
        name: value
        for name, value in dataclasses.asdict(command.settings).items()
        if value not in (None, (), "") and value is not False
    }
    settings = load("reconstruct", command.preset, **given)
    prepare()
    from .. import run

    with bars(command.output.json) as progress:
        summary = run.reconstruct(
            settings,
            command.file,
            out=command.out,
            force=command.force,
            resume=command.resume,
            command=_typed(command, given),
            progress=progress,
        )
    return Answer(summary, lambda console: show_reconstruct(console, summary))


def forecast(command: Forecast) -> Answer:
    """Continues a series by a stored reconstruction."""
    prepare()
    from ..run import forecast as go_on

    found = go_on(command.run, command.steps, out=command.out, runs=command.runs)
    return Answer(found, lambda console: show_forecast(console, found))


def _typed(command: Reconstruct, given: dict[str, Any]) -> str:
    """The command that repeats this run."""
    words = ["linnet", "reconstruct", *([command.file] if command.file else [])]
    words += ["--preset", command.preset] if command.preset != "default" else []
    for name, value in given.items():
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
            continue
        joined = ",".join(_quoted(item) for item in value) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", joined]
    return shlex.join(words)


def _quoted(item: Any) -> str:
    return f'"{item}"' if "," in str(item) else str(item)
