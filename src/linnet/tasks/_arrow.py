"""Arrow columns to NumPy: numbers, categories and times."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ._source import Text


def text_chunk(values: Any, missing: Iterable[str] = ("",)) -> Text:
    """Codes and labels of a column of strings; labels are stripped of blanks, and those in `missing` are missing."""
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    labels = tuple(str(label).strip() for label in values.dictionary.to_pylist())
    gone = set(missing)
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    table = np.array([-1 if label in gone else code for code, label in enumerate(labels)] + [-1], dtype=np.int64)
    return Text(table[codes], labels)


def time_chunk(values: Any, form: str | None) -> np.ndarray:
    """Nanoseconds of a column of dates, `NaT` (the smallest integer) where missing.

    Args:
        values: dates of Arrow's types, or strings.
        form: the format of strings; `None` for ISO 8601 and for Arrow's types.

    Raises:
        pa.ArrowInvalid: for a string that is no date.
    """
    if pa.types.is_string(values.type):
        try:
            parsed = pd.to_datetime(values.to_pandas().str.strip(), format=form or "ISO8601", utc=True)
        except ValueError as error:
            raise pa.ArrowInvalid(str(error)) from None
        return parsed.to_numpy("datetime64[ns]").view(np.int64)
    return values.cast(pa.timestamp("ns"), safe=False).to_numpy(zero_copy_only=False).view(np.int64)


def is_time(cell: str, form: str | None) -> bool:
    """Whether a string is a date of this format (`None`: ISO 8601)."""
    try:
        pd.to_datetime([cell], format=form or "ISO8601", utc=True)
    except ValueError:
        return False
    return True
