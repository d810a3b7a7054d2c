"""`linnet learn` from data to report: what it says, that it is not repeated, that it survives an end at any point."""

import json
import os

import numpy as np
import pytest
import xarray as xr

from linnet import config, store
from linnet.run import _learn, learn
from linnet.store import _files
from tests.run.data import write_table

TINY = {"target": ("y", "z"), "depths": (2,), "hidden": 4, "seeds": 3, "times": 60, "steps": 60, "permutations": 20}


def tiny(**values):
    return config.load("learn", "quick", **TINY | values)


def arrays(folder):
    with xr.open_datatree(folder / "data.nc", engine="h5netcdf") as tree:
        return {f"{node.path}/{name}": data.values for node in tree.subtree for name, data in node.variables.items()}


def assert_identical(first, second):
    a, b = arrays(first), arrays(second)
    assert a.keys() == b.keys() and len(a) > 20
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].tobytes() == b[name].tobytes(), name


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("learn")
    file = write_table(root / "table.csv")
    seen = []
    summary = learn(tiny(), file, out=str(root / "runs"), progress=lambda *where: seen.append(where))
    return root, file, summary, seen


def folder_of(summary):
    return store.RunFolder(summary["run"]).path


def test_the_run_folder_is_complete(finished):
    _, _, summary, _ = finished
    run = store.RunFolder(summary["run"])
    assert run.state == "finished"
    for name in ("config.toml", "meta.json", "metrics.jsonl", "data.nc", "citations.bib", "report/index.html"):
        assert (run.path / name).stat().st_size > 0, name
    assert not [path for path in run.path.rglob("*") if path.name.endswith(".tmp")]
    assert summary["report"] == str(run.path / "report" / "index.html")
    assert "saxe2014exact" in (run.path / "citations.bib").read_text()
    stages = [json.loads(line)["stage"] for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert stages[0] == "describe" and "train-relu" in stages


def test_the_summary_is_plain_json_and_the_same_in_the_folder(finished):
    _, _, summary, _ = finished
    text = json.dumps(summary, allow_nan=False)
    assert store.RunFolder(summary["run"]).meta["summary"] == json.loads(text)


def test_the_theory_meets_the_training(finished):
    _, _, summary, _ = finished
    assert len(summary["modes"]) == 2 and summary["main"] == "linear_2"
    for mode in summary["modes"]:
        assert mode["predicted_time"] == pytest.approx(mode["measured_time"], rel=0.05)
        assert mode["above_noise_edge"]
    assert summary["order_agreement"] == pytest.approx(1)
    assert summary["theories"]["linear_2"]["theory"] == "SmallInitialization"
    assert all(found["holds"] for found in summary["theories"]["linear_2"]["assumptions"])


def test_modes_are_named_in_the_columns_of_the_file(finished):
    first = finished[2]["modes"][0]
    assert {part["column"] for part in first["inputs"]} == {"a", "b", "c", "d"}
    assert {part["target"] for part in first["outputs"]} == {"y", "z"}
    assert abs(first["inputs"][0]["weight"]) >= abs(first["inputs"][-1]["weight"])


def test_measured_times_are_those_of_the_stored_curves(finished):
    _, _, summary, _ = finished
    with xr.open_datatree(folder_of(summary) / "data.nc", engine="h5netcdf") as tree:
        task, simulation = tree["/task"].to_dataset().load(), tree["/networks/linear_2/simulation"].to_dataset().load()
    ts, strengths = simulation["time"].values, simulation["mode_strengths"].values
    for mode, row in enumerate(summary["modes"]):
        half = task["strengths"].values[mode] / 2
        times = [np.interp(half, member[:, mode], ts) for member in strengths]  # strengths only rise here
        assert row["measured_time"] == pytest.approx(np.median(times), rel=1e-6)


def test_progress_is_told(finished):
    seen = finished[3]
    assert ("reading", 0, 0) in seen
    done = [(done, total) for stage, done, total in seen if stage == "training tanh network" and total]
    assert done and done[-1][0] == done[-1][1]


def test_a_finished_run_is_found_and_not_repeated(finished, monkeypatch):
    root, file, summary, _ = finished
    monkeypatch.setattr(_learn, "_execute", None)
    again = learn(tiny(), file, out=str(root / "runs"))
    assert again == summary


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("writes", [1])
def test_a_run_that_ends_at_any_write_resumes_bit_identical(finished, tmp_path, monkeypatch, writes):
    _, file, summary, _ = finished
    real, count = os.replace, []

    def replace(source, target):
        count.append(target)
        if len(count) > writes:
            raise Killed
        real(source, target)

    monkeypatch.setattr(_files.os, "replace", replace)
    with pytest.raises(Killed):
        learn(tiny(), file, out=str(tmp_path))
    monkeypatch.setattr(_files.os, "replace", real)
    again = learn(tiny(), file, out=str(tmp_path), resume=True)
    assert len(list(tmp_path.glob("*_learn-table_*"))) == 1
    assert_identical(folder_of(summary), folder_of(again))
    known = ("modes", "order_agreement", "stopping", "answer", "departure")
    assert {key: again[key] for key in known} == {key: summary[key] for key in known}
    lines = [json.loads(line) for line in (folder_of(again) / "metrics.jsonl").read_text().splitlines()]
    once = [(line["stage"], line.get("chunk")) for line in lines]
    assert len(set(once)) == len(once)
