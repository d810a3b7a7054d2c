"""The page of all studies: a picture, a verdict and the numbers of every claim of each."""

import base64
import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._page import FOLDER, page_html, write_page
from ._study import claims_table
from ._table import Table, table_html


def write_gallery(path: str | os.PathLike, summaries: Sequence[Mapping[str, Any]], command: str = "") -> Path:
    """Writes the page of several studies.

    Args:
        path: the file; reports are linked from it, so it belongs next to the run folders.
        summaries: what `linnet study --json` prints for each, or `{"study", "title", "error"}` of one that failed.
        command: the command that repeats them.

    Returns:
        The path.
    """
    path = Path(path)
    whole = [entry for entry in summaries if "error" not in entry]
    claims = [claim for entry in whole for claim in entry["claims"]]
    held, hold = sum(entry["holds"] for entry in whole), sum(claim["holds"] for claim in claims)
    answer = f"{held} of {len(summaries)} studies hold, {hold} of {len(claims)} claims."
    parts = [f'<p class="answer">{answer}</p>', table_html(_overview(summaries))]
    parts += [_study(entry, path.parent) for entry in summaries]
    if command:
        parts.append(f"<h2>How to reproduce</h2><pre><code>{html.escape(command)}</code></pre>")
    return write_page(path, page_html("Studies", "linnet study all", parts))


def _overview(summaries: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for entry in summaries:
        if "error" in entry:
            rows.append([entry["study"], entry["title"], "failed", None, None])
            continue
        count = sum(claim["holds"] for claim in entry["claims"])
        rows.append([entry["study"], entry["title"], bool(entry["holds"]), f"{count} of {len(entry['claims'])}",
                     entry.get("seconds")])  # fmt: skip
    columns = ["Study", "What it decides", "Holds", "Claims", "Seconds"]
    return Table("All studies; seconds are those of the process that ran the study, others may have run beside it.",
                 columns, rows)  # fmt: skip


def _study(entry: Mapping[str, Any], folder: Path) -> str:
    name = html.escape(entry["study"])
    heading = f'<h2 id="{name}">{name}</h2>\n<p class="about">{html.escape(entry["title"])}</p>'
    if "error" in entry:
        return f'{heading}\n<ul class="warnings"><li>{html.escape(entry["error"])}</li></ul>'
    answer = str(entry["answer"])
    verdict = f'<p class="{"yes" if entry["holds"] else "no"}">{html.escape(answer[:1].upper() + answer[1:])}.</p>'
    report = _relative(Path(entry["report"]), folder)
    pictures = [Path(entry["run"]) / FOLDER / "figures" / f"{figure}.svg" for figure in entry.get("figures", [])[:1]]
    shown = "".join(
        f'<a href="{report}"><img src="{_embedded(picture)}" alt="The first figure of {name}" style="width: 100%; '
        'height: auto; max-height: 20rem; object-fit: contain; object-position: left; background: #fff"></a>'
        for picture in pictures
    )
    table = table_html(claims_table(list(entry["claims"])))
    numbers = (
        f"<details{'' if entry['holds'] else ' open'}><summary>The numbers of every claim</summary>{table}</details>"
    )
    return f'{heading}\n{verdict}\n{shown}\n<p><a href="{report}">Report</a></p>\n{numbers}'


def _relative(path: Path, folder: Path) -> str:
    return html.escape(Path(os.path.relpath(path, folder)).as_posix())


def _embedded(picture: Path) -> str:
    """A picture within the page, so that the page is one file like all reports."""
    return "data:image/svg+xml;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")
