"""`linnet study`: decide a paper's claims and keep what was found."""

import time
from collections.abc import Callable
from typing import Any

from .. import config as configs, store
from ._session import begin, finite, located, resume_note, session

Progress = Callable[[str], None]


def run_study(
    name: str,
    preset: str = "default",
    *,
    seed: int = 0,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Progress = lambda stage: None,
) -> dict[str, Any]:
    """Runs a study, or finds the finished run of the same study, preset and seed.

    Args:
        name: the study.
        preset: "quick", "default" or "paper".
        seed: the seed of everything random.
        out: the folder of runs.
        force: repeat a finished run.
        resume: say so if there was nothing to resume.
        command: what the user typed, for the record.
        progress: called with the name of each stage.

    Returns:
        The summary: `study`, `preset`, `claims` (each with `statement`, `predicted`, `measured`, `tolerance`, `holds`),
        `holds`, `answer`, `run` and `report`.
    """
    from .. import studies

    settings = configs.load(name, preset, seed=seed)
    if name not in studies.STUDIES:
        raise ValueError(f"The study {name} has settings but no code yet: choose one of {', '.join(studies.STUDIES)}.")
    run = begin("study", name, settings, {}, out, force=force, command=command)
    if run.state == store.FINISHED:
        return located(run)
    with session(run):
        resume_note(run, resume)
        summary = _decide(run, name, preset, settings, progress)
        run.finish(answer=summary["answer"], summary=summary)
    return summary


def _decide(run: store.RunFolder, name: str, preset: str, settings: Any, progress: Progress) -> dict[str, Any]:
    import jax.random as jr
    import xarray as xr

    from .. import report, studies
    from .._cite import bibliography, citations

    started = time.monotonic()
    study = studies.STUDIES[name]
    findings = study(settings, key=jr.key(settings.seed), progress=progress)
    claims = [claim.to_dict() for claim in findings.claims]
    failed = sum(not claim["holds"] for claim in claims)
    summary = {
        "study": name,
        "title": configs.title(name),
        "preset": preset,
        "seed": settings.seed,
        "holds": not failed,
        "answer": f"all {len(claims)} claims hold" if not failed else f"{failed} of {len(claims)} claims do not hold",
        "claims": claims,
        "figures": [figure.name for figure in findings.figures],
        "seconds": round(time.monotonic() - started, 1),
        "run": str(run.path),
        "report": str(run.path / "report" / "index.html"),
    }
    summary = finite(summary)
    store.write_data(run, xr.DataTree.from_dict({f"/{key}": data for key, data in findings.datasets.items()}))
    run.write(store.CITATIONS, bibliography(citations(study)))
    summary["report"] = str(report.write_study_report(run.path, findings, summary))
    return summary
