"""The report of `linnet learn`, composed from what is stored in the run folder."""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ._figure import Figure
from ._learn_tables import assumption_table, made_of_table, mode_table, network_table
from ._losses import LossCurve, test_error_figure
from ._modes import MOST_MODES, HalfTimes, ModeCurves, difference_figure, half_time_scatter, mode_overlay
from ._page import ReportContent, write_report
from ._spectrum import spectrum_figure
from ._table import Table, number

Summary = Mapping[str, Any]


def write_learn_report(folder: str | os.PathLike, tree: xr.DataTree, summary: Summary) -> Path:
    """Writes the report of a run of `linnet learn`.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        tree: its results: `/task`, and `/networks/NAME/simulation` with `/networks/NAME/theory/THEORY`.
        summary: what `linnet learn --json` prints.

    Returns:
        The path of the page.
    """
    return write_report(folder, learn_content(tree, summary, stored_citations(folder)))


def stored_citations(folder: str | os.PathLike) -> tuple[str, ...]:
    """The keys in a run folder's bibliography."""
    path = Path(folder) / "citations.bib"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return tuple(re.findall(r"(?m)^@\w+\{([^,\s]+),", text))


def learn_content(tree: xr.DataTree, summary: Summary, citations: tuple[str, ...] = ()) -> ReportContent:
    """What the report of `linnet learn` says.

    Args:
        tree: the results.
        summary: what `linnet learn --json` prints.
        citations: keys of `references.bib`.
    """
    networks = dict(tree["/networks"].children)
    titles = {found["name"]: found["title"] for found in summary["networks"]}
    curves = {name: _curves(node, titles.get(name, name)) for name, node in networks.items()}
    main = summary["main"]
    task = tree["/task"].to_dataset()
    source = Path(str(summary["data"].get("path") or "data")).name
    tables: list[Table | Figure] = [mode_table(summary), _spectrum(task, summary), made_of_table(task, summary)]
    tables += [table for table in (network_table(summary), assumption_table(summary)) if table.rows]
    return ReportContent(
        title=f"What networks learn from {source}, and when",
        answer=_sentence(summary["answer"]),
        kind="linnet learn",
        about=" ".join(summary["data"].get("sentences", ())),
        facts=_facts(summary),
        warnings=(*_dependence(curves[main]), *summary.get("notes", ())),
        overlay=_overlay(networks, curves, summary, main),
        difference=_difference(networks, curves, titles, main),
        tables=tables,
        reproduce=_reproduce(summary),
        notes=(
            "Times are half times: when a mode's strength passes half of what it ends at. Learning time is learning "
            "rate × steps, and the loss is half the squared error, summed over outputs and averaged over examples.",
            "All arrays behind this page are in data.nc of the run folder (xarray.open_datatree).",
        ),
        citations=citations,
    )


def _curves(node: xr.DataTree, title: str) -> ModeCurves:
    simulation, theory = _simulation(node), _theory(node)
    measured, ts = simulation["mode_strengths"].values, simulation["time"].values
    if theory is None or "mode_strengths" not in theory:
        return ModeCurves(title, ts, measured)
    name = str(theory.attrs.get("theory", "theory"))
    return ModeCurves(title, ts, measured, theory["mode_strengths"].values, theory["time"].values, name)


def _simulation(node: xr.DataTree) -> xr.Dataset:
    return node["simulation"].to_dataset()


def _theory(node: xr.DataTree) -> xr.Dataset | None:
    children = list(node["theory"].children.values()) if "theory" in node.children else []
    return children[0].to_dataset() if children else None


def _called(title: str) -> str:
    """A network's title in a sentence."""
    return f"linear network of {title}" if title.startswith("depth") else title


def _dependence(curves: ModeCurves) -> tuple[str, ...]:
    """What has to be said where theory and training are the same equation."""
    if curves.theory != "MomentFlow":
        return ()
    return (
        "No closed form or mode equation holds on these data, so the prediction is MomentFlow. It integrates the same "
        "equation that training follows: it says what will be learned and when, but its agreement is no independent "
        "check.",
    )


def _overlay(
    networks: Mapping[str, xr.DataTree], curves: Mapping[str, ModeCurves], summary: Summary, main: str
) -> list[Figure]:
    total = curves[main].measured.shape[-1]
    shown = f"The {MOST_MODES} strongest of {total} modes are shown. " if total > MOST_MODES else ""
    figures = [
        mode_overlay(
            "modes",
            f"How the {_called(curves[main].title)} learns each mode of the data. {shown}A mode is one input pattern "
            "that predicts one output pattern; its strength rises in one step, and strong modes come first. Wide pale "
            "lines are the training, thin lines the theory, which was computed before training.",
            [curves[main]],
        )
    ]
    deep = [
        dataclasses.replace(each, title=f"{each.title} (theory: {each.theory})")
        for name, each in curves.items()
        if name != main and each.predicted is not None
    ]
    if deep:
        same = [c.title for n, c in curves.items() if n != main and c.theory == "MomentFlow"]
        note = (
            f" For {' and '.join(same)} the theory integrates the same equation that training follows, so that its "
            "agreement is no independent check."
            if same
            else ""
        )
        titles = " and ".join(c.title for n, c in curves.items() if n != main and c.predicted is not None)
        figures.append(mode_overlay("other-depths", f"The same for {titles}.{note}", deep))
    reference = curves[main]
    others = [
        ModeCurves(c.title, c.ts, c.measured, reference.predicted, reference.predicted_ts, "linear network")
        for name, c in curves.items()
        if c.predicted is None
    ]
    if others:
        departures = [found["sentence"] for found in summary.get("departure", {}).values()]
        figures.append(
            mode_overlay(
                "nonlinear",
                "Nonlinear networks beside the theory of the linear one: the strength of each mode in the best linear "
                f"map to their outputs. {_sentence('; '.join(departures)) if departures else ''}".strip(),
                others,
                log_time=False,
            )
        )
    stopping = _stopping(networks, curves, summary, main)
    return figures + ([stopping] if stopping is not None else [])


