"""A small writer for TOML; the standard library only reads it."""

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(content: Mapping[str, Any]) -> str:
    """Plain values as TOML, so that `tomllib.loads` gives them back.

    Args:
        content: texts, booleans, numbers, flat lists or tuples of these, and mappings of them, nested as tables.
            Entries that are `None` are left out, because TOML has no null.

    Returns:
        The text.

    Raises:
        ValueError: for a value of another kind.
    """
    lines: list[str] = []
    _table(lines, (), content)
    return "\n".join(lines).lstrip("\n") + "\n"


def _table(lines: list[str], path: tuple[str, ...], content: Mapping[str, Any]) -> None:
    tables = {key: value for key, value in content.items() if isinstance(value, Mapping)}
    values = {key: value for key, value in content.items() if key not in tables and value is not None}
    if path and (values or not tables):
        lines.extend(["", f"[{'.'.join(map(_key, path))}]"])
    lines.extend(f"{_key(key)} = {_value(value)}" for key, value in values.items())
    for key, table in tables.items():
        _table(lines, (*path, key), table)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's too; only DEL, which JSON lets pass, TOML does not.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)  # "inf" and "nan" are TOML too
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    raise ValueError(f"A config holds texts, numbers, booleans and lists, got {value!r} ({type(value).__name__}).")
