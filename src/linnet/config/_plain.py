"""Between a config object and plain values, in both directions."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

_Config = TypeVar("_Config")


def to_plain(config: Any) -> dict[str, Any]:
    """The settings of a config as texts, numbers, booleans and lists; those that are `None` are left out."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value is not None
    }


def from_plain(cls: type[_Config], content: Mapping[str, Any], source: str = "the config") -> _Config:
    """A config from plain values, as `tomllib` reads them.

    Args:
        cls: the class of the config, a frozen dataclass.
        content: its settings; those that are missing keep their defaults.
        source: where they come from, for messages.

    Raises:
        ValueError: for an unknown setting (with the closest names) or one of another type.
    """
    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]  # pyright: ignore[reportArgumentType]
    for name in content:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3) or known
            raise ValueError(f"{source} has no setting {name!r}; did you mean {' or '.join(close)}?")
    values = {name: _convert(value, hints[name], f"{source}: {name}") for name, value in content.items()}
    return cls(**values)


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        hint = next(argument for argument in arguments if argument is not type(None))
        return _convert(value, hint, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} needs a list, got {value!r}.")
        return tuple(_convert(item, arguments[0], where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{where} needs {_NAMES.get(hint, hint.__name__)}, got {value!r}.")
    return value


_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
