"""Citations: every method knows its source, and references are typed in one place only."""

import re
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any, TypeVar

_T = TypeVar("_T")


def cite(*keys: str) -> Callable[[_T], _T]:
    """Marks a class or function with the keys of the works it implements.

    Args:
        keys: keys of entries in `references.bib`.

    Returns:
        A decorator that stores the keys; `citations` reads them.
    """

    def mark(thing: _T) -> _T:
        setattr(thing, "__citations__", tuple(keys))  # noqa: B010 (a type checker refuses the plain assignment)
        return thing

    return mark


def citations(thing: Any) -> tuple[str, ...]:
    """The keys of the works that a class, an instance or a function implements (empty if none)."""
    return tuple(getattr(thing, "__citations__", ()))


def references() -> dict[str, str]:
    """All BibTeX entries of linnet, by key."""
    text = resources.files("linnet").joinpath("references.bib").read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=@)", text)
    return {match[1]: entry.strip() for entry in entries if (match := re.match(r"@\w+\{([^,\s]+),", entry))}


def bibliography(keys: Iterable[str]) -> str:
    """The BibTeX text of the given keys, each once, in the order given.

    Raises:
        ValueError: if a key has no entry in `references.bib`.
    """
    known = references()
    unique = list(dict.fromkeys(keys))
    missing = [key for key in unique if key not in known]
    if missing:
        raise ValueError(f"No reference is stored for {', '.join(missing)}; add the entry to references.bib.")
    return "\n\n".join(known[key] for key in unique) + ("\n" if unique else "")
