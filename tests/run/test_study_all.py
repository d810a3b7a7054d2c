"""Many studies side by side: what fails does not end the others, what is finished is not repeated, and the page."""

import pytest

from linnet import config, run, studies

NAMES = ["saxe2014-modes", "saxe2014-depth", "saxe2014-chaos"]


def _study(measured):
    def study(settings, *, key, progress):
        progress("measuring")
        if measured is None:
            raise ValueError("a sentence about what is wrong")
        return studies.Findings((studies.Claim("the number is one", 1.0, measured, 0.1),), ())

    return study


def install():
    """Puts studies that take no time in place of those named; called in every process."""
    for name, measured in zip(NAMES, (1.0, 2.0, None), strict=True):
        studies.STUDIES[name] = _study(measured)


@pytest.fixture
def restored(monkeypatch):
    for name in NAMES:
        monkeypatch.setitem(studies.STUDIES, name, studies.STUDIES[name])


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_one_failure_does_not_end_the_others(jobs, tmp_path, restored):
    told = []
    settings = {"out": str(tmp_path), "jobs": jobs, "prepare": install, "command": "linnet study all"}
    found = run.run_studies(NAMES, "quick", progress=lambda *what: told.append(what), **settings)
    holds, fails, broken = found["studies"]
    assert holds["holds"] and not fails["holds"] and "a sentence about what is wrong" in broken["error"]
    assert not found["holds"] and found["answer"] == "1 of 3 studies hold"
    assert told[-1][1:] == (3, 3)
    page = (tmp_path / "studies-quick-0.html").read_text()
    assert "1 of 3 studies hold, 1 of 2 claims" in page and "the number is one" in page
    assert "a sentence about what is wrong" in page and "linnet study all" in page
    again = run.run_studies(NAMES[:2], "quick", **settings)
    assert [entry["run"] for entry in again["studies"]] == [holds["run"], fails["run"]]


def test_unknown_studies_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="no study 'saxe'"):
        run.run_studies(["saxe2014-modes", "saxe"], out=str(tmp_path), jobs=1)
    assert not list(tmp_path.iterdir())


def test_every_study_has_a_title():
    assert all(config.title(name) for name in studies.STUDIES)
