"""CSV: sniffed delimiter, checked encoding, strict row lengths, read by Arrow in blocks."""

import functools as ft
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from .._errors import InputError
from ._arrow import is_time, text_chunk, time_chunk
from ._csv_diagnose import MISSING, CheckedStream, Expected, bad_value, check_encoding, is_number, ragged_line
from ._csv_head import read_head
from ._source import BOOLEAN, NUMBER, TIME, AbstractSource, Chunk

_NULLS = [form for token in sorted(MISSING) for form in (token, f" {token}", f"{token} ")]


class CsvSource(AbstractSource):
    """A text table.

    The head of the file decides what each column holds; a later row that does not fit is an error with its line.

    Raises:
        InputError: if the file is not UTF-8, has no header or no rows, or rows of different lengths.
    """

    def __init__(self, path: Path) -> None:
        self.file, self.path, self.format, self._path = str(path), repr(str(path)), "csv", path
        self._head = read_head(self.path, self._open)
        self.names, self.kinds, self.reasons = self._head.names, self._head.kinds, self._head.reasons
        self.notes = self._head.notes

    def num_rows(self) -> int:
        """Counts lines that are not blank, at the speed of the disk and without parsing."""
        count, blank = 0, True
        with self._open() as stream:
            stream.seek(self._head.start)
            while data := stream.read(1 << 24):
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                count += data.count(b"\n") - int(blank and data.startswith(b"\n"))
                at = data.find(b"\n\n")
                while at >= 0:
                    count -= 1
                    at = data.find(b"\n\n", at + 1)
                blank = data.endswith(b"\n")
        return count + (not blank)

    def chunks(self, columns: Sequence[str], size: int) -> Iterator[Chunk]:
        head = self._head
        keys = {name: f"c{head.positions[name]}" for name in columns}
        types = {key: pa.float64() if self.kinds[name] == NUMBER else pa.string() for name, key in keys.items()}
        # Small blocks, because Arrow reads many of them ahead.
        block = int(np.clip(size * head.row_bytes, 1 << 18, 1 << 21))
        with CheckedStream(self._open(), head.start, self.path) as stream:
            try:
                reader = pyarrow.csv.open_csv(
                    stream,
                    read_options=pyarrow.csv.ReadOptions(
                        use_threads=False,
                        block_size=max(block, 4 * head.longest_row),
                        column_names=[f"c{position}" for position in range(head.width)],
                    ),
                    parse_options=pyarrow.csv.ParseOptions(delimiter=head.delimiter, newlines_in_values=True),
                    convert_options=pyarrow.csv.ConvertOptions(
                        column_types=types,
                        include_columns=list(keys.values()),
                        null_values=_NULLS,
                        strings_can_be_null=True,
                        decimal_point=head.decimal,
                    ),
                )
                for batch in reader:
                    for start in range(0, batch.num_rows, size):
                        part = batch.slice(start, size)
                        yield {name: self._column(name, part.column(key)) for name, key in keys.items()}
            except pa.ArrowInvalid as error:
                raise self._explain(error, columns) from None

    def _open(self) -> Any:
        return gzip.open(self._path, "rb") if self._path.suffix.lower() == ".gz" else self._path.open("rb")

    def _column(self, name: str, values: Any) -> Any:
        kind = self.kinds[name]
        if kind == NUMBER:
            return values.to_numpy(zero_copy_only=False)
        if kind == TIME:
            return time_chunk(values, self._head.time_formats[name])
        text = text_chunk(values, MISSING)
        if kind != BOOLEAN:
            return text
        used = {text.labels[code] for code in np.unique(text.codes) if code >= 0}
        if not {label.lower() for label in used} <= {"true", "false"}:
            raise pa.ArrowInvalid(f"column {name!r} holds true and false, but also other values")
        return np.array([*(float(label.lower() == "true") for label in text.labels), np.nan])[text.codes]

    def _explain(self, error: Exception, columns: Sequence[str]) -> InputError:
        """The sentence for what Arrow could not read, with the line it is in (found by a slow second reading)."""
        head = self._head
        with self._open() as stream:
            check_encoding(stream, self.path)
        with self._open() as stream:
            found = ragged_line(stream, head.delimiter, head.width, self.path)
        if found is not None:
            return found
        expected = {head.positions[name]: held for name in columns if (held := self._expected(name)) is not None}
        with self._open() as stream:
            found = bad_value(stream, head.delimiter, expected, self.path)
        return found or InputError(f"{self.path} cannot be read as a table: {str(error).splitlines()[0]}.")

    def _expected(self, name: str) -> Expected | None:
        kind = self.kinds[name]
        if kind == NUMBER:
            return Expected(name, "numbers", ft.partial(is_number, decimal=self._head.decimal))
        if kind == BOOLEAN:
            return Expected(name, "true and false", lambda cell: cell.lower() in ("true", "false"))
        if kind == TIME:
            form = self._head.time_formats[name]
            return Expected(name, "dates" if form is None else f"dates like {form}", ft.partial(is_time, form=form))
        return None
