"""Files that are there whole or not at all, and what to say when the disk does not play along."""

import errno
import os
from pathlib import Path

#: Names that a killed process may leave behind end in this; they are removed when the run is opened again.
TEMPORARY = ".tmp"


class StoreError(ValueError):
    """Something about the output folder is not as it must be; the message is the sentence to show."""


def sentence(error: OSError, path: str | os.PathLike) -> str:
    """What an error of the operating system means for the one who runs linnet.

    Args:
        error: the error.
        path: what was being written or read.

    Returns:
        A sentence: what failed, and what to do.
    """
    path = Path(path)
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk that holds {path.parent} is full: free some space, then run the same command with --resume."
    if error.errno == errno.EFBIG:
        return f"{path} would exceed the file size this process may write (see `ulimit -f`): raise it, then --resume."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} cannot be written ({reason}): choose another folder with --out."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"{path} cannot be written, because a part of that path is a file: choose another folder with --out."
    return f"{path} cannot be written ({reason}): choose another folder with --out."


def make_folder(path: str | os.PathLike) -> Path:
    """Creates a folder and its parents; no error if it is there.

    Raises:
        StoreError: if that cannot be done.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(sentence(error, path)) from error
    return path


def write(path: str | os.PathLike, content: str | bytes | memoryview) -> Path:
    """Writes a file under a temporary name, forces it to the disk, and renames it: never half a file.

    Args:
        path: where; its folder must exist.
        content: text (written as UTF-8) or bytes.

    Returns:
        The path.

    Raises:
        StoreError: if it cannot be written; the temporary file is removed, an older file of that name stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    data = content.encode() if isinstance(content, str) else content
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(sentence(error, path)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def append(path: str | os.PathLike, line: str) -> None:
    """Appends a line to a text file.

    Raises:
        StoreError: if it cannot be written.
    """
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise StoreError(sentence(error, path)) from error


def truncate(path: str | os.PathLike, size: int) -> None:
    """Cuts a file back to its first `size` bytes; nothing happens if it is shorter or not there."""
    path = Path(path)
    try:
        if path.exists() and path.stat().st_size > size:
            os.truncate(path, size)
    except OSError as error:
        raise StoreError(sentence(error, path)) from error


def remove_temporaries(folder: Path) -> None:
    """Removes what a killed process left under temporary names in a folder and below."""
    for path in folder.rglob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # The rename itself lives in the folder. Some file systems (and Windows) refuse to sync one; so be it.
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
