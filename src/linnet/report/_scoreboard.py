"""The report of `linnet sequence scoreboard`: a heatmap and its numbers."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from ._figure import Figure, draw
from ._learn import stored_citations
from ._page import ReportContent, write_report
from ._sequence import medians
from ._table import Table

#: The two pictures: their key in the summary, file name and title.
SIDES = (
    ("scores_at_train_length", "scores-at-training-length", "at the training length"),
    ("scores", "scores-at-longest", "at the longest tested length"),
)


def score_figure(summary: Mapping[str, Any], key: str, name: str, title: str) -> Figure:
    """A heatmap of scores, layers by tasks."""
    layers, games = summary["layers"], summary["tasks"]
    scores = np.array([[summary[key][task][layer] for task in games] for layer in layers])

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.imshow(np.clip(scores, 0, 1), vmin=0, vmax=1, cmap="viridis", aspect="auto")
        for row in range(len(layers)):
            for column in range(len(games)):
                value = scores[row, column]
                ink = "white" if value < 0.6 else "black"
                axes.text(column, row, f"{max(value, 0):.2f}", ha="center", va="center", color=ink)
        axes.set_xticks(range(len(games)), [game.replace("_", " ") for game in games], rotation=30, ha="right")
        axes.set_yticks(range(len(layers)), layers)
        axes.set(xlabel="task", ylabel="layer")
        for side in axes.spines.values():
            side.set_visible(False)
        axes.tick_params(length=0)

    caption = (
        f"Accuracy {title}, scaled so that 0 is chance and 1 is all right ({medians(summary['seeds'])}). "
        "Below chance is drawn as 0."
    )
    return draw(name, caption, plot, height=1.6 + 0.34 * len(layers))


def write_scoreboard_report(folder: str | os.PathLike, summary: Mapping[str, Any]) -> Path:
    """Writes the report of `linnet sequence scoreboard`.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        summary: what `linnet sequence scoreboard --json` prints.

    Returns:
        The path of the page.
    """
    games = summary["tasks"]
    settings = [
        [
            game.replace("_", " "),
            summary["train_length"][game],
            max(summary["lengths"][game]),
            summary["chance"][game],
        ]
        for game in games
    ]
    accuracies = [
        [layer, *(summary["accuracy_by_length"][game][layer][str(max(summary["lengths"][game]))] for game in games)]
        for layer in summary["layers"]
    ]
    content = ReportContent(
        title="Layers by tasks",
        answer=summary["answer"],
        kind="linnet sequence scoreboard",
        about=(
            f"Every layer was trained on every task for {summary['steps']} steps "
            f"({medians(summary['seeds'])}), with the same model around it."
        ),
        tables=(
            *(score_figure(summary, key, name, title) for key, name, title in SIDES),
            Table("The tasks.", ["task", "longest in training", "longest tested", "chance"], settings),
            Table(
                "Accuracy at the longest tested length, as it was measured.",
                ["layer", *(game.replace("_", " ") for game in games)],
                accuracies,
            ),
        ),
        reproduce=(summary["command"],) if summary.get("command") else (),
        notes=(
            "The budget is small and the same for all: a low score says that a layer did not learn the task in it, not "
            "that it cannot.",
            "All lengths and seeds are in data.nc of the run folder (xarray.open_datatree: /TASK/LAYER/test).",
        ),
        citations=stored_citations(folder),
    )
    return write_report(folder, content)