def _stopping(
    networks: Mapping[str, xr.DataTree], curves: Mapping[str, ModeCurves], summary: Summary, main: str
) -> Figure | None:
    """The held-out loss; none where nothing was held out."""
    measured = _loss(networks[main], "validation_loss", curves[main].title)
    if measured is None:
        return None
    theory = _theory(networks[main])
    predicted = None
    if theory is not None and "validation_loss" in theory:
        predicted = LossCurve("theory", theory["time"].values, theory["validation_loss"].values)
    stop = summary["stopping"]
    found = [_loss(networks[n], "validation_loss", c.title) for n, c in curves.items() if c.predicted is None]
    what = (
        "Training should stop at the minimum of the held-out loss."
        if stop.get("measured") is not None
        else "The held-out loss has no minimum before the end: stopping early gains nothing."
    )
    return test_error_figure(
        "stopping",
        f"Loss on the validation part, which training does not see. {what}",
        measured,
        predicted,
        train=_loss(networks[main], "loss", "training data"),
        stopping=(stop.get("predicted"), stop.get("measured")),
        others=[curve for curve in found if curve is not None],
    )


def _loss(node: xr.DataTree, name: str, label: str) -> LossCurve | None:
    simulation = _simulation(node)
    return LossCurve(label, simulation["time"].values, simulation[name].values) if name in simulation else None


def _difference(
    networks: Mapping[str, xr.DataTree],
    curves: Mapping[str, ModeCurves],
    titles: Mapping[str, str],
    main: str,
) -> list[Figure]:
    pairs = []
    for name, node in networks.items():
        theory = _theory(node)
        if theory is not None and "half_times" in theory:
            both = theory["half_times"].values, _simulation(node)["half_times"].values
            pairs.append(HalfTimes(titles.get(name, name), *both))
    figures = []
    if pairs:
        figures.append(
            half_time_scatter(
                "half-times",
                "When modes are learned: measured against predicted half times (left: on the line they are equal; "
                "pale: single networks), and the relative difference of their medians by mode (right; bars: the "
                "middle 80 % of networks, each against its own prediction).",
                pairs,
            )
        )
    if curves[main].predicted is not None:
        figures.append(
            difference_figure(
                "difference",
                f"Strength in training less strength by theory ({_called(curves[main].title)}, medians over the "
                "ensemble). Numbers name modes at their largest difference.",
                curves[main],
            )
        )
    return figures


def _spectrum(task: xr.Dataset, summary: Summary) -> Figure:
    values, edge = task["singular_values"].values, summary.get("noise_edge")
    above = int(np.sum(values > edge)) if edge is not None else len(values)
    many = f"{above} of {len(values)} modes stand" if len(values) > 1 else f"the mode {'stands' if above else 'lies'}"
    where = "above" if len(values) > 1 or above else "below"
    return spectrum_figure(
        "spectrum",
        f"Strength of the modes in the training data against chance: {many} {where} the strongest mode that targets "
        "reach when they are shuffled (grey: all shuffles).",
        values,
        edge,
        task["permuted"].values if "permuted" in task else None,
    )


def _facts(summary: Summary) -> list[tuple[str, str]]:
    modes = summary["modes"]
    learned = [mode for mode in modes if mode.get("measured_time") is not None]
    errors = [abs(mode["relative_error"]) for mode in learned if mode.get("relative_error") is not None]
    above = sum(bool(mode["above_noise_edge"]) for mode in modes)
    facts = [("modes learned / above noise / all", f"{len(learned)} / {above} / {len(modes)}")]
    if errors:
        facts.append(("times: largest difference", _percent(max(errors))))
    agreement = summary.get("order_agreement")
    facts.append(("order agreement (Spearman)", "–" if agreement is None else number(float(agreement))))
    stop = summary["stopping"]
    times = [("measured", stop.get("measured")), ("predicted", stop.get("predicted"))]
    text = " / ".join("none" if time is None else number(float(time)) for _, time in times)
    return [*facts, ("stop at (measured / predicted)", text)]


def _percent(part: float) -> str:
    return "below 0.01 %" if part < 1e-4 else f"{number(100 * part, 2)} %"


def _reproduce(summary: Summary) -> list[str]:
    run = summary.get("run") or "RUN"
    lines = [summary.get("command") or f"linnet learn {summary.get('file') or ''}".strip()]
    name = Path(str(run)).name
    return [*lines, f"linnet show {name}    # these numbers on the command line", f"linnet cite {name}    # BibTeX"]


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
