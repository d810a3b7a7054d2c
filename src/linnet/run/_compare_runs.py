"""Two stored runs side by side: how far every quantity that both have differs."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

#: Quantities of bookkeeping, which say nothing about learning.
_SKIPPED = ("result",)


def compare_runs(first: "xr.DataTree", second: "xr.DataTree") -> dict[str, Any]:
    """The largest difference of every quantity that two runs share.

    A quantity over time is compared on the first run's times as far as both reach, by linear interpolation, after the
    median over the members of an ensemble: two runs need neither the same times nor the same number of seeds.

    Args:
        first: the results of a run, as `store.read_data` gives them.
        second: those of another.

    Returns:
        "quantities": for each its `name` (`network/simulation/quantity`), the largest `absolute` difference, the same
        `relative` to the first run's largest value, and for mode strengths the largest relative `half_time_shift`;
        "not_compared": sentences about what only one has, or has in another shape.
    """
    a, b = _variables(first), _variables(second)
    quantities, skipped = [], []
    for name in sorted(a.keys() & b.keys()):
        found = _difference(name, a[name], b[name])
        if isinstance(found, str):
            skipped.append(found)
        else:
            quantities.append(found)
    for which, only in (("first", a.keys() - b.keys()), ("second", b.keys() - a.keys())):
        if only:
            shown = sorted({name.rsplit("/", 1)[0] for name in only})
            skipped.append(f"Only the {which} run has quantities under {', '.join(shown)}.")
    return {"quantities": quantities, "not_compared": skipped}


def _variables(tree: "xr.DataTree") -> dict[str, "xr.DataArray"]:
    return {
        f"{node.path.removeprefix('/networks/').strip('/')}/{name}": variable
        for node in tree.subtree
        for name, variable in node.data_vars.items()
        if np.issubdtype(variable.dtype, np.number) and name not in _SKIPPED
    }


def _difference(name: str, a: "xr.DataArray", b: "xr.DataArray") -> dict[str, Any] | str:
    a, b = _median(a), _median(b)
    if "time" in a.dims and "time" in b.dims and "time" in a.coords and "time" in b.coords:
        until = min(float(a["time"][-1]), float(b["time"][-1]))
        a = a.sel(time=slice(None, until))
        b = b.interp(time=a["time"])
    if a.dims != b.dims or a.shape != b.shape:
        return f"{name} has the axes {dict(a.sizes)} in the first run and {dict(b.sizes)} in the second."
    x, y = np.asarray(a.values, float), np.asarray(b.values, float)
    valid = np.isfinite(x) & np.isfinite(y)
    absolute = float(np.max(np.abs(x - y), where=valid, initial=0))
    scale = float(np.max(np.abs(x), where=valid, initial=0))
    shift = None
    if name.endswith("/half_times"):
        shift = float(np.max(np.abs(y - x) / np.where(x > 0, x, 1), where=valid & (x > 0), initial=0))
    relative = absolute / scale if scale > 0 else None
    return {"name": name, "absolute": absolute, "relative": relative, "half_time_shift": shift}


def _median(variable: "xr.DataArray") -> "xr.DataArray":
    return variable.median("seed") if "seed" in variable.dims else variable
