"""`linnet sequence TASK`, `linnet sequence scoreboard`, `linnet sequence text FILE` and `linnet generate RUN`."""

import dataclasses
import shlex
from typing import Any

from ..config import load
from ._answer import Answer
from ._arguments import Generate, Sequence
from ._process import bars, prepare
from ._summary import show_generated, show_summary

#: What is no task, and the config that its presets are of.
KINDS = {"scoreboard": "sequence-scoreboard", "text": "sequence-text"}


def sequence(command: Sequence) -> Answer:
    """Trains sequence models and measures them."""
    kind = KINDS.get(command.task, "sequence")
    if (kind == "sequence-text") != bool(command.file):
        raise ValueError(
            "linnet sequence text needs a file: linnet sequence text FILE."
            if not command.file
            else f"Only `linnet sequence text` reads a file; got {command.file!r} with the task {command.task!r}."
        )
    given = {name: value for name, value in dataclasses.asdict(command.settings).items() if value not in (None, ())}
    settings = load(kind, command.preset, **given)
    prepare()
    from .. import run

    options: dict[str, Any] = {
        "out": command.out,
        "force": command.force,
        "resume": command.resume,
        "command": _typed(command, given),
    }
    with bars(command.output.json) as progress:
        if kind == "sequence-text":
            summary = run.sequence_text(settings, command.file, progress=progress, **options)
        elif kind == "sequence-scoreboard":
            summary = run.scoreboard(settings, progress=progress, **options)
        else:
            summary = run.sequence(settings, command.task, progress=progress, **options)
    return Answer(summary, lambda console: show_summary(console, summary))


def generate(command: Generate) -> Answer:
    """Continues a prompt with a stored model."""
    prepare()
    from ..run import continue_prompt

    found = continue_prompt(
        command.run,
        command.prompt,
        out=command.out,
        length=command.length,
        temperature=command.temperature,
        top_k=command.top_k,
        seed=command.seed,
    )
    return Answer(found, lambda console: show_generated(console, found))


def _typed(command: Sequence, given: dict[str, Any]) -> str:
    """The command that repeats this run."""
    words = ["linnet", "sequence", command.task, *([command.file] if command.file else [])]
    words += ["--preset", command.preset] if command.preset != "default" else []
    for name, value in given.items():
        joined = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", joined]
    return shlex.join(words)
