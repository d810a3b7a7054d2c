"""`data.nc`: the results of a run as one tree of labelled arrays.

xarray is imported where it is used, because `linnet list` has no need of it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ._files import StoreError
from ._run import DATA, RunFolder

if TYPE_CHECKING:
    import xarray as xr


def write_data(run: RunFolder, tree: "xr.DataTree") -> Path:
    """Writes the results of a run, whole or not at all.

    The tree has the groups `/task` and `/networks/NAME/{simulation, theory/NAME, difference}`.

    Args:
        run: the run.
        tree: the results.

    Returns:
        The path of `data.nc`.
    """
    # Through memory: a file that HDF5 writes itself cannot be renamed into place whole, and a full disk leaves it open.
    return run.write(DATA, tree.to_netcdf(engine="h5netcdf"))


def read_data(run: RunFolder) -> "xr.DataTree":
    """Reads the results of a run into memory.

    Raises:
        StoreError: if the run has none yet, or they cannot be read.
    """
    import xarray as xr

    path = run.path / DATA
    if not path.exists():
        raise StoreError(f"{run.path} has no {DATA} (the run is {run.state}): end it with --resume.")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            return tree.load()
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}): repeat the run with --force.") from error
