"""Parts of a group of members that run side by side on the cores of a CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from jax.sharding import Mesh

from .._cores import has_spare_threads, num_cores

#: Bytes of parameters in one part: with gradients and intermediate results it then stays in a core's own cache.
_CACHE = 192 * 1024


def num_parts(members: int, bytes_of_params: int, mesh: Mesh | None) -> int:
    """In how many parts a group of members runs.

    XLA runs a loop of small operations on one core of a CPU, so that the others have to be given loops of their own;
    and it goes through all members operation by operation, so that fewer members stay in the cache. Accelerators want
    all members at once.
    """
    if mesh is not None or jax.default_backend() != "cpu":
        return 1
    cores = num_cores()
    widest = max(1, _CACHE // max(1, bytes_of_params))
    return min(members, cores * -(-members // (cores * widest)))


def run_side_by_side(run: Any, calls: Sequence[tuple]) -> list[Any]:
    """Calls a function of `eqx.filter_jit` with each tuple of arguments, all of one form, at the same time."""
    if len(calls) == 1:
        return [run(*calls[0])]
    # Compiled here, because each thread would compile it once more, and without this thread's settings of JAX (such as
    # the precision set by a context manager).
    lowered = run.lower(*calls[0])
    compiled = lowered.compile()

    def wait(arguments: tuple) -> Any:
        return jax.block_until_ready(compiled(*arguments))

    # Each decomposition of a batch of matrices holds a thread of XLA's pool while it waits for others of that pool.
    if "lapack_" in lowered.as_text() and not has_spare_threads():
        return [wait(arguments) for arguments in calls]
    with ThreadPoolExecutor(min(len(calls), num_cores())) as pool:
        return list(pool.map(wait, calls))
