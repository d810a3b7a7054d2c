"""The report of `linnet reconstruct`: the model's own run against the data, its metrics on their scales, its parts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._figure import Figure
from ._learn import stored_citations
from ._page import ReportContent, write_report
from ._reconstruct_parts import exponents_figure, scales_figure, seeds_figure, symbols_figure
from ._reconstruct_runs import forecast_figure, phase_figure, spectrum_figure, time_figure
from ._reconstruct_tables import facts, metrics_table, points_table, seeds_table
from ._table import Table


def write_reconstruct_report(folder: str | os.PathLike, tree: Any, summary: Mapping[str, Any]) -> Path:
    """Writes the report of `linnet reconstruct`.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        tree: the groups of its `data.nc`.
        summary: what `linnet reconstruct --json` prints.

    Returns:
        The path of the page.
    """
    data, free, fixed = (tree[name].to_dataset() for name in ("data", "free_run", "fixed_points"))
    runs: list[Figure | Table] = [phase_figure(data, free, fixed, summary), time_figure(data, free, summary)]
    runs.append(spectrum_figure(data, free, summary))
    worth: list[Figure | Table] = [scales_figure(summary), metrics_table(summary)]
    ahead: list[Figure | Table] = [forecast_figure(tree["forecast"].to_dataset(), data, summary)]
    parts: list[Figure | Table] = []
    spectrum = exponents_figure(summary)
    if spectrum is not None:
        parts.append(spectrum)
    if summary["fixed_points"]:
        parts.append(points_table(summary))
    if summary["symbols"]:
        parts.append(symbols_figure(tree["symbols"].to_dataset(), data, summary))
    seeds: list[Figure | Table] = [seeds_figure(tree["training"].to_dataset(), summary), seeds_table(summary)]
    content = ReportContent(
        title=f"{summary['title'][:1].upper()}{summary['title'][1:]}",
        answer=summary["answer"],
        kind="linnet reconstruct",
        about=_about(summary),
        facts=facts(summary),
        warnings=summary["warnings"],
        sections=(
            ("The model's own run beside the data", runs),
            ("What that is worth", worth),
            ("Forecasts", ahead),
            ("Taken apart", parts),
            ("All seeds", seeds),
        ),
        reproduce=[*([summary["command"]] if summary.get("command") else []), f"linnet forecast {summary['run']}"],
        notes=(
            *summary["notes"],
            f"Data are predictable for about {summary['settings']['predictability']} steps, by"
            f" {summary['settings']['reason']}; forcing and the steps of the prediction error follow that.",
            "All arrays are in data.nc of the run folder (xarray.open_datatree), the models in ckpt/model.eqx.",
        ),
        citations=stored_citations(folder),
    )
    return write_report(folder, content)


def _about(summary: Mapping[str, Any]) -> str:
    data, settings = summary["data"], summary["settings"]
    steps = (
        f", {settings['steps']} gradient steps of windows of {settings['window']} steps" if settings["steps"] else ""
    )
    columns = len(data["columns"])
    embedded = f" (a delay embedding of lag {data['embedding'][1]})" if data["embedding"] else ""
    return (
        f"{data['train_points']} points of {columns} column{'s' if columns > 1 else ''}{embedded} to train on,"
        f" {data['test_points']} to test on; {summary['parameters']} parameters{steps}."
    )
