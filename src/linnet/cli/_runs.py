"""`linnet list`, `show`, `compare` and `cite`: what is already there. None of them loads JAX."""

import tomllib
from typing import Any

from .. import store
from ._answer import Answer, table
from ._arguments import Cite, Compare, List, Show
from ._summary import show_summary


def list(command: List) -> Answer:
    """All runs under a folder."""
    runs = store.runs(command.out)
    keys = ("folder", "kind", "state", "created", "answer")
    content = {"runs": [{key: run.get(key) for key in (*keys, "finished")} for run in runs]}

    def show(console: Any) -> None:
        if runs:
            table(
                console, ["run", "kind", "state", "begun", "answer"], [[run.get(key) for key in keys] for run in runs]
            )
        else:
            console.print(f"There are no runs in {command.out}: begin one with `linnet learn`.")

    return Answer(content, show)


def show(command: Show) -> Answer:
    """What a run found."""
    run = store.find_run(command.run, command.out)
    meta = run.meta
    summary = meta.get("summary") or {}
    content = {
        "run": str(run.path),
        "state": run.state,
        "kind": meta.get("kind"),
        "created": meta.get("created"),
        "finished": meta.get("finished"),
        "command": meta.get("command"),
        "config": _config(run).get("config", {}),
        **summary,
    }

    def write(console: Any) -> None:
        if summary:
            show_summary(console, summary)
        else:
            console.print(f"{run.path} is {run.state} and has no results yet: run its command again to end it.")
            console.print(f"  {meta.get('command', '')}")

    return Answer(content, write)


def cite(command: Cite) -> Answer:
    """The BibTeX entries of what a run used."""
    run = store.find_run(command.run, command.out)
    path = run.path / "citations.bib"
    if not path.is_file():
        raise store.StoreError(f"{run.path} has no citations.bib (the run is {run.state}): end it with --resume.")
    text = path.read_text(encoding="utf-8")
    return Answer({"run": str(run.path), "bibtex": text}, lambda console: console.print(text, end=""))


def compare(command: Compare) -> Answer:
    """Two runs side by side."""
    from ..run import compare_runs

    first, second = (store.find_run(name, command.out) for name in (command.first, command.second))
    settings = _differences(_config(first), _config(second))
    found = compare_runs(store.read_data(first), store.read_data(second))
    content = {"runs": [str(first.path), str(second.path)], "settings": settings, **found}

    def write(console: Any) -> None:
        console.print(f"first:  {first.path}\nsecond: {second.path}\n")
        rows = [[name, str(a), str(b)] for name, (a, b) in settings.items()]
        table(console, ["setting", "first", "second"], rows or [["(all equal)", "", ""]])
        console.print()
        columns = ["quantity", "largest difference", "relative", "shift of half times"]
        rows = [[q["name"], q["absolute"], q["relative"], q["half_time_shift"]] for q in found["quantities"]]
        table(console, columns, rows or [["(none in common)", None, None, None]])
        for sentence in found["not_compared"]:
            console.print(sentence)

    return Answer(content, write)


def _config(run: store.RunFolder) -> dict[str, Any]:
    try:
        return tomllib.loads((run.path / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _differences(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    a, b = _flat(first), _flat(second)
    return {key: (a.get(key), b.get(key)) for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)}


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
