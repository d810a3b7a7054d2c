"""Where results go: a table in the terminal, the table of README.md, and results.json."""

import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ._row import Row

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- results: written by python -m benchmarks -->", "<!-- end of results -->"
_COLUMNS = ("benchmark", "what", "measured", "target", "", "beside it")


def machine() -> dict[str, str]:
    """What the numbers were measured on, and with which versions."""
    versions = [f"Python {platform.python_version()}"]
    for name in ("linnet", "jax", "numpy", "torch"):
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end",
        "versions": ", ".join(versions),
        "command": "python -m benchmarks",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {True: "reached", False: "missed", None: ""}[row.holds]
    return row.benchmark, row.what, row.measured(), row.asked(), verdict, row.note


def show(rows: Sequence[Row]) -> None:
    """Prints the table."""
    table = Table(*_COLUMNS, title="linnet's speed: ratios of CPU seconds, all threads")
    for row in rows:
        colour = {True: "green", False: "red", None: "dim"}[row.holds]
        table.add_row(*(f"[{colour}]{cell}[/]" if place == 4 else cell for place, cell in enumerate(_cells(row))))
    Console().print(table)


def as_json(about: dict[str, str], results: Sequence[dict]) -> str:
    """Raw results as text."""
    return json.dumps({**about, "rows": list(results)}, indent=1) + "\n"


def as_dict(row: Row) -> dict:
    """A row with its verdict."""
    return {**dataclasses.asdict(row), "holds": row.holds}


def keep(rows: Sequence[Row], measured: Sequence[str], folder: Path = FOLDER) -> None:
    """Writes the results; those of benchmarks that were not run this time stay as they were.

    Args:
        rows: of this run.
        measured: the names of the benchmarks in this run.
        folder: with README.md, and results.json where there was a run before.
    """
    raw, about = folder / "results.json", machine()
    before = json.loads(raw.read_text(encoding="utf-8")) if raw.exists() else {"rows": []}
    # In the order of the run before, where there was one.
    order = list(dict.fromkeys([*(row["benchmark"] for row in before["rows"]), *measured]))
    kept = [row for row in before["rows"] if row["benchmark"] not in measured]
    fresh = [{**as_dict(row), "date": about["date"]} for row in rows]
    results = sorted([*kept, *fresh], key=lambda row: order.index(row["benchmark"]))
    raw.write_text(as_json(about, results), encoding="utf-8")
    readme = folder / "README.md"
    head, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    readme.write_text(f"{head}{BEGIN}\n{_markdown(about, results)}{END}{tail}", encoding="utf-8")


def _markdown(about: dict[str, str], results: Sequence[dict]) -> str:
    lines = [f"`{about['command']}`, {about['date']}; {about['machine']}; {about['versions']}.", ""]
    lines += [f"| {' | '.join(_COLUMNS)} |", "|" + " --- |" * len(_COLUMNS)]
    names = {field.name for field in dataclasses.fields(Row)}
    for result in results:
        row = Row(**{name: value for name, value in result.items() if name in names})
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in _cells(row))} |")
    return "\n" + "\n".join(lines) + "\n\n"
