"""list, show, compare and cite on runs made by hand."""

import json

import numpy as np
import pytest
import xarray as xr

from linnet import store
from linnet.cli import main

TS = np.linspace(0, 10, 50)


def make(root, name, identity, rate, finish=True):
    run = store.begin(
        root, name, identity, f"[config]\nrate = {rate}\nhidden = 3\n", kind="learn", command="linnet learn"
    )
    values = np.exp(-rate * TS)[None] * np.ones((2, 1))
    simulation = xr.Dataset({"loss": (("seed", "time"), values)}, {"time": TS})
    store.write_data(run, xr.DataTree.from_dict({"/networks/linear/simulation": simulation}))
    if finish:
        run.write("citations.bib", "@article{key,\n}\n")
        summary = {"answer": f"rate {rate}", "modes": [], "order_agreement": None, "stopping": {}, "report": "r.html"}
        run.finish(answer=summary["answer"], summary=summary)
    run.release()


@pytest.fixture
def root(tmp_path):
    make(tmp_path, "learn-a", "1a" * 32, 1.0)
    make(tmp_path, "learn-b", "2b" * 32, 2.0)
    make(tmp_path, "learn-c", "3c" * 32, 3.0, finish=False)
    return tmp_path


def call(capsys, *words, code=0):
    assert main([*map(str, words)]) == code
    return capsys.readouterr()


def test_list(capsys, root):
    runs = json.loads(call(capsys, "list", "--out", root, "--json").out)["runs"]
    assert [run["state"] for run in runs] == ["finished", "finished", "interrupted"]
    text = call(capsys, "list", "--out", root).out
    assert "learn-a_1a1a1a1a" in text and "rate 2.0" in text


def test_show(capsys, root):
    content = json.loads(call(capsys, "show", "1a1a", "--out", root, "--json").out)
    assert content["answer"] == "rate 1.0" and content["config"]["rate"] == 1.0
    assert "rate 1.0" in call(capsys, "show", "learn-a", "--out", root).out
    assert "interrupted and has no results" in call(capsys, "show", "learn-c", "--out", root).out


def test_cite(capsys, root):
    assert call(capsys, "cite", "learn-a", "--out", root).out == "@article{key,\n}\n"
    assert "bibtex" in json.loads(call(capsys, "cite", "learn-a", "--out", root, "--json").out)
    assert "no citations.bib" in call(capsys, "cite", "learn-c", "--out", root, code=2).err


def test_compare(capsys, root):
    content = json.loads(call(capsys, "compare", "learn-a", "learn-b", "--out", root, "--json").out)
    assert content["settings"] == {"config.rate": [1.0, 2.0]}
    (quantity,) = content["quantities"]
    assert quantity["name"] == "linear/simulation/loss"
    assert quantity["absolute"] == pytest.approx(np.max(np.exp(-TS) - np.exp(-2 * TS)))
    assert "config.rate" in call(capsys, "compare", "learn-a", "learn-b", "--out", root).out


def test_a_run_is_equal_to_itself(capsys, root):
    content = json.loads(call(capsys, "compare", "learn-a", "learn-a", "--out", root, "--json").out)
    assert content["settings"] == {} and content["quantities"][0]["absolute"] == 0


@pytest.mark.parametrize(
    "words", [["show", "nothing"], ["show", "learn"], ["compare", "learn-a", "nothing"], ["cite", ""]]
)
def test_a_run_that_is_not_there_is_a_sentence(capsys, root, words):
    out, err = call(capsys, *words, "--out", root, code=2)
    assert not out and err.count("\n") == 1
