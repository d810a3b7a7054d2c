"""Checkpoints: a header of one line and arrays in NumPy's own format. Nothing is ever unpickled."""

import hashlib
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ._files import StoreError, truncate
from ._run import CHECKPOINTS, METRICS, RunFolder

if TYPE_CHECKING:
    import xarray as xr

SUFFIX = ".eqx"


def write_checkpoint(run: RunFolder, name: str, header: dict[str, Any], payload: bytes) -> None:
    """Writes `ckpt/NAME.eqx`, with a check sum and the length that `metrics.jsonl` had at this moment."""
    digest = hashlib.sha256(payload).hexdigest()
    line = json.dumps(header | {"metrics": run.metrics_size, "sha256": digest}, ensure_ascii=False)
    run.write(f"{CHECKPOINTS}/{name}{SUFFIX}", line.encode() + b"\n" + payload)


def read_checkpoint(run: RunFolder, name: str) -> tuple[dict[str, Any], bytes] | None:
    """The header and payload of a checkpoint; `None` if it is not there or damaged (it is then computed again)."""
    try:
        content = (run.path / CHECKPOINTS / f"{name}{SUFFIX}").read_bytes()
        line, _, payload = content.partition(b"\n")
        header = json.loads(line)
    except (OSError, ValueError):
        return None
    if not isinstance(header, dict) or header.get("sha256") != hashlib.sha256(payload).hexdigest():
        return None
    return header, payload


def cut_metrics(run: RunFolder) -> None:
    """Cuts `metrics.jsonl` back to the last checkpoint, so that a resumed run does not tell its end twice."""
    sizes = [0]
    for path in (run.path / CHECKPOINTS).glob(f"*{SUFFIX}"):
        found = read_checkpoint(run, path.name.removesuffix(SUFFIX))
        sizes.append(int(found[0].get("metrics", 0)) if found else 0)
    truncate(run.path / METRICS, max(sizes))


def stage(run: RunFolder, name: str, compute: Callable[[], "xr.Dataset"]) -> "xr.Dataset":
    """The result of a stage of a run: read back if it is there, else computed and kept.

    Args:
        run: the run.
        name: the name of the stage, unique in the run.
        compute: makes the result. What it needs from randomness must come from keys of its own, so that a run that was
            interrupted before or after this stage gives the same.

    Returns:
        The result, bit for bit the same whether it was read or computed.
    """
    found = read_checkpoint(run, name)
    if found is not None and "variables" in found[0]:
        return _unpack(*found)
    dataset = compute()
    header, payload = _pack(dataset)
    write_checkpoint(run, name, header, payload)
    return _unpack(header, payload)


def _pack(dataset: "xr.Dataset") -> tuple[dict[str, Any], bytes]:
    buffer, variables = io.BytesIO(), []
    for name, variable in dataset.variables.items():
        array = np.asarray(variable.values)
        if array.dtype == object:
            array = array.astype(np.str_)
        variables.append([name, list(variable.dims), name in dataset.coords, _plain(variable.attrs)])
        np.save(buffer, array, allow_pickle=False)
    return {"variables": variables, "attrs": _plain(dataset.attrs)}, buffer.getvalue()


def _unpack(header: dict[str, Any], payload: bytes) -> "xr.Dataset":
    import xarray as xr

    buffer, data, coords = io.BytesIO(payload), {}, {}
    for name, dims, is_coord, attrs in header["variables"]:
        (coords if is_coord else data)[name] = (tuple(dims), np.load(buffer, allow_pickle=False), attrs)
    return xr.Dataset(data, coords, header["attrs"])


def _plain(attrs: dict[Any, Any]) -> dict[str, Any]:
    plain = {str(key): value.item() if isinstance(value, np.generic) else value for key, value in attrs.items()}
    for key, value in plain.items():
        if not isinstance(value, str | int | float | bool):
            raise StoreError(f"An attribute of a result must be a text or a number, got {key}={value!r}.")
    return plain
