"""Files are whole or not there, and errors of the system become sentences."""

import errno
import os

import pytest

from linnet import store
from linnet.store import _files


def test_a_write_replaces_whole(tmp_path):
    path = tmp_path / "a.txt"
    store.write(path, "old")
    store.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, function):
    path = tmp_path / "a.txt"
    store.write(path, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(store.StoreError, match="full: free some space"):
        store.write(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_real_limit_on_the_file_size_is_told(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(store.StoreError, match="ulimit"):
            store.write(tmp_path / "big", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(store.StoreError, match="choose another folder with --out"):
        _files.make_folder(tmp_path / "file" / "runs")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EIO, errno.ENOTDIR])
def test_every_error_is_a_sentence_that_says_what_to_do(code):
    text = store.sentence(OSError(code, os.strerror(code)), "/somewhere/runs")
    assert "/somewhere/runs" in text and "--out" in text and text.endswith(".")


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / "ckpt").mkdir()
    left = [tmp_path / ".data.nc.7.tmp", tmp_path / "ckpt" / ".a.eqx.7.tmp"]
    for path in left:
        path.write_text("half")
    (tmp_path / "data.nc").write_text("whole")
    _files.remove_temporaries(tmp_path)
    assert not any(path.exists() for path in left)
    assert (tmp_path / "data.nc").exists()


def test_truncate_cuts_but_never_grows(tmp_path):
    path = tmp_path / "metrics.jsonl"
    _files.append(path, "one")
    _files.append(path, "two")
    _files.truncate(path, 100)
    assert path.read_text() == "one\ntwo\n"
    _files.truncate(path, 4)
    assert path.read_text() == "one\n"
