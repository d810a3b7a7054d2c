"""`linnet phase STUDY --x AXIS --y AXIS`, and `linnet phase list`."""

import dataclasses
import shlex
from typing import Any

from ..config import STUDIES, PhaseConfig, load
from ._answer import Answer, table
from ._arguments import Phase
from ._process import bars, prepare
from ._summary import show_phase


def phase(command: Phase) -> Answer:
    """Draws one number of a study over two of its parameters; or lists the parameters."""
    prepare()
    if command.study == "list":
        return _list()
    from ..run import phase as run_phase

    settings = PhaseConfig(study=command.study, preset=command.preset, **dataclasses.asdict(command.settings))
    with bars(command.output.json) as progress:
        summary = run_phase(
            settings,
            out=command.out,
            force=command.force,
            resume=command.resume,
            command=_typed(settings),
            progress=progress,
        )
    return Answer(summary, lambda console: show_phase(console, summary))


def _typed(settings: PhaseConfig) -> str:
    """The command that repeats this run."""
    words = ["linnet", "phase", settings.study]
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name != "study" and value != field.default:
            joined = ",".join(f"{item:g}" for item in value) if isinstance(value, tuple) else str(value)
            # With a sign of equality, because a range may begin with a minus.
            words.append(f"--{field.name.replace('_', '-')}={joined}")
    return shlex.join(words)


def _list() -> Answer:
    from ..run import whole_axes
    from ..studies import PHASES

    listed = []
    for study in STUDIES:
        settings = load(study)
        model = PHASES[study](settings, {}) if study in PHASES else None
        axes = [] if model is None else model.axes
        listed.append(
            {
                "study": study,
                "axes": [axis.name for axis in axes if not axis.recompiles],
                "recompiling_axes": [axis.name for axis in axes if axis.recompiles],
                "scalars": [] if model is None else [quantity.name for quantity in model.quantities],
                "settings": list(whole_axes(settings)),
            }
        )

    def show(console: Any) -> None:
        columns = ["study", "axes in one program", "axes that recompile", "scalars"]
        keys = ("axes", "recompiling_axes", "scalars")
        fast = [[entry["study"], *(", ".join(entry[key]) or None for key in keys)] for entry in listed if entry["axes"]]
        table(console, columns, fast)
        console.print()
        console.print(
            "Over other settings the whole study runs at every point; --scalar is then a claim (claim-1, ...):"
        )
        table(console, ["study", "settings"], [[entry["study"], ", ".join(entry["settings"])] for entry in listed])

    return Answer({"studies": listed}, show)
