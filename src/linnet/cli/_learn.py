"""`linnet learn [FILE]`."""

import dataclasses
import shlex
from typing import Any

from ..config import load
from ._answer import Answer
from ._arguments import Learn
from ._process import bars, prepare
from ._summary import show_learn


def learn(command: Learn) -> Answer:
    """Predicts what networks will learn from data, and checks it by training."""
    settings = load("learn", command.preset, **dataclasses.asdict(command.settings))
    prepare()
    from ..run import learn as run_learn

    with bars(command.output.json) as progress:
        summary = run_learn(
            settings,
            command.file,
            out=command.out,
            force=command.force,
            resume=command.resume,
            command=_typed(command, settings),
            progress=progress,
        )
    return Answer(summary, lambda console: show_learn(console, summary))


def _typed(command: Learn, settings: Any) -> str:
    """The command that repeats this run: every setting that is not its preset's."""
    usual = load("learn", command.preset)
    words = ["linnet", "learn", *([command.file] if command.file else [])]
    words += ["--preset", command.preset] if command.preset != "default" else []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value == getattr(usual, field.name):
            continue
        option = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            joined = ",".join(_quoted(item) for item in value) if isinstance(value, tuple) else str(value)
            words += [f"--{option}", joined]
    return shlex.join(words)


def _quoted(item: Any) -> str:
    return f'"{item}"' if "," in str(item) else str(item)
