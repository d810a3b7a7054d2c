"""`python -m benchmarks [--json] [name ...]`: runs all benchmarks or those named, and keeps what they say."""

import argparse
import sys
from collections.abc import Callable

import jax

from linnet import keep_freed_memory

from . import (
    _cold_start,
    _compilations,
    _ensemble,
    _fixed_points,
    _forcing,
    _gpu,
    _moments,
    _predictions,
    _results,
    _scan,
    _sequence_layers,
    _systems,
)
from ._row import Row

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    module.NAME.replace(" ", "-"): module.measure
    for module in (
        _ensemble,
        _moments,
        _predictions,
        _compilations,
        _cold_start,
        _scan,
        _fixed_points,
        _sequence_layers,
        _forcing,
        _systems,
        _gpu,
    )
}


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the raw results instead of a table")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    # As linnet's own command line does. Peers in this process have the memory too; arrays in float32 stay so.
    keep_freed_memory()
    jax.config.update("jax_enable_x64", True)
    rows: list[Row] = []
    names = arguments.names or list(BENCHMARKS)
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += BENCHMARKS[name]()
    _results.keep(rows, [name.replace("-", " ") for name in names])
    if arguments.json:
        print(_results.as_json(_results.machine(), [_results.as_dict(row) for row in rows]), end="")
    else:
        _results.show(rows)


if __name__ == "__main__":
    main()
