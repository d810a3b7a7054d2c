"""`linnet study NAME | all | list`."""

import shlex
from typing import Any

from ..config import STUDIES, title
from ._answer import Answer, table
from ._arguments import Study
from ._process import bars, prepare, stages
from ._summary import show_studies, show_study

FAILED = 1


def study(command: Study) -> Answer:
    """Decides the claims of one study, or of all; or lists the studies."""
    if command.name == "list":
        return _list()
    typed = shlex.join(["linnet", "study", command.name, "--preset", command.preset, "--seed", str(command.seed)])
    settings = {"seed": command.seed, "out": command.out, "force": command.force, "resume": command.resume}
    if command.name == "all":
        return _all(command, typed, settings)
    prepare()
    from ..run import run_study

    with stages(command.name, command.output.json) as progress:
        summary = run_study(command.name, command.preset, command=typed, progress=progress, **settings)
    return Answer(summary, lambda console: show_study(console, summary), 0 if summary["holds"] else FAILED)


def _all(command: Study, typed: str, settings: dict[str, Any]) -> Answer:
    if command.jobs is not None and command.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {command.jobs}.")
    from ..run import run_studies

    with bars(command.output.json) as progress:
        summary = run_studies(
            list(STUDIES),
            command.preset,
            jobs=command.jobs,
            prepare=prepare,
            command=typed,
            progress=lambda stage, done, total: progress("studies", done, total),
            **settings,
        )
    return Answer(summary, lambda console: show_studies(console, summary), 0 if summary["holds"] else FAILED)


def _list() -> Answer:
    listed = [{"study": name, "title": title(name)} for name in STUDIES]
    return Answer(
        {"studies": listed},
        lambda console: table(console, ["study", "claim"], [[entry["study"], entry["title"]] for entry in listed]),
    )
