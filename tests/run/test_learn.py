"""`linnet learn` from data to report: what it says, that it is not repeated, that it survives an end at any point."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from linnet import config, report, store
from linnet.run import _learn, learn
from linnet.store import _files
from tests.run.data import write_series, write_table

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
    os.rename(file, file := file.replace("table", "moved"))
    try:
        assert learn(tiny(), file, out=str(root / "runs"))["run"] != summary["run"]
    except TypeError:  # the file's name is part of the run's: it began anew
        pass
    finally:
        os.rename(file, file.replace("moved", "table"))


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("writes", [1, 7, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 5, 9, 12))])
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


def test_ctrl_c_leaves_a_run_that_resumes_bit_identical(finished, tmp_path):
    _, file, summary, _ = finished

    def interrupt(stage, done, total):
        if stage == "training tanh network" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="learn-table"):
        learn(tiny(), file, out=str(tmp_path), progress=interrupt)
    (folder,) = tmp_path.glob("*_learn-table_*")
    assert store.RunFolder(folder).state == "interrupted"
    again = learn(tiny(), file, out=str(tmp_path))
    assert again["run"] == str(folder)
    assert_identical(folder_of(summary), folder)


def test_a_failure_after_the_first_stage_is_noted(finished, tmp_path, monkeypatch):
    _, file, _, _ = finished

    def fail(*_):
        raise OSError(28, "No space left on device", "figure.svg")

    monkeypatch.setattr(report, "write_learn_report", fail)
    with pytest.raises(OSError):
        learn(tiny(), file, out=str(tmp_path))
    (folder,) = tmp_path.glob("*_learn-table_*")
    run = store.RunFolder(folder)
    assert run.state == "failed" and "No space" in run.meta["reason"] and "summary" not in run.meta


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target": ("q",)}, "no column 'q'"),
        ({"target": ("y",), "columns": ("y", "a")}, "y"),
        ({"rate": 1e6}, "largest stable one is"),
    ],
)
def test_what_cannot_work_leaves_nothing_behind(finished, tmp_path, values, message):
    with pytest.raises(ValueError, match=message):
        learn(tiny(**values), finished[1], out=str(tmp_path / "runs"))
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
def test_a_time_series(tmp_path):
    settings = tiny(target=(), window=4, times=40)
    summary = learn(settings, write_series(tmp_path / "series.csv"), out=str(tmp_path / "runs"))
    assert [network["name"] for network in summary["networks"]] == ["linear_rnn", "tanh_rnn", "gru"]
    for mode in summary["modes"]:
        assert mode["predicted_time"] == pytest.approx(mode["measured_time"], rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("checkpoints", [2, 4])
def test_a_killed_process_resumes_bit_identical(finished, tmp_path, checkpoints):
    _, file, summary, _ = finished
    words = ["learn", file, "--preset", "quick", "--out", str(tmp_path)]
    for name, value in TINY.items():
        words += [f"--{name}", ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    script = (
        "import os, signal, sys\nfrom linnet.store import _stage\nfrom linnet.cli import main\n"
        "write, count = _stage.write_checkpoint, []\n"
        "def kill(*args):\n    write(*args)\n    count.append(1)\n"
        f"    if len(count) == {checkpoints}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "_stage.write_checkpoint = kill\n"
        f"main({words!r})\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    again = learn(tiny(), file, out=str(tmp_path), resume=True)
    assert_identical(folder_of(summary), folder_of(again))
