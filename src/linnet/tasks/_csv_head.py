"""The head of a CSV file: delimiter, names, and what each column holds."""

import csv
import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from .._errors import InputError
from ._csv_diagnose import MISSING, bad_field_count, check_encoding, is_number
from ._source import BOOLEAN, NUMBER, OTHER, TEXT, TIME

_DELIMITERS = (",", ";", "\t", "|")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?|[+-]?\d+")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ,]+\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?")

_FIRST_READ, _LAST_READ = 1 << 20, 1 << 28
#: Above this many different values, a column of mostly numbers with some text is taken for a spoilt column of numbers.
_MIXED_CATEGORIES = 20


@dataclasses.dataclass(frozen=True)
class Head:
    """What the first rows say.

    Args:
        delimiter: between fields.
        decimal: "." or ",".
        start: the byte at which the rows begin.
        width: fields in a row.
        names: the named columns.
        positions: where each named column stands in a row.
        kinds: what each holds.
        reasons: of a column of kind "other".
        time_formats: of columns of dates; `None` for ISO 8601.
        row_bytes: about how long a row is.
        longest_row: the longest row seen, in bytes.
        notes: decisions, as sentences.
    """

    delimiter: str
    decimal: str
    start: int
    width: int
    names: tuple[str, ...]
    positions: dict[str, int]
    kinds: dict[str, str]
    reasons: dict[str, str]
    time_formats: dict[str, str | None]
    row_bytes: int
    longest_row: int
    notes: tuple[str, ...]


def read_head(path: str, open_stream: Callable[[], Any]) -> Head:
    """Reads the first megabyte (more only where rows are longer than that).

    Raises:
        InputError: if it is not UTF-8, blank, has a header only, or rows of different lengths.
    """
    size = _FIRST_READ
    while True:
        with open_stream() as stream:
            try:
                data = stream.read(size)
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error}.") from None
        more = len(data) == size
        text = check_encoding(data, path)
        lines = _LINE.findall(text)
        delimiter = _sniff(lines)
        records = _records(lines, delimiter, path)
        if more:
            records = records[:-1]
        if len(records) >= 2 or not more or size >= _LAST_READ:
            break
        size *= 8
    if not records:
        raise InputError(f"{path} is empty (only blank lines): a table with a header and rows is needed.")
    (_, header), rows = records[0], records[1:]
    if not rows:
        raise InputError(f"{path} has a header ({len(header)} columns) and no rows. At least a few rows are needed.")
    for line, row in rows:
        if len(row) != len(header):
            raise bad_field_count(path, line, len(row), len(header), delimiter)
    bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    start = bom + len("".join(lines[: records[0][0]]).encode())
    lengths = [sum(len(cell.encode()) for cell in row) + len(row) + 1 for _, row in rows]
    return _describe(delimiter, header, rows, start, lengths)


def _describe(
    delimiter: str, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], start: int, lengths: list[int]
) -> Head:
    names = [name.strip() for name in header]
    unnamed = [position for position, name in enumerate(names) if not name]
    notes = []
    if unnamed:
        ordinal = ", ".join(str(position + 1) for position in unnamed)
        notes.append(f"Without a name in the header, and so left out: column {ordinal}.")
    if all(is_number(name) for name in names):
        notes.append(
            f"The first line was taken as the header, although it holds numbers only ({', '.join(names[:4])}, ...)."
        )
    named = [(position, name) for position, name in enumerate(names) if name]
    cells = {position: [(line, row[position].strip()) for line, row in rows] for position, _ in named}
    cells = {
        position: [(line, cell) for line, cell in column if cell not in MISSING] for position, column in cells.items()
    }
    decimal = _decimal(delimiter, cells.values())
    if decimal == ",":
        notes.append("Numbers are written with a decimal comma.")
    kinds, reasons, formats = {}, {}, {}
    for position, name in named:
        kinds[name], detail = _kind(cells[position], decimal)
        if kinds[name] == OTHER:
            reasons[name] = str(detail)
        if kinds[name] == TIME:
            formats[name] = detail
    return Head(
        delimiter,
        decimal,
        start,
        len(header),
        tuple(name for _, name in named),
        {name: position for position, name in named},
        kinds,
        reasons,
        formats,
        max(1, sum(lengths) // len(lengths)),
        max(lengths),
        tuple(notes),
    )


def _kind(column: Sequence[tuple[int, str]], decimal: str) -> tuple[str, str | None]:
    """What a column holds, and the reason or the format of its dates."""
    cells = [cell for _, cell in column]
    numeric = [is_number(cell, decimal) for cell in cells]
    if all(numeric):
        return NUMBER, None
    if all(cell.lower() in ("true", "false") for cell in cells):
        return BOOLEAN, None
    if all(_DATE.fullmatch(cell) for cell in cells):
        return _time_kind(cells)
    if 2 * sum(numeric) >= len(cells) and len(set(cells)) > _MIXED_CATEGORIES:
        line, cell = column[numeric.index(False)]
        return OTHER, f"numbers, and {cell!r} in line {line}"
    return TEXT, None


def _time_kind(cells: Sequence[str]) -> tuple[str, str | None]:
    """Dates: ISO 8601, or one format that fits all of the head."""
    import warnings

    import pandas as pd
    from pandas.tseries.api import guess_datetime_format

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns of guesses; each guess is tried on all cells here
        for form, day_first in (("ISO8601", False), (None, False), (None, True)):
            guess = form or guess_datetime_format(cells[0], dayfirst=day_first)
            try:
                pd.to_datetime(pd.Series(list(cells)), format=guess, utc=True)
            except ValueError:
                continue
            return (TIME, None if form else guess) if guess else (TEXT, None)
    return TEXT, None


def _decimal(delimiter: str, columns: Any) -> str:
    """A decimal comma, if some column cannot be read as numbers otherwise and none has a decimal point."""
    if delimiter == ",":
        return "."
    comma = False
    for column in columns:
        cells = [cell for _, cell in column]
        if cells and all(_DECIMAL_COMMA.fullmatch(cell) for cell in cells):
            comma = comma or any("," in cell for cell in cells)
        elif cells and all(is_number(cell) for cell in cells) and any("." in cell for cell in cells):
            return "."
    return "," if comma else "."


def _records(lines: Sequence[str], delimiter: str, path: str) -> list[tuple[int, list[str]]]:
    """Rows with the number of the line they end in, blank lines left out."""
    reader = csv.reader(lines, delimiter=delimiter)
    records = []
    try:
        for row in reader:
            if row:
                records.append((reader.line_num, row))
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as a table: {error}, in line {reader.line_num}.") from None
    return records


def _sniff(lines: Sequence[str]) -> str:
    """The delimiter under which most of the first lines have as many fields as the header, and more than one."""
    head = [line for line in lines if line.strip("\r\n")][:50]
    best, best_score = ",", (0.0, 1)
    for delimiter in _DELIMITERS:
        try:
            counts = [len(row) for row in csv.reader(head, delimiter=delimiter) if row]
        except csv.Error:
            continue
        if not counts or counts[0] < 2:
            continue
        score = (sum(count == counts[0] for count in counts) / len(counts), counts[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best
