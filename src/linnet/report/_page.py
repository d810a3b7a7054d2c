"""The report: one self-contained HTML page in a fixed order, whatever it is about."""

import dataclasses
import html
import os
import re
import shutil
import string
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from .._cite import references
from .._version import __version__
from ._figure import Figure
from ._reference import reference
from ._table import Table, table_html

FOLDER = "report"


@dataclasses.dataclass(frozen=True)
class ReportContent:
    """What a report says; the page puts it in its fixed order.

    Args:
        title: what was looked at.
        answer: the answer in one sentence.
        kind: what kind of report it is, above the title.
        about: one sentence on the data or settings, under the answer.
        facts: the few most important numbers: name and value.
        warnings: what a reader must know before trusting the rest.
        sections: parts with titles of their own, before the others.
        overlay: figures of theory on simulation.
        difference: figures of their difference.
        tables: tables, and figures that belong to them.
        reproduce: command lines.
        notes: what was decided on the way, under the command lines.
        citations: keys of `references.bib`.
    """

    title: str
    answer: str
    kind: str = "linnet report"
    about: str = ""
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    sections: Sequence[tuple[str, Sequence[Table | Figure]]] = ()
    overlay: Sequence[Figure] = ()
    difference: Sequence[Figure] = ()
    tables: Sequence[Table | Figure] = ()
    reproduce: Sequence[str] = ()
    notes: Sequence[str] = ()
    citations: Sequence[str] = ()


def write_report(folder: str | os.PathLike, content: ReportContent) -> Path:
    """Writes `report/index.html` and `report/figures/*.svg` into a run folder, each complete or not at all.

    Args:
        folder: the run folder.
        content: what the report says.

    Returns:
        The path of the page.
    """
    target = Path(folder) / FOLDER
    figures = target / "figures"
    shutil.rmtree(figures, ignore_errors=True)  # those of an earlier report of this run
    figures.mkdir(parents=True, exist_ok=True)
    own = [items for _, items in content.sections]
    shown = [item for part in (*own, content.overlay, content.difference, content.tables) for item in part]
    for figure in (item for item in shown if isinstance(item, Figure)):
        write_page(figures / f"{figure.name}.svg", standalone(figure))
    return write_page(target / "index.html", report_html(content))


def report_html(content: ReportContent) -> str:
    """The page as text.

    Raises:
        ValueError: if a citation has no entry in `references.bib`.
    """
    parts = [f'<p class="answer">{html.escape(content.answer)}</p>']
    if content.about:
        parts.append(f'<p class="about">{html.escape(content.about)}</p>')
    if content.warnings:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in content.warnings)
        parts.append(f'<ul class="warnings">{lines}</ul>')
    if content.facts:
        pairs = "".join(f"<div><dt>{html.escape(n)}</dt><dd>{html.escape(v)}</dd></div>" for n, v in content.facts)
        parts.append(f'<dl class="facts">{pairs}</dl>')
    sections = (
        *content.sections,
        ("Theory on simulation", content.overlay),
        ("Their difference", content.difference),
        ("The numbers", content.tables),
    )
    for title, items in sections:
        if items:
            parts.append(_section(title, "\n".join(_item(item) for item in items)))
    parts.append(_section("How to reproduce", _reproduce(content)))
    if content.citations:
        parts.append(_section("Citations", _citations(content.citations)))
    return page_html(content.title, content.kind, parts)


def page_html(title: str, kind: str, parts: Sequence[str]) -> str:
    """A page of these parts, each HTML, under a title and above it what kind of page it is."""
    template = string.Template(resources.files("linnet.report").joinpath("template.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=html.escape(title), kind=html.escape(kind), version=__version__, body="\n".join(parts)
    )


def standalone(figure: Figure) -> str:
    """A figure as an SVG file of its own, with its caption as title, and readable on a dark page too."""
    svg = figure.svg.replace("<svg ", '<svg color="#1a1b1c" ', 1)
    head, body = svg.split(">", 1)
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n{head}>\n<title>{html.escape(figure.caption)}</title>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{body}\n'
    )


def _item(item: Table | Figure) -> str:
    if isinstance(item, Table):
        return table_html(item)
    slug = re.sub(r"[^A-Za-z0-9_-]", "-", item.name)
    svg = item.svg.replace("<svg ", f'<svg role="img" aria-labelledby="{slug}-caption" ', 1)
    caption = html.escape(item.caption)
    return f'<figure id="{slug}">{svg}<figcaption id="{slug}-caption">{caption}</figcaption></figure>'


def _section(title: str, inner: str) -> str:
    slug = title.lower().replace(" ", "-")
    return f'<section aria-labelledby="{slug}"><h2 id="{slug}">{title}</h2>\n{inner}\n</section>'


def _reproduce(content: ReportContent) -> str:
    lines = html.escape("\n".join(content.reproduce)) or "linnet --help"
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in content.notes)
    return f"<pre><code>{lines}</code></pre>" + (f"<ul>{notes}</ul>" if notes else "")


def _citations(keys: Sequence[str]) -> str:
    known = references()
    keys = list(dict.fromkeys(keys))
    missing = [key for key in keys if key not in known]
    if missing:
        raise ValueError(f"No reference is stored for {', '.join(missing)}; add the entry to references.bib.")
    lines = "".join(f"<li>{html.escape(reference(known[key]))}</li>" for key in keys)
    bibtex = html.escape("\n\n".join(known[key] for key in keys))
    return (
        f'<ol class="references">{lines}</ol>'
        f"<details><summary>BibTeX</summary><pre><code>{bibtex}</code></pre></details>"
    )


def write_page(path: Path, text: str) -> Path:
    """Writes a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return path
