"""A run folder: what it holds, the state it is in, and who may write it."""

import datetime
import glob
import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

from . import _files
from ._files import StoreError
from ._identity import SHORT
from ._lock import NAME as LOCK_NAME, FolderLock, is_locked

RUNNING: Final = "running"
FINISHED: Final = "finished"
INTERRUPTED: Final = "interrupted"
FAILED: Final = "failed"

CONFIG, META, METRICS, DATA, CHECKPOINTS, CITATIONS = (
    "config.toml",
    "meta.json",
    "metrics.jsonl",
    "data.nc",
    "ckpt",
    "citations.bib",
)


class RunFolder:
    """One run on disk. The folder is the truth; `meta.json` says in which state it is.

    Make one with `begin` (to write) or `RunFolder(path)` (to read).

    Args:
        path: the folder.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._lock: FolderLock | None = None

    @property
    def meta(self) -> dict[str, Any]:
        """The content of `meta.json`; empty where there is none, as in a run killed in its first instant."""
        return read_meta(self.path)

    @property
    def state(self) -> str:
        """ "running", "finished", "interrupted" or "failed"."""
        return state_of(self.path, self.meta)

    def update(self, **entries: Any) -> None:
        """Sets entries of `meta.json`."""
        self.write(META, json.dumps(self.meta | entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write(self, name: str, content: str | bytes | memoryview) -> Path:
        """Writes a file of the run, whole or not at all; folders in its name are made."""
        path = self.path / name
        if path.parent != self.path:
            _files.make_folder(path.parent)
        return _files.write(path, content)

    def log(self, **record: Any) -> None:
        """Appends a line to `metrics.jsonl`, with the time; what follows the last checkpoint is cut on resume."""
        _files.append(self.path / METRICS, json.dumps({"at": now()} | record, ensure_ascii=False))

    @property
    def metrics_size(self) -> int:
        """The length of `metrics.jsonl` in bytes; checkpoints note it, and a resumed run is cut back to it."""
        path = self.path / METRICS
        return path.stat().st_size if path.exists() else 0

    def finish(self, **entries: Any) -> None:
        """Marks the run as finished; written last, so that a run that claims to be finished is whole."""
        self.update(state=FINISHED, finished=now(), **entries)

    def stop(self, state: str, reason: str) -> None:
        """Notes that the run ended early. Never fails: the disk may be full, and then the state stays "running",
        which without a process that holds the lock means the same."""
        try:
            self.update(state=state, reason=reason)
        except StoreError:
            pass

    def lock(self) -> None:
        """Takes the folder for this process."""
        self._lock = FolderLock(self.path)

    def release(self) -> None:
        """Gives the folder free for other processes."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def discard(self) -> None:
        """Removes the folder, for a run that never began. Never fails: what cannot be removed stays, as interrupted."""
        self.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def clear(self) -> None:
        """Removes everything but the lock."""
        for path in self.path.iterdir():
            if path.name != LOCK_NAME:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def begin(
    root: str | os.PathLike, name: str, identity: str, config: str, *, force: bool = False, **meta: Any
) -> RunFolder:
    """Finds the run of this identity, or makes its folder, and locks it.

    Args:
        root: the folder of runs.
        name: the middle part of the folder's name.
        identity: the hash that identifies the run.
        config: the text of `config.toml`.
        force: begin anew even if there is such a run, which is then removed.
        **meta: entries for the `meta.json` of a new run.

    Returns:
        The run. If its `state` is "finished", there is nothing to do and it is not locked; else it is locked and
        "running".
    """
    root = _files.make_folder(root)
    folder = f"{datetime.date.today().isoformat()}_{name}_{identity[:SHORT]}"
    run = _find(root, name, identity)
    if run is None:
        if read_meta(root / folder):  # Another run whose identity begins with the same eight digits.
            folder = folder.replace(identity[:SHORT], identity[: 2 * SHORT])
        run = RunFolder(_files.make_folder(root / folder))
    if run.state == FINISHED and not force:
        return run
    fresh = False
    run.lock()
    try:
        if run.state == FINISHED and not force:  # Another process finished it between the look and the lock.
            run.release()
            return run
        if force:
            run.clear()
            if run.path.name != folder:
                run.path = run.path.rename(root / folder)
        _files.remove_temporaries(run.path)
        fresh = not run.meta
        if fresh:
            run.write(CONFIG, config)
            run.update(state=RUNNING, identity=identity, name=name, created=now(), **meta)
        else:
            run.update(state=RUNNING, reason=None, resumed=now())
    except BaseException as error:
        run.release()
        if fresh:  # Nothing is lost, and no half-made folder stays behind.
            shutil.rmtree(run.path, ignore_errors=True)
        if isinstance(error, OSError):
            raise StoreError(_files.sentence(error, run.path)) from error
        raise
    return run


def state_of(path: Path, meta: dict[str, Any]) -> str:
    """The state of a run: one that says "running" while no process holds it was interrupted."""
    state = meta.get("state", INTERRUPTED)
    return INTERRUPTED if state == RUNNING and not is_locked(path) else state


def read_meta(folder: Path) -> dict[str, Any]:
    """The content of a run's `meta.json`; empty if it is not there or not JSON."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return meta if isinstance(meta, dict) else {}


def now() -> str:
    """This moment, in the local time zone, as ISO 8601 to the second."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _find(root: Path, name: str, identity: str) -> RunFolder | None:
    # The same run may have been begun on another day. The latest folder wins.
    for path in sorted(root.glob(f"*_{glob.escape(name)}_{identity[:SHORT]}*"), reverse=True):
        if path.is_dir() and read_meta(path).get("identity", identity) == identity:
            return RunFolder(path)
    return None
