"""The report of `linnet sequence`: accuracy by length against chance and control, and how it was learned."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from ._figure import COLOURS, GUIDE, Figure, draw
from ._learn import stored_citations
from ._page import ReportContent, write_report
from ._table import Table


def length_figure(summary: Mapping[str, Any]) -> Figure:
    """Accuracy by length, with chance and the lengths of training."""

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        trained = summary["train_length"]
        for entry, colour, marker in zip(entries(summary), COLOURS, "os", strict=False):
            lengths = [int(length) for length in entry["accuracy_by_length"]]
            shares = list(entry["accuracy_by_length"].values())
            axes.plot(lengths, shares, marker=marker, markersize=4, color=colour, label=entry["about"])
        axes.axhline(summary["chance"], color=GUIDE, linestyle="--", linewidth=1, label="chance")
        axes.axvspan(axes.get_xlim()[0], trained, color=GUIDE, alpha=0.15, linewidth=0, label="lengths in training")
        if len(summary["lengths"]) > 1:
            axes.set_xscale("log", base=2)
            ticks = [trained * 2**power for power in range(-2, 8) if trained * 2**power <= max(summary["lengths"])]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
            axes.set_xlim(min(summary["lengths"]) * 0.9, max(summary["lengths"]) * 1.1)
        axes.set(xlabel="length of the tested sequences", ylabel="accuracy", ylim=(0, 1.03))
        canvas.legend(loc="outside lower center", ncols=2)

    caption = (
        f"The share of right answers on fresh sequences of each length ({medians(summary['seeds'])}). What generalises "
        "stays up to the right of the grey region; what does not falls to chance."
    )
    return draw("accuracy-by-length", caption, plot, height=4.2)


def training_figure(summary: Mapping[str, Any]) -> Figure:
    """Accuracy and loss over the steps of training."""

    def plot(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2)
        for entry, colour in zip(entries(summary), COLOURS, strict=False):
            left.plot(entry["steps"], entry["training_accuracy"], color=colour, label=entry["about"])
            right.plot(entry["steps"], entry["loss"], color=colour)
        left.axhline(summary["chance"], color=GUIDE, linestyle="--", linewidth=1, label="chance")
        left.set(xlabel="step of training", ylabel="accuracy at the training length", ylim=(0, 1.03))
        right.set(xlabel="step of training", ylabel="cross-entropy of a sequence, nats", yscale="log")
        canvas.legend(loc="outside lower center", ncols=2)

    caption = (
        "How it was learned. Left: accuracy on held-out sequences of the training length. Right: the loss, a sum over "
        "the targets of a sequence, on sequences of all lengths in training (logarithmic)."
    )
    return draw("training", caption, plot, height=3.6)


def entries(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The layer and its control, where there is one."""
    return [summary, *([summary["control"]] if summary["control"] else [])]


def write_sequence_report(folder: str | os.PathLike, summary: Mapping[str, Any]) -> Path:
    """Writes the report of `linnet sequence TASK`.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        summary: what `linnet sequence --json` prints.

    Returns:
        The path of the page.
    """
    trained, longest = summary["train_length"], max(summary["lengths"])
    shown = entries(summary)
    chance = summary["chance"]
    rows = [[length, *(entry["accuracy_by_length"][str(length)] for entry in shown)] for length in summary["lengths"]]
    solved = summary["solved_to"]
    facts = [
        ("accuracy at the training length", percent(summary["accuracy_by_length"].get(str(trained)))),
        (f"accuracy at length {longest}", percent(summary["accuracy_by_length"][str(longest)])),
        ("chance", percent(chance)),
        ("solved up to length", "not solved" if solved is None else f"{solved}"),
        ("parameters", f"{summary['parameters']:,}".replace(",", "\u2009")),
    ]
    warnings = []
    if summary["diverged"]:
        warnings.append(f"Diverged: {summary['diverged']} of {summary['seeds']} models.")
    if summary["control"] is None:
        warnings.append("Nothing was trained beside it as a negative control.")
    content = ReportContent(
        title=f"{summary['about']} on {summary['task'].replace('_', ' ')}",
        answer=f"{summary['answer'][:1].upper()}{summary['answer'][1:]}",
        kind=f"linnet sequence {summary['task']}",
        about=(
            f"Trained for {summary['steps'][-1]} steps of {summary['batch']} sequences each "
            f"({medians(summary['seeds'])}); tested on {summary['samples']} sequences at each length. The "
            "control had the same budget."
            if summary["control"]
            else f"Trained for {summary['steps'][-1]} steps of {summary['batch']} sequences each."
        ),
        facts=facts,
        warnings=warnings,
        tables=(
            length_figure(summary),
            training_figure(summary),
            Table(
                f"Accuracy by length. Chance is {percent(chance)}; the training length is {trained}.",
                ["length", *(entry["about"] for entry in shown)],
                rows,
            ),
        ),
        reproduce=(summary["command"],) if summary.get("command") else (),
        notes=(
            "All seeds are in data.nc of the run folder (xarray.open_datatree: /layers/NAME/training and /test).",
            "A length counts as solved from 90 % of what there is above chance.",
        ),
        citations=stored_citations(folder),
    )
    return write_report(folder, content)


def percent(share: float | None) -> str:
    """A share for people."""
    return "–" if share is None else f"{100 * share:.3g} %"


def medians(seeds: int) -> str:
    """How many models the numbers are of."""
    return "one seed" if seeds == 1 else f"median over {seeds} seeds"
