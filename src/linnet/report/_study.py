"""The report of a study: its claims, and the figures that show them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ._claims import claims_figure
from ._figure import Figure
from ._learn import stored_citations
from ._page import ReportContent, write_report
from ._table import Table


@runtime_checkable
class HasFigures(Protocol):
    """What a study hands over: `studies.Findings`, which this room must not know."""

    @property
    def figures(self) -> tuple[Figure, ...]: ...


def write_study_report(folder: str | os.PathLike, findings: HasFigures, summary: Mapping[str, Any]) -> Path:
    """Writes the report of a study.

    Args:
        folder: the run folder; the keys of its `citations.bib` are the report's citations.
        findings: what the study found; its figures are shown in their order.
        summary: what `linnet study --json` prints, with `study`, `title`, `answer` and `claims`.

    Returns:
        The path of the page.
    """
    return write_report(folder, study_content(findings.figures, summary, stored_citations(folder)))


def study_content(
    figures: tuple[Figure, ...], summary: Mapping[str, Any], citations: tuple[str, ...] = ()
) -> ReportContent:
    """What the report of a study says.

    Args:
        figures: its figures.
        summary: what `linnet study --json` prints.
        citations: keys of `references.bib`.
    """
    claims = summary["claims"]
    failed = [str(row + 1) for row, claim in enumerate(claims) if not claim["holds"]]
    controls = sum(bool(claim.get("control")) for claim in claims)
    settings = {name: summary[name] for name in ("preset", "seed") if summary.get(name) is not None}
    command = " ".join([f"linnet study {summary['study']}", *(f"--{name} {value}" for name, value in settings.items())])
    title, answer = str(summary.get("title") or summary["study"]).rstrip("."), str(summary["answer"]).strip()
    verdict = claims_figure(
        "claims",
        "Distance of every claim's number from what was predicted, in units of its tolerance: claims within the shaded "
        "part hold. Bounds that are kept with room to spare lie to the left.",
        claims,
    )
    return ReportContent(
        title=title,
        answer=answer[:1].upper() + answer[1:] + ("" if answer.endswith(".") else "."),
        kind=f"linnet study {summary['study']}",
        about=f"{len(claims)} claims were decided, {controls} of them negative controls: the effect has to be gone "
        "once its cause is taken away.",
        warnings=(f"Claims that do not hold: {', '.join(failed)}.",) if failed else (),
        overlay=figures,
        difference=(verdict,),
        tables=(claims_table(claims),),
        reproduce=(command,),
        notes=("All arrays behind this page are in data.nc of the run folder (xarray.open_datatree).",),
        citations=citations,
    )


def claims_table(claims: list[Mapping[str, Any]]) -> Table:
    """Every claim with its numbers and its verdict."""
    signs = {"close": "±", "at least": "≥", "at most": "≤"}
    rows = []
    for row, claim in enumerate(claims):
        text = claim["statement"] + (" (negative control)" if claim.get("control") else "")
        relation = signs.get(claim.get("relation", "close"), "±")
        numbers = [relation, claim["predicted"], claim["measured"], claim["tolerance"]]
        rows.append([row + 1, text, *numbers, bool(claim["holds"])])
    columns = ["Claim", "Statement", "Asks", "Predicted", "Measured", "Tolerance", "Holds"]
    caption = "The claims. ±: as near as the tolerance; ≥ and ≤: a bound, overstepped by at most the tolerance."
    return Table(caption, columns, rows)
