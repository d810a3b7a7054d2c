"""linnet: the learning dynamics of linear, recurrent and deep networks.

Everything is loaded on first use (PEP 562), so that `import linnet` and `linnet --help` do not import JAX.
Type checkers and editors read the explicit index in `__init__.pyi`; a test keeps the two equal.
"""

import importlib as _importlib

from ._version import __version__ as __version__

_ROOMS = (
    "scan",
    "systems",
    "tasks",
    "nn",
    "analyse",
    "learn",
    "theory",
    "compare",
    "reconstruct",
    "report",
    "studies",
    "run",
    "store",
    "config",
    "cli",
)

_NAMES = {
    "Trajectory": "_trajectory",
    "half_times": "_trajectory",
    "AbstractLoss": "_loss",
    "SquaredError": "_loss",
    "CrossEntropy": "_loss",
    "LpLoss": "_loss",
    "cite": "_cite",
    "citations": "_cite",
    "bibliography": "_cite",
    "keep_freed_memory": "_memory",
    "prefer_quick_loops": "_compiler",
}

__all__ = ["__version__", "conventions", *_ROOMS, *_NAMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name):
    if name == "conventions":
        return _importlib.import_module("linnet._conventions")
    if name in _ROOMS:
        return _importlib.import_module(f"linnet.{name}")
    if name in _NAMES:
        value = getattr(_importlib.import_module(f"linnet.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"linnet has no {name!r}; it has {', '.join(__all__)}.")


def __dir__():
    return sorted(__all__)
