"""What every kind of file looks like to a reader: named columns, handed out in chunks of rows."""

import abc
import dataclasses
import difflib
from collections.abc import Iterator, Sequence

import numpy as np

from .._errors import InputError

#: What a column can hold. "other" comes with a reason.
NUMBER, BOOLEAN, TEXT, TIME, OTHER = "number", "boolean", "text", "time", "other"


@dataclasses.dataclass(frozen=True)
class Text:
    """A chunk of a text column: `labels[codes]`, where a code of -1 is a missing value."""

    codes: np.ndarray
    labels: tuple[str, ...]


#: One chunk of rows. Numbers and booleans are float64 with NaN where missing, times are int64 nanoseconds or float64
#: (NaT or NaN where missing).
Chunk = dict[str, np.ndarray | Text]


class AbstractSource(abc.ABC):
    """A table on disk or in memory that can be read once, front to back, without holding it in memory.

    Attributes:
        file: the path as it was given.
        path: the same in quotes, for messages.
        format: `"csv"`, `"parquet"`, `"npz"` or `"arrays"`.
        names: the columns, in the order of the file.
        kinds: what each column holds.
        reasons: for a column of kind "other", what it is.
        notes: sentences for the report about decisions made while opening.
    """

    file: str
    path: str
    format: str
    names: tuple[str, ...]
    kinds: dict[str, str]
    reasons: dict[str, str]
    notes: tuple[str, ...]

    @abc.abstractmethod
    def chunks(self, columns: Sequence[str], size: int) -> Iterator[Chunk]:
        """The rows of some columns, at most `size` at a time, in order."""

    @abc.abstractmethod
    def num_rows(self) -> int:
        """How many rows there are, as cheaply as the format allows."""

    def expand(self, name: str) -> tuple[str, ...]:
        """The columns that a user's name stands for: itself, or for an NPZ all columns of an array."""
        return (name,) if name in self.kinds else ()


def labels_of(text: Text) -> np.ndarray:
    """The values of a text chunk as Python strings, `None` where missing."""
    table = np.array([*text.labels, None], dtype=object)
    return table[text.codes]


def resolve(source: AbstractSource, names: Sequence[str] | str, what: str) -> tuple[str, ...]:
    """The columns that a user asked for.

    Args:
        source: the file.
        names: one name or several; numbers are taken as names.
        what: what they are for, "target" or "column".

    Raises:
        InputError: for a name that is not there (with the closest ones), that is given twice, or for no name.
    """
    if isinstance(names, (str, int)):
        names = [names]
    asked = [str(name) for name in names]
    if not asked:
        raise InputError(f"At least one {what} is needed, got none. {source.path} has {listing(source.names)}.")
    found: list[str] = []
    for name in asked:
        columns = source.expand(name) or source.expand(name.strip())
        if not columns:
            raise InputError(f"{source.path} has no column {name!r}{_closest(name, source.names)}.")
        found.extend(columns)
    repeated = sorted({name for name in found if found.count(name) > 1})
    if repeated:
        raise InputError(f"Each {what} is needed once, but {listing(repeated)} was given more than once.")
    return tuple(found)


def _closest(name: str, names: Sequence[str]) -> str:
    lower: dict[str, str] = {}
    for known in names:
        lower.setdefault(known.lower(), known)
    close = [lower[key] for key in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)]
    if close:
        return f"; the closest are {listing(close)}" if len(close) > 1 else f"; the closest is {close[0]!r}"
    return f"; it has {listing(names)}"


def listing(names: Sequence[str], most: int = 8) -> str:
    """Names in quotes, the first few of them."""
    shown = ", ".join(repr(str(name)) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def check_kinds(source: AbstractSource, names: Sequence[str], role: str, kinds: Sequence[str]) -> None:
    """Refuses columns that cannot be used, all of them in one sentence.

    Args:
        source: the file.
        names: the columns that are to be used.
        role: "input" or "target", for the message.
        kinds: what can be used here.
    """
    bad = [name for name in names if source.kinds[name] not in kinds]
    if not bad:
        return
    held = {TIME: "dates or times", TEXT: "text"}
    what = [
        f"{name!r} holds {source.reasons.get(name) or held.get(source.kinds[name], source.kinds[name])}" for name in bad
    ]
    shown = " and ".join([", ".join(what[:-1]), what[-1]] if 1 < len(what) <= 4 else [", ".join(what[:4])])
    more = f" (and {len(what) - 4} more such columns)" if len(what) > 4 else ""
    numbers = "numbers" if TEXT not in kinds else "numbers or categories"
    rest = [name for name in names if name not in bad]
    raise InputError(f"Column {shown}{more}, but {article(role)} needs {numbers}. {leave_out(role, rest)}")


def article(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


def leave_out(role: str, rest: Sequence[str]) -> str:
    """How to go on without a column."""
    if role == "target":
        return "Choose another target."
    if not rest:
        return "No other column is left to use."
    if len(rest) <= 12:
        return f"Leave it out: columns={list(rest)!r} (--columns {','.join(rest)})."
    return "Leave it out by naming the others in columns=[...] (--columns A,B,...)."
