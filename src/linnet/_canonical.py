"""One object for functions that a factory made twice: `optax.scale_by_adam()` is a new function at every call."""

import functools as ft
import types
from typing import Any, TypeVar

import jax
import numpy as np

_Made = TypeVar("_Made")

_KNOWN: dict[Any, Any] = {}
_MOST = 1024


def canonical(made: _Made) -> _Made:
    """The first object made by the same factory with the same arguments, or `made` itself if it is the first.

    Functions compare by identity, so two rules with `optax.scale_by_adam()` would be different rules and would compile
    two programs. Here functions are the same if they run the same code with the same values in their closures; what
    cannot be compared is left as it is.
    """
    try:
        key = _key(made, 0)
        hash(key)
    except (TypeError, ValueError):
        return made
    if len(_KNOWN) >= _MOST:
        _KNOWN.clear()
    return _KNOWN.setdefault(key, made)


def _key(value: Any, depth: int) -> Any:
    """A hashable description of a value, equal for equal ones.

    Raises:
        TypeError: if there is none.
    """
    if depth > 20:
        raise TypeError("too deep, or a function that closes over itself")
    inner = ft.partial(_key, depth=depth + 1)
    if isinstance(value, types.FunctionType):
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        # Equal code of two modules may look up different globals; the code object is in the key, so its id stays taken.
        return ("function", value.__code__, id(value.__globals__), *map(inner, (value.__defaults__, closure)))
    if isinstance(value, ft.partial):
        return ("partial", *map(inner, (value.func, value.args, value.keywords)))
    if isinstance(value, (tuple, list)):
        return (type(value), *map(inner, value))
    if isinstance(value, dict):
        return ("dict", *((name, inner(item)) for name, item in sorted(value.items())))
    if isinstance(value, jax.core.Tracer):
        raise TypeError("a value that is not known")
    if isinstance(value, (jax.Array, np.ndarray)):
        if value.size > 64:
            raise TypeError("too large to compare")
        return (type(value).__name__, str(value.dtype), value.shape, np.asarray(value).tobytes())
    return (type(value), value)
