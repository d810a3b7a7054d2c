"""One writer for one run folder."""

import os
import time
from pathlib import Path

from ._files import StoreError, sentence

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows has no fcntl; two writers are then not told apart)
    fcntl = None

NAME = ".lock"


class FolderLock:
    """An exclusive lock on a folder, held until `release` or the end of the process, however it ends.

    The kernel drops it when the process dies, so a killed run never leaves a stale lock.

    Args:
        folder: the folder, which must exist.

    Raises:
        StoreError: if another process holds it.
    """

    def __init__(self, folder: Path):
        self._descriptor = None
        path = folder / NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StoreError(sentence(error, folder)) from error
        if not _lock(descriptor) and not _lock_soon(descriptor):
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise StoreError(
                f"{folder} is being written by another process{f' ({holder})' if holder else ''}: "
                "wait until it is done, or choose another folder with --out."
            )
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        except OSError:
            pass  # The number is only for the message; a full disk must not cost the lock.
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the folder free; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(folder: Path) -> bool:
    """Whether some process writes to the folder at this moment."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock_soon(descriptor: int) -> bool:
    # `is_locked`, in another process, holds the lock for an instant; that must not look like a writer.
    time.sleep(0.1)
    return _lock(descriptor)


def _lock(descriptor: int) -> bool:
    if fcntl is None:  # pragma: no cover
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # A network file system without locks: better to run than to refuse.
    return True
