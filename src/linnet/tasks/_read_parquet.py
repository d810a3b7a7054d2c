"""Parquet: row groups in batches, only the columns that are needed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from .._errors import InputError
from ._arrow import text_chunk, time_chunk
from ._source import BOOLEAN, NUMBER, OTHER, TEXT, TIME, AbstractSource, Chunk


class ParquetSource(AbstractSource):
    """A columnar table; its schema says what each column holds.

    Raises:
        InputError: if it is corrupt, or has no rows.
    """

    def __init__(self, path: Path) -> None:
        self.file, self.path, self.format, self._path = str(path), repr(str(path)), "parquet", path
        with self._open() as table:
            schema, rows = table.schema_arrow, table.metadata.num_rows
        self.notes = ()
        # pandas stores its index as a column of this name: no data.
        names = [name for name in schema.names if not name.startswith("__index_level_")]
        if not names:
            raise InputError(f"{self.path} has no columns. A table with named columns is needed.")
        if rows == 0:
            raise InputError(
                f"{self.path} has a header ({len(names)} columns) and no rows. At least a few rows are needed."
            )
        self.names, self.kinds, self.reasons, self._rows = tuple(names), {}, {}, rows
        for name in names:
            kind = schema.field(schema.get_field_index(name)).type if names.count(name) == 1 else pa.null()
            self.kinds[name] = _kind(kind)
            if self.kinds[name] == OTHER:
                self.reasons[name] = f"values of type {kind}"

    def num_rows(self) -> int:
        return self._rows

    def chunks(self, columns: Sequence[str], size: int) -> Iterator[Chunk]:
        try:
            with self._open() as table:
                for batch in table.iter_batches(batch_size=size, columns=list(columns)):
                    yield {name: self._column(name, batch.column(name)) for name in columns}
        except (pa.ArrowException, OSError) as error:
            raise self._corrupt(error) from None

    def _open(self) -> Any:
        try:
            return pyarrow.parquet.ParquetFile(self._path)
        except (pa.ArrowException, OSError) as error:
            raise self._corrupt(error) from None

    def _corrupt(self, error: Exception) -> InputError:
        reason = str(error).splitlines()[0].rstrip(".")
        return InputError(f"{self.path} cannot be read as Parquet: {reason}. Write the file again.")

    def _column(self, name: str, values: Any) -> Any:
        kind = self.kinds[name]
        if kind == TIME:
            return time_chunk(values, None)
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if kind == TEXT:
            return text_chunk(values)
        if kind == BOOLEAN:
            values = values.cast(pa.uint8())
        return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def _kind(kind: Any) -> str:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return NUMBER
    if types.is_boolean(kind):
        return BOOLEAN
    if types.is_string(kind) or types.is_large_string(kind):
        return TEXT
    if types.is_timestamp(kind) or types.is_date(kind):
        return TIME
    return OTHER
