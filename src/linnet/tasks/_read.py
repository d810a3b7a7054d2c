"""Opens a file by its extension, after the checks that need no reading."""

import os
from collections.abc import Sequence
from pathlib import Path

from .._errors import InputError
from ._read_csv import CsvSource
from ._read_npz import NpzSource
from ._read_parquet import ParquetSource
from ._source import AbstractSource, listing

_READERS = {
    ".csv": CsvSource,
    ".tsv": CsvSource,
    ".txt": CsvSource,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
    ".npz": NpzSource,
}


def open_source(path: str | os.PathLike) -> AbstractSource:
    """Opens a table without reading more than its head.

    Args:
        path: a CSV (`.csv`, `.tsv`, `.txt`, also `.csv.gz`), Parquet (`.parquet`, `.pq`) or NPZ (`.npz`) file.

    Raises:
        InputError: if there is no such file, it is a folder, empty, unreadable, of an unknown kind, or has no usable
            header.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise InputError(f"There is no file {str(path)!r}{_neighbours(file)}.")
    if file.is_dir():
        raise InputError(f"A file is needed, but {str(path)!r} is a folder. Name one file in it.")
    suffixes = [suffix.lower() for suffix in file.suffixes]
    last = suffixes[-1] if suffixes else ""
    if last == ".gz" and len(suffixes) > 1:
        last = suffixes[-2] if _READERS.get(suffixes[-2]) is CsvSource else last
    reader = _READERS.get(last)
    if reader is None:
        raise InputError(
            f"The kind of {str(path)!r} is not known by its ending {last!r}. Needed is one of {', '.join(_READERS)} "
            "(or .csv.gz): save the table as CSV."
        )
    try:
        size = file.stat().st_size
        with file.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}. Check its permissions.") from None
    if file.is_file() and size == 0:
        raise InputError(f"{str(path)!r} is empty (0 bytes): a table with a header and rows is needed.")
    source = reader(file)
    duplicates = _duplicates(source.names)
    if duplicates:
        raise InputError(
            f"{str(path)!r} has more than one column named {listing(duplicates)}: names must differ. Rename them"
            + (" (is the first line a header at all? One is needed)." if source.format == "csv" else ".")
        )
    return source


def _duplicates(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return list(dict.fromkeys(name for name in names if name in seen or seen.add(name)))


def _neighbours(file: Path) -> str:
    """Close names in the same folder, for the message of a missing file."""
    import difflib

    if not file.parent.is_dir():
        return f": the folder {str(file.parent)!r} does not exist either"
    try:
        names = [entry.name for entry in os.scandir(file.parent)]
    except OSError:
        return ""
    close = difflib.get_close_matches(file.name, names, n=3)
    return f"; {listing(close)} is there" if len(close) == 1 else f"; {listing(close)} are there" if close else ""
