"""The memory of this process: what is freed stays with it."""

import ctypes
import sys

#: Of glibc's `mallopt`: when memory is given back, how much is asked for beside what is needed, what is mapped anew,
#: how many heaps there are. Only the first heap has no bound: XLA's threads would map what is above 64 MiB anew.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
_PAD = 1 << 26
_MOST = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Asks the C library to keep freed memory for the next arrays, instead of giving it back to the system.

    XLA asks for the memory of a program each time it runs. On Linux this is new memory by default, and each of its
    pages costs an interrupt at the first touch: programs that mostly move memory, such as a training step of a small
    network, then wait for the system half of their time. The process keeps its largest size in return, and its threads
    share one heap. The command line does this by itself; it concerns all of a process, so that the library leaves it to
    you.

    Returns:
        Whether it was done: the C library is glibc, as on most Linux systems.

    !!! example
        ```python
        import linnet as ln

        ln.keep_freed_memory()  # before the first array, when XLA starts its threads
        ```
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    asked = (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _PAD), (_MMAP_THRESHOLD, _MOST), (_ARENA_MAX, 1)
    done = [mallopt(which, value) == 1 for which, value in asked]
    return all(done)
