"""The cores of this machine, and how many threads XLA is to have on them."""

import os

#: XLA's threads for each core. Those that decompose a batch of matrices wait for others of the same pool, and with one
#: for each core they can wait for each other for ever.
THREADS_PER_CORE = 4


def num_cores() -> int:
    """The cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return max(1, (os.cpu_count() or 1) if affinity is None else len(affinity(0)))


def ask_for_threads() -> None:
    """Asks XLA for enough threads, unless the user has; it reads this when JAX is first used."""
    os.environ.setdefault("PJRT_NPROC", str(THREADS_PER_CORE * max(num_cores(), 2)))


def has_spare_threads() -> bool:
    """Whether XLA was asked for so many threads that programs side by side cannot take all of them."""
    asked = os.environ.get("PJRT_NPROC", "")
    return asked.isdigit() and int(asked) >= THREADS_PER_CORE * num_cores()
