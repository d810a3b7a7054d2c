"""Runs are listed from a cache that may be lost, and found by what a user remembers of their name."""

import json

import pytest

from linnet import store
from linnet.store import _index


def make(root, name, identity, **meta):
    run = store.begin(root, name, identity, "", kind="learn")
    run.finish(**meta)
    run.release()
    return run.path.name


@pytest.fixture
def root(tmp_path):
    make(tmp_path, "learn-digits", "1a" * 32, answer="first")
    make(tmp_path, "learn-iris", "2b" * 32, answer="second")
    return tmp_path


def test_runs_are_listed(root):
    assert [run["answer"] for run in store.runs(root)] == ["first", "second"]
    assert {run["state"] for run in store.runs(root)} == {"finished"}
    assert store.runs(root / "nowhere") == []


def test_the_index_is_a_cache(root, monkeypatch):
    listed = store.runs(root)
    reads = []
    real = _index.read_meta
    monkeypatch.setattr(_index, "read_meta", lambda folder: reads.append(folder) or real(folder))
    assert store.runs(root) == listed and not reads
    (root / _index.INDEX).write_text("no json")
    assert store.runs(root) == listed and len(reads) == 2
    assert len(json.loads((root / _index.INDEX).read_text())) == 2


def test_a_changed_or_removed_run_is_noticed(root):
    store.runs(root)
    run = store.find_run("learn-iris", root)
    run.update(answer="third")
    assert [entry["answer"] for entry in store.runs(root)] == ["first", "third"]
    run.clear()
    assert [entry["answer"] for entry in store.runs(root)] == ["first"]


def test_a_run_is_found_by_path_name_and_prefix(root):
    (name,) = (entry["folder"] for entry in store.runs(root) if entry["name"] == "learn-iris")
    for reference in (str(root / name), name, name[:25], "learn-iris", "learn-i", "2b2b", "2b" * 20, name + "/"):
        assert store.find_run(reference, root).path.name == name, reference


def test_what_is_not_unique_or_not_there_is_a_sentence(root):
    with pytest.raises(store.StoreError, match="could be any of .*digits.*iris"):
        store.find_run("learn", root)
    with pytest.raises(store.StoreError, match="closest are .*learn-iris"):
        store.find_run("learn-irsi", root)
    with pytest.raises(store.StoreError, match="latest is"):
        store.find_run("zzzzzzzzzzzz", root)
    with pytest.raises(store.StoreError, match="no run at all"):
        store.find_run("x", root / "nowhere")
    with pytest.raises(store.StoreError, match="empty"):
        store.find_run("", root)
