"""NPZ: arrays streamed out of the archive, row by row; nothing is ever unpickled."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from .._errors import InputError
from ._source import BOOLEAN, NUMBER, OTHER, TEXT, TIME, AbstractSource, Chunk, Text

_BROKEN = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, KeyError, RuntimeError)


class NpzSource(AbstractSource):
    """Arrays of one length.

    A vector is a column of its own name, `x` of shape `(rows, 3)` the columns `x[0]`, `x[1]`, `x[2]`.

    Raises:
        InputError: if it is corrupt, holds objects, or its arrays differ in length.
    """

    def __init__(self, path: Path) -> None:
        self.file, self.path, self.format, self._path = str(path), repr(str(path)), "npz", path
        self.notes, self.kinds, self.reasons = (), {}, {}
        self._places: dict[str, tuple[str, int]] = {}
        self._arrays: dict[str, tuple[str, ...]] = {}
        headers = self._headers()
        if not headers:
            raise InputError(f"{self.path} holds no arrays. Save some by numpy.savez(path, x=x, y=y).")
        lengths = {name: shape[0] if shape else None for name, (shape, _) in headers.items()}
        if len(set(lengths.values())) > 1 or None in lengths.values():
            shown = ", ".join(f"{name} {shape}" for name, (shape, _) in list(headers.items())[:6])
            raise InputError(
                f"{self.path} needs arrays with the same number of rows (the first axis), got the shapes {shown}."
            )
        self._rows = next(iter(lengths.values())) or 0
        if self._rows == 0:
            raise InputError(f"{self.path} has arrays without rows. At least a few rows are needed.")
        for name, (shape, dtype) in headers.items():
            columns = [name] if len(shape) == 1 else [f"{name}[{_index(at)}]" for at in np.ndindex(*shape[1:])]
            self._arrays[name] = tuple(columns)
            for position, column in enumerate(columns):
                self._places[column] = (name, position)
                self.kinds[column] = _kind(dtype)
                if self.kinds[column] == OTHER:
                    self.reasons[column] = f"values of type {dtype}"
        self.names = tuple(column for columns in self._arrays.values() for column in columns)

    def expand(self, name: str) -> tuple[str, ...]:
        return self._arrays.get(name) or ((name,) if name in self.kinds else ())

    def num_rows(self) -> int:
        return self._rows

    def chunks(self, columns: Sequence[str], size: int) -> Iterator[Chunk]:
        needed = list(dict.fromkeys(self._places[column][0] for column in columns))
        try:
            with zipfile.ZipFile(self._path) as archive:
                readers = {name: _rows(archive, name) for name in needed}
                for start in range(0, self._rows, size):
                    blocks = {name: read(min(size, self._rows - start)) for name, read in readers.items()}
                    yield {column: self._column(column, blocks) for column in columns}
        except _BROKEN as error:
            raise error if isinstance(error, InputError) else self._corrupt(error) from None

    def _headers(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        headers = {}
        try:
            with zipfile.ZipFile(self._path) as archive:
                for member in archive.namelist():
                    with archive.open(member) as stream:
                        shape, _, dtype = _header(stream)
                    name = member.removesuffix(".npy")
                    if dtype.hasobject:
                        raise InputError(
                            f"Array {name!r} of {self.path} holds Python objects, which linnet never unpickles. "
                            "Save numbers or strings: numpy.savez(path, x=numpy.asarray(x, dtype=float))."
                        )
                    headers[name] = (shape, dtype)
        except _BROKEN as error:
            raise error if isinstance(error, InputError) else self._corrupt(error) from None
        return headers

    def _corrupt(self, error: BaseException) -> InputError:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        return InputError(f"{self.path} cannot be read as NPZ: {reason}. Write the file again by numpy.savez.")

    def _column(self, column: str, blocks: dict[str, np.ndarray]) -> Any:
        name, position = self._places[column]
        values = blocks[name][:, position]
        kind = self.kinds[column]
        if kind == TIME:
            return values.astype("datetime64[ns]").view(np.int64)
        if kind == TEXT:
            labels, codes = np.unique(values, return_inverse=True)
            names = [
                label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
                for label in labels.tolist()
            ]
            missing = np.array([name.strip() == "" for name in names])
            return Text(np.where(missing[codes], -1, codes), tuple(name.strip() for name in names))
        return values.astype(np.float64)


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    raise ValueError(f"arrays of format version {version} hold no plain values")


def _rows(archive: zipfile.ZipFile, name: str) -> Any:
    """A function that returns the next rows of an array, flattened to two axes."""
    member = f"{name}.npy" if f"{name}.npy" in archive.namelist() else name
    stream = archive.open(member)
    shape, fortran, dtype = _header(stream)
    width = int(np.prod(shape[1:], dtype=np.int64))
    if fortran and len(shape) > 1:
        # Columns come one after the other: there is no way to the first row but through the whole array.
        whole = np.frombuffer(_exactly(stream, shape[0] * width * dtype.itemsize), dtype).reshape(shape[::-1]).T
        whole = whole.reshape(shape[0], width)
        done = 0

        def read(num: int) -> np.ndarray:
            nonlocal done
            done += num
            return whole[done - num : done]

        return read
    return lambda num: np.frombuffer(_exactly(stream, num * width * dtype.itemsize), dtype).reshape(num, width)


def _exactly(stream: Any, num: int) -> bytes:
    data = stream.read(num)
    if len(data) != num:
        raise ValueError("an array ends before its last row")
    return data


def _index(at: tuple[int, ...]) -> str:
    return ",".join(str(i) for i in at)


def _kind(dtype: np.dtype) -> str:
    kinds = {"f": NUMBER, "i": NUMBER, "u": NUMBER, "b": BOOLEAN, "U": TEXT, "S": TEXT, "M": TIME}
    return kinds.get(dtype.kind, OTHER)
