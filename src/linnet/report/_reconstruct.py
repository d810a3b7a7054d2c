"""The report of `linnet reconstruct`: the model's own run against the data, its metrics on their scales, its parts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._learn import stored_citations
from ._page import ReportContent, write_report
from ._reconstruct_tables import facts, metrics_table, points_table, seeds_table


def write_reconstruct_report(folder: str | os.PathLike, tree: Any, summary: Mapping[str, Any]) -> Path:
    """Writes the report of `linnet reconstruct`.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        tree: the groups of its `data.nc`.
        summary: what `linnet reconstruct --json` prints.

    Returns:
        The path of the page.
    """
    content = ReportContent(
        title=f"{summary['title']} as a {summary['model']}",
        answer=summary["answer"],
        kind="linnet reconstruct",
        facts=facts(summary),
        warnings=summary["warnings"],
        tables=(metrics_table(summary), seeds_table(summary), points_table(summary)),
        reproduce=(summary["command"],) if summary.get("command") else (),
        notes=summary["notes"],
        citations=stored_citations(folder),
    )
    return write_report(folder, content)
