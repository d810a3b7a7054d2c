"""What every run has in common: found or begun, ended well or with its reason noted, and never half-claimed."""

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from .. import store
from .._version import __version__
from ..config import dumps, to_plain


def begin(
    kind: str,
    name: str,
    config: Any,
    inputs: Mapping[str, str],
    out: str,
    *,
    force: bool = False,
    command: str = "",
    paths: Mapping[str, str] | None = None,
) -> store.RunFolder:
    """Finds or begins the run of a config on inputs.

    Args:
        kind: "learn" or "study".
        name: the middle part of the folder's name.
        config: the resolved config.
        inputs: the digest of each input by its role.
        out: the folder of runs.
        force: repeat a finished run.
        command: what the user typed, for the record.
        paths: where the inputs lie, for the record; they do not identify the run.

    Returns:
        The run: finished, or locked by this process.
    """
    plain = {"kind": kind, "name": name} | to_plain(config)
    identity = store.identity(plain, inputs)
    record = {"linnet": __version__, "config": plain, "inputs": dict(inputs), "paths": dict(paths or {})}
    return store.begin(out, name, identity, dumps(record), force=force, kind=kind, linnet=__version__, command=command)


@contextlib.contextmanager
def session(run: store.RunFolder) -> Iterator[None]:
    """Around all that a run does: gives the folder free in the end, and notes why a run ended early.

    A run that fails before its first checkpoint leaves nothing behind. Ctrl-C is passed on with the folder's path.
    """
    store.cut_metrics(run)
    try:
        yield
    except KeyboardInterrupt:
        run.stop(store.INTERRUPTED, "interrupted by the user")
        raise KeyboardInterrupt(str(run.path)) from None
    except Exception as error:
        if (run.path / "ckpt").is_dir():
            run.stop(store.FAILED, f"{type(error).__name__}: {error}")
        else:
            run.discard()
        raise
    finally:
        run.release()


def located(run: store.RunFolder) -> dict[str, Any]:
    """The summary of a finished run, with its paths as they are now."""
    summary = run.meta.get("summary") or {}
    return {**summary, "run": str(run.path), "report": str(run.path / "report" / "index.html")}


def finite(value: Any) -> Any:
    """Plain values without NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def note(sentence: str) -> None:
    """Tells the user something that is neither the answer nor an error."""
    print(sentence, file=sys.stderr, flush=True)


def resume_note(run: store.RunFolder, resume: bool) -> None:
    """Says whether a run continues or begins."""
    checkpoints = list((run.path / "ckpt").glob("*.eqx"))
    if checkpoints:
        note(f"Continuing {run.path} after {len(checkpoints)} finished stages.")
    elif resume:
        note("There is nothing to resume; beginning.")
