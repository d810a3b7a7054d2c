"""The registry of right-hand sides: every file of equations enters its functions here under the names of the table."""

from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T", bound=Callable[..., Any])

#: Flows, `function(t, state, **parameters)`: the derivative of each coordinate, as a tuple or one array.
FLOWS: dict[str, Callable[..., Any]] = {}
#: Delay flows, `function(t, state, delayed, **parameters)` with the state one delay ago.
DELAYS: dict[str, Callable[..., Any]] = {}
#: Maps, `function(state, **parameters)`: the next value of each coordinate.
MAPS: dict[str, Callable[..., Any]] = {}


def flow(*names: str) -> Callable[[_T], _T]:
    """Enters a function as the right-hand side of the flows of these names."""
    return _enter(FLOWS, names)


def delay(*names: str) -> Callable[[_T], _T]:
    """Enters a function as the right-hand side of the delay flows of these names."""
    return _enter(DELAYS, names)


def iterate(*names: str) -> Callable[[_T], _T]:
    """Enters a function as the maps of these names."""
    return _enter(MAPS, names)


def _enter(registry: dict[str, Callable[..., Any]], names: tuple[str, ...]) -> Callable[[_T], _T]:
    def mark(function: _T) -> _T:
        registry.update(dict.fromkeys(names, function))
        return function

    return mark
