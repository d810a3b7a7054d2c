"""The list of runs, and which run a user means. The index is a cache: deleting it costs nothing but a moment."""

import difflib
import json
import os
from pathlib import Path
from typing import Any

from ._files import StoreError, write
from ._run import META, RunFolder, read_meta, state_of

INDEX = ".index.json"

#: What the index keeps of each run's meta.json.
_KEPT = ("name", "kind", "state", "identity", "created", "finished", "answer", "linnet")


def runs(root: str | os.PathLike) -> list[dict[str, Any]]:
    """All runs under a folder, oldest first.

    A run whose `meta.json` has not changed since the index was written is not read again.

    Args:
        root: the folder of runs.

    Returns:
        For each run its `folder` (a name), `state`, `name`, `kind`, `identity`, `created`, `finished` and `answer`,
        as far as it has them. Empty if there is no such folder.
    """
    root = Path(root)
    try:
        folders = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
    cache = _read(root / INDEX)
    fresh = {name: found for name in folders if (found := _entry(root / name, cache.get(name))) is not None}
    if fresh != cache:
        try:
            write(root / INDEX, json.dumps(fresh, ensure_ascii=False))
        except StoreError:
            pass  # A folder that may only be read is listed all the same.
    listed = [{"folder": name} | entry["meta"] for name, entry in fresh.items()]
    for entry in listed:
        entry["state"] = state_of(root / entry["folder"], entry)
    return sorted(listed, key=lambda entry: (entry.get("created") or "", entry["folder"]))


def find_run(reference: str, root: str | os.PathLike = "runs") -> RunFolder:
    """The run a user means.

    Args:
        reference: a path, the name of a folder under `root`, or the beginning of its name or hash, if unique.
        root: the folder of runs.

    Returns:
        The run.

    Raises:
        StoreError: if there is none, or more than one; the message names the closest.
    """
    if not reference:
        raise StoreError("The name of a run is needed, got an empty text: `linnet list` shows the runs.")
    path = Path(reference)
    if (path / META).is_file():
        return RunFolder(path)
    known = runs(root)
    if not known:
        raise StoreError(
            f"There is no run {reference!r}, and no run at all in {Path(root)}: begin one with `linnet learn`."
        )
    exact = [entry for entry in known if entry["folder"] == path.name]
    matches = exact or [entry for entry in known if any(alias.startswith(reference) for alias in _aliases(entry))]
    if len(matches) == 1:
        return RunFolder(Path(root) / matches[0]["folder"])
    names = [entry["folder"] for entry in (matches or known)]
    if matches:
        raise StoreError(f"{reference!r} could be any of {', '.join(names)}: give more of its name or of its hash.")
    aliases = {alias: entry["folder"] for entry in known for alias in _aliases(entry)}
    close = dict.fromkeys(aliases[name] for name in difflib.get_close_matches(reference, aliases, n=5, cutoff=0.4))
    hint = f"the closest are {', '.join(list(close)[:3])}" if close else f"the latest is {names[-1]}"
    raise StoreError(f"There is no run {reference!r} in {Path(root)}: {hint} (`linnet list` shows all).")


def _aliases(entry: dict[str, Any]) -> list[str]:
    folder = entry["folder"]
    parts = folder.split("_", 1)
    return [folder, entry.get("identity") or "", *(parts[1:]), folder.rsplit("_", 1)[-1]]


def _read(path: Path) -> dict[str, Any]:
    try:
        cache = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cache if isinstance(cache, dict) else {}


def _entry(folder: Path, cached: Any) -> dict[str, Any] | None:
    try:
        status = (folder / META).stat()
    except OSError:
        return None
    stamp = [status.st_mtime_ns, status.st_size]
    if isinstance(cached, dict) and cached.get("stamp") == stamp and isinstance(cached.get("meta"), dict):
        return cached
    meta = read_meta(folder)
    return {"stamp": stamp, "meta": {key: meta[key] for key in _KEPT if key in meta}}
