"""Run folders: found, not repeated; resumed, not begun anew; one writer; none wrongly claims to be finished."""

import errno
import json
import signal
import subprocess
import sys

import pytest

from linnet import store
from linnet.store import _files

IDENTITY = "ab" * 32


def begin(root, identity=IDENTITY, **options):
    return store.begin(root, "learn-x", identity, "a = 1\n", kind="learn", **options)


def test_a_new_run_has_its_config_and_is_running(tmp_path):
    run = begin(tmp_path)
    assert run.state == "running"
    assert run.path.name.endswith("_learn-x_abababab")
    assert (run.path / "config.toml").read_text() == "a = 1\n"
    assert run.meta["identity"] == IDENTITY and run.meta["kind"] == "learn"


def test_a_finished_run_is_found_and_not_touched(tmp_path):
    run = begin(tmp_path)
    run.finish(answer=42)
    run.release()
    before = (run.path / "meta.json").read_bytes()
    again = begin(tmp_path)
    assert again.path == run.path and again.state == "finished" and again.meta["answer"] == 42
    assert (run.path / "meta.json").read_bytes() == before


def test_force_begins_anew(tmp_path):
    run = begin(tmp_path)
    run.write("ckpt/a.eqx", b"old")
    run.finish()
    run.release()
    again = begin(tmp_path, force=True)
    assert again.state == "running"
    assert not (again.path / "ckpt").exists() and "finished" not in again.meta
    assert len(list(tmp_path.glob("*_learn-x_*"))) == 1


def test_a_run_of_another_day_is_the_same_run(tmp_path):
    run = begin(tmp_path)
    run.release()
    old = run.path.rename(tmp_path / "2001-01-01_learn-x_abababab")
    again = begin(tmp_path)
    assert again.path == old and again.state == "running"
    again.release()
    assert begin(tmp_path, force=True).path == run.path


def test_another_identity_is_another_run_even_when_it_begins_alike(tmp_path):
    first = begin(tmp_path)
    first.finish()
    first.release()
    second = begin(tmp_path, identity="ab" * 31 + "cd")
    assert second.path != first.path and second.state == "running"
    second.finish()
    second.release()
    assert begin(tmp_path, identity="ab" * 31 + "cd").path == second.path
    assert begin(tmp_path).path == first.path


def test_two_writers_are_refused(tmp_path):
    run = begin(tmp_path)
    with pytest.raises(store.StoreError, match="another process"):
        begin(tmp_path)
    run.release()
    begin(tmp_path)


def test_a_killed_writer_leaves_no_lock_and_its_run_counts_as_interrupted(tmp_path):
    script = (
        "import os, signal, sys; from linnet import store\n"
        "store.begin(sys.argv[1], 'learn-x', sys.argv[2], 'a = 1'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path), IDENTITY], check=False)
    assert ended.returncode == -signal.SIGKILL
    (folder,) = tmp_path.glob("*_learn-x_*")
    assert json.loads((folder / "meta.json").read_text())["state"] == "running"
    assert store.RunFolder(folder).state == "interrupted"
    assert begin(tmp_path).state == "running"


def test_a_run_killed_before_its_meta_was_written_is_taken_up(tmp_path):
    run = begin(tmp_path)
    run.release()
    (run.path / "meta.json").unlink()
    assert store.RunFolder(run.path).state == "interrupted"
    again = begin(tmp_path)
    assert again.path == run.path and again.meta["identity"] == IDENTITY


def test_a_full_disk_at_the_start_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(store.StoreError, match="full"):
        begin(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_in_mid_run_never_leaves_a_run_that_claims_to_be_finished(tmp_path, monkeypatch):
    run = begin(tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(store.StoreError):
        run.finish()
    run.stop("failed", "the disk is full")
    run.release()
    assert run.state == "interrupted"


def test_an_output_that_is_a_file_is_a_sentence(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(store.StoreError, match="part of that path is a file"):
        begin(tmp_path / "runs")


def test_a_meta_file_that_is_no_json_does_not_crash(tmp_path):
    run = begin(tmp_path)
    run.release()
    (run.path / "meta.json").write_text("{")
    assert store.RunFolder(run.path).meta == {}
    assert begin(tmp_path).state == "running"
