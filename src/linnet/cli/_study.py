"""`linnet study NAME | all | list`."""

import shlex
from typing import Any

from ..config import STUDIES, title
from ._answer import Answer, table
from ._arguments import Study
from ._process import prepare, stages
from ._summary import show_study

FAILED = 1


def study(command: Study) -> Answer:
    """Decides the claims of one study, or of all; or lists the studies."""
    if command.name == "list":
        return _list()
    names = list(STUDIES) if command.name == "all" else [command.name]
    prepare()
    from ..run import run_study

    typed = ["linnet", "study", command.name, "--preset", command.preset, "--seed", str(command.seed)]
    summaries = []
    for name in names:
        with stages(name, command.output.json) as progress:
            summaries.append(
                run_study(
                    name,
                    command.preset,
                    seed=command.seed,
                    out=command.out,
                    force=command.force,
                    resume=command.resume,
                    command=shlex.join(typed),
                    progress=progress,
                )
            )
    holds = all(summary["holds"] for summary in summaries)

    def show(console: Any) -> None:
        for summary in summaries:
            show_study(console, summary)
            console.print()

    content = {"studies": summaries, "holds": holds} if command.name == "all" else summaries[0]
    return Answer(content, show, 0 if holds else FAILED)


def _list() -> Answer:
    listed = [{"study": name, "title": title(name)} for name in STUDIES]
    return Answer(
        {"studies": listed},
        lambda console: table(console, ["study", "claim"], [[entry["study"], entry["title"]] for entry in listed]),
    )
