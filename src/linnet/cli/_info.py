"""`linnet info`: what a bug report needs."""

import importlib.metadata
import os
import platform
from typing import Any

from .._version import __version__
from ._answer import Answer, table
from ._arguments import Info

PACKAGES = (
    "jax",
    "jaxlib",
    "equinox",
    "diffrax",
    "optax",
    "numpy",
    "scipy",
    "scikit-learn",
    "xarray",
    "h5netcdf",
    "pandas",
)


def info(command: Info) -> Answer:
    """Versions and devices."""
    import jax

    versions = {name: _version(name) for name in PACKAGES}
    content: dict[str, Any] = {
        "linnet": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if "sched_getaffinity" in dir(os) else os.cpu_count(),
        "backend": jax.default_backend(),
        "devices": [str(device) for device in jax.devices()],
        "packages": versions,
    }

    def show(console: Any) -> None:
        top = [[key, ", ".join(value) if isinstance(value, list) else value] for key, value in content.items()]
        table(console, ["", ""], [*top[:-1], *([name, version] for name, version in versions.items())])

    return Answer(content, show)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
