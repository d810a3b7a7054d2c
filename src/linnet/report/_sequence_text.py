"""The report of `linnet sequence text`: bits per byte against simpler means, and a sample."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Canvas

from ._figure import COLOURS, GUIDE, Figure, draw
from ._label import label_ends
from ._learn import stored_citations
from ._page import ReportContent, write_report
from ._sequence import percent
from ._table import Table


def bits_figure(summary: Mapping[str, Any]) -> Figure:
    """Bits per byte: the model beside its references."""

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        pairs = [("the model", summary["bits_per_byte"])]
        if summary["bits_per_byte_carried"] is not None:
            pairs.append(("the model, state carried on", summary["bits_per_byte_carried"]))
        pairs += sorted(summary["references"].items(), key=lambda item: item[1])
        names, values = zip(*pairs, strict=True)
        colours = [COLOURS[0] if name.startswith("the model") else GUIDE for name in names]
        bars = axes.barh(range(len(names)), values, color=colours, height=0.6)
        axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set(xlabel="bits for each held-out byte (fewer is better)", xlim=(0, 1.12 * max(values)))

    caption = (
        "What one byte of the held-out end costs: the model, simpler statistics of the rest of the text, and "
        "compressors that have read the rest."
    )
    return draw("bits-per-byte", caption, plot, height=2.9)


def loss_figure(summary: Mapping[str, Any]) -> Figure:
    """The loss in bits for each byte, on what was trained on and on what was kept back to see when to stop."""

    def plot(canvas: Canvas) -> None:
        axes = canvas.subplots()
        unigram = next(iter(summary["references"].values()))
        lines = [("what it reads", summary["loss"], COLOURS[0]), ("kept back", summary["validation_loss"], COLOURS[1])]
        lines = [line for line in lines if line[1] is not None]
        for _, values, colour in lines:
            axes.plot(summary["steps"], values, color=colour)
        axes.axhline(unigram, color=GUIDE, linestyle="--", linewidth=1)
        if early:
            axes.axvline(summary["kept_step"], color=GUIDE, linewidth=1)
        axes.set(xlabel="step of training", ylabel="bits per byte", ylim=(0, None))
        ends = [*(values[-1] for _, values, _ in lines), unigram]
        names = [*(name for name, _, _ in lines), "bytes one by one"]
        label_ends(axes, ends, names, [*(colour for *_, colour in lines), GUIDE])

    early = summary["kept_step"] < summary["steps"][-1]
    caption = "How it was learned: the loss on windows of the training part" + (
        "" if summary["validation_loss"] is None else ", and on its end, which was kept back to see when to stop"
    )
    caption += ". Dashed: what single bytes alone need."
    caption += " The vertical line: the step whose model is kept." if early else ""
    return draw("training", caption, plot, height=3.2)


def write_text_report(folder: str | os.PathLike, summary: Mapping[str, Any]) -> Path:
    """Writes the report of `linnet sequence text FILE`.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        summary: what `linnet sequence text --json` prints.

    Returns:
        The path of the page.
    """
    carried = summary["bits_per_byte_carried"]
    rows = [["the model, windows read from nothing", summary["bits_per_byte"]]]
    if carried is not None:
        rows.append(["the model, state carried on through the text", carried])
    rows += [[name, value] for name, value in summary["references"].items()]
    voice = summary["sample"]
    content = ReportContent(
        title=f"{summary['about']} on {Path(summary['file']).name}",
        answer=f"{summary['answer'][:1].upper()}{summary['answer'][1:]}",
        kind="linnet sequence text",
        about=(
            f"{summary['train_bytes']:,} bytes to train, {summary['held_out_bytes']:,} held out at the end; trained "
            f"for {summary['kept_step']:,} steps of {summary['batch']} windows of {summary['train_length']} bytes."
        ),
        facts=[
            ("bits per held-out byte", f"{summary['bits_per_byte']:.3f}"),
            (
                "bytes guessed right",
                percent(summary["training_accuracy"][summary["steps"].index(summary["kept_step"])]),
            ),
            ("commonest byte", percent(summary["chance"])),
            ("parameters", f"{summary['parameters']:,}".replace(",", "\u2009")),
        ],
        tables=(
            bits_figure(summary),
            loss_figure(summary),
            Table("Bits for each byte of the held-out end.", ["by", "bits per byte"], rows),
            Table(
                "How the model goes on with the beginning of the held-out end (temperature 0.8).",
                ["", "text"],
                [["prompt", _visible(voice["prompt"])], ["model", _visible(voice["text"])]],
            ),
        ),
        reproduce=(
            *((summary["command"],) if summary.get("command") else ()),
            f'linnet generate {Path(summary["run"]).name} --prompt "..." --length 200 --temperature 0.8',
        ),
        notes=(
            "Windows are read from nothing, as in training, so their first bytes have little to go by; with the state "
            "carried on, a layer that does not generalise to longer texts than its windows gets worse and not better.",
        ),
        citations=stored_citations(folder),
    )
    return write_report(folder, content)


def _visible(text: str) -> str:
    """A text in one line: ends of lines as arrows, what cannot be printed as dots."""
    return "".join("\u21b5 " if c == "\n" else c if c.isprintable() else "\u00b7" for c in text)
