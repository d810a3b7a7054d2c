"""Limits of settings, as sentences that name the option."""

import math
from typing import Any


def at_least(config: Any, **limits: int) -> None:
    """Refuses settings below a limit.

    Raises:
        ValueError: a sentence that names the option as it is written on the command line.
    """
    for name, limit in limits.items():
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None and item < limit:
                raise ValueError(f"{option(name)} must be at least {limit}, got {item}.")


def positive(config: Any, *names: str) -> None:
    """Refuses numbers that are not finite and above zero."""
    for name in names:
        value = getattr(config, name)
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None and not (math.isfinite(item) and item > 0):
                raise ValueError(f"{option(name)} must be a positive number, got {item}.")


def option(name: str) -> str:
    """A setting as it is written on the command line."""
    return "--" + name.replace("_", "-")
