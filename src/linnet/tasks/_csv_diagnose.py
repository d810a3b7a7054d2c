"""What is wrong with a CSV file, and in which line: encoding, row lengths, stray values."""

import codecs
import csv
import dataclasses
import io
from collections.abc import Callable
from typing import Any

from .._errors import InputError

#: Cells that mean "no value".
MISSING = frozenset(
    [
        "",
        "NA",
        "N/A",
        "n/a",
        "na",
        "NaN",
        "nan",
        "NAN",
        "-nan",
        "-NaN",
        "null",
        "NULL",
        "Null",
        "None",
        "none",
        "#N/A",
        "<NA>",
        "NaT",
        "?",
        "-",
        ".",
    ]
)


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a cell is a number as Arrow reads it (no thousands separators, no underscores)."""
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".")
    if "_" in cell or not cell.isascii():
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


class CheckedStream(io.RawIOBase):
    """A stream that refuses what is not UTF-8 while it is read, with the byte it stumbled over."""

    def __init__(self, stream: Any, start: int, path: str) -> None:
        self._stream, self._path, self._at = stream, path, start
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._pending = False
        stream.seek(start)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        io.RawIOBase.close(self)

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size)
        except (OSError, EOFError) as error:
            raise InputError(f"{self._path} cannot be read at byte {self._at}: {error}.") from None
        if self._pending or not data.isascii():
            try:
                self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                # The decoder may have kept up to three bytes of the block before.
                raise _not_utf8(self._path, self._at - (len(error.object) - len(data)) + error.start) from None
            self._pending = bool(self._decoder.getstate()[0])
        self._at += len(data)
        return data


def check_encoding(source: Any, path: str) -> str:
    """The text of some bytes, or of the first part of a stream.

    Raises:
        InputError: if they are not UTF-8, or binary.
    """
    if not isinstance(source, bytes):
        decoder, at = codecs.getincrementaldecoder("utf-8")(), 0
        while data := source.read(1 << 24):
            try:
                decoder.decode(data)
            except UnicodeDecodeError as error:
                raise _not_utf8(path, at - (len(error.object) - len(data)) + error.start) from None
            at += len(data)
        return ""
    if source.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path} is not UTF-8: it begins like UTF-16 (byte 0). Save it as CSV in UTF-8.")
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(source)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error.start) from None
    if "\0" in text:
        raise InputError(
            f"{path} holds a zero byte at byte {source.index(0)}: it is no text. Save the table as CSV in UTF-8."
        )
    return text.removeprefix("\ufeff")


def _not_utf8(path: str, byte: int) -> InputError:
    return InputError(
        f"{path} is not UTF-8: byte {byte} cannot be read. Save it in UTF-8 (it may be Latin-1, or no text at all)."
    )


def bad_field_count(path: str, line: int, got: int, width: int, delimiter: str) -> InputError:
    """The sentence for a row that is too short or too long."""
    name = {"\t": "tab"}.get(delimiter, delimiter)
    fields = "1 field" if got == 1 else f"{got} fields"
    return InputError(
        f"{path} is ragged: line {line} has {fields}, but the header has {width} (fields are separated by {name!r}). "
        "Correct that line."
    )


def ragged_line(stream: Any, delimiter: str, width: int, path: str) -> InputError | None:
    """The first row whose length is not the header's."""
    reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if row and len(row) != width:
                return bad_field_count(path, reader.line_num, len(row), width, delimiter)
    except csv.Error as error:
        return InputError(
            f"{path} cannot be read as a table: {error}, in line {reader.line_num} (is a quote left open?)."
        )
    return None


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the cells of a column should be.

    Args:
        name: of the column.
        held: what it holds, in words.
        fits: whether a cell is that.
    """

    name: str
    held: str
    fits: Callable[[str], bool]


def bad_value(stream: Any, delimiter: str, expected: dict[int, Expected], path: str) -> InputError | None:
    """The first cell that is not what its column holds.

    Args:
        stream: the file's bytes, from the start.
        delimiter: between fields.
        expected: what to look for at each position of a row.
        path: for the message.
    """
    reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), delimiter=delimiter)
    header = True
    for row in reader:
        if header:
            header = not row
            continue
        for position, column in expected.items() if row else ():
            cell = row[position].strip()
            if cell not in MISSING and not column.fits(cell):
                return InputError(
                    f"Column {column.name!r} of {path} holds {column.held}, but {cell!r} in line {reader.line_num}. "
                    "Correct it, leave the cell empty if the value is missing, or leave the column out by "
                    "columns=[...] (--columns)."
                )
    return None
