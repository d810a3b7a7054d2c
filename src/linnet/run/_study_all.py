"""`linnet study all`: many studies side by side, each in its own run folder, and one page about all of them."""

import contextlib
import functools as ft
import multiprocessing as mp
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from .. import config as configs
from .._cores import num_cores
from ._study import run_study

Progress = Callable[[str, int, int], None]

#: Memory that a study may need.
GIBIBYTES_PER_STUDY = 5

#: Where a worker sends the names of its stages; set once in each.
_told: Any = None


def run_studies(
    names: Sequence[str],
    preset: str = "default",
    *,
    seed: int = 0,
    out: str = "runs",
    force: bool = False,
    resume: bool = False,
    jobs: int | None = None,
    prepare: Callable[[], None] = lambda: None,
    command: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> dict[str, Any]:
    """Runs studies in processes of their own; finished ones are found and not repeated.

    A study that fails does not end the others.

    Args:
        names: the studies.
        preset: "quick", "default" or "paper".
        seed: the seed of everything random.
        out: the folder of runs.
        force: repeat finished runs.
        resume: say so if there was nothing to resume.
        jobs: processes; by default one for each core that memory allows, and 1 runs everything in this one. A script
            that asks for more has to be guarded by `if __name__ == "__main__":`.
        prepare: called once in every process, to set up JAX.
        command: what the user typed, for the record.
        progress: called with the name of a stage, and how many studies are done of how many.

    Returns:
        The summary: `studies` (each as `run_study` gives it, or with `error`), `holds`, `answer`, `gallery`.
    """
    from .. import report

    titles = {name: configs.title(name) for name in names}  # An unknown name fails here, before anything runs.
    jobs = min(len(names), default_jobs() if jobs is None else jobs)
    one = ft.partial(_one, preset=preset, seed=seed, out=out, force=force, resume=resume, command=command)
    found: dict[str, dict[str, Any]] = {}
    with _workers(jobs, prepare, progress, found, len(names)) as each:
        for name, summary in each(one, names):
            found[name] = summary if "error" not in summary else {"study": name, "title": titles[name], **summary}
            progress(name, len(found), len(names))
    summaries = [found[name] for name in names]
    held = sum(summary.get("holds", False) for summary in summaries)
    path = report.write_gallery(Path(out) / f"studies-{preset}-{seed}.html", summaries, command)
    return {
        "studies": summaries,
        "preset": preset,
        "seed": seed,
        "holds": held == len(summaries),
        "answer": f"{held} of {len(summaries)} studies hold",
        "gallery": str(path),
    }


def default_jobs() -> int:
    """One process for each core, as far as memory goes."""
    cores = num_cores()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        memory = GIBIBYTES_PER_STUDY * cores
    return max(1, min(cores, int(memory // GIBIBYTES_PER_STUDY)))


def _one(name: str, *, command: str, preset: str, seed: int, **settings: Any) -> dict[str, Any]:
    def tell(stage: str) -> None:
        if _told is not None:
            _told.put(f"{name}: {stage}")

    try:
        again = f"linnet study {name} --preset {preset} --seed {seed}"
        return run_study(name, preset, seed=seed, command=again, progress=tell, **settings)
    except Exception as error:  # What is wrong with one study is no reason to lose the others.
        return {"error": f"{type(error).__name__}: {error}"}


def _begin(prepare: Callable[[], None], queue: Any) -> None:
    global _told
    _told = queue
    prepare()


@contextlib.contextmanager
def _workers(
    jobs: int, prepare: Callable[[], None], progress: Progress, found: dict, total: int
) -> Iterator[Callable[[Callable, Sequence[str]], Iterator[tuple[str, dict[str, Any]]]]]:
    """What runs a function of every name, in this process or in several, and gives results as they come."""
    if jobs <= 1:
        prepare()

        def in_turn(function: Callable, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
            for name in names:
                progress(name, len(found), total)
                yield name, function(name)

        yield in_turn
        return
    context = mp.get_context("spawn")  # JAX does not survive a fork.
    queue = context.Queue()

    def listen() -> None:
        while (stage := queue.get()) is not None:
            progress(stage, len(found), total)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(prepare, queue))

    def side_by_side(function: Callable, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        futures = {pool.submit(function, name): name for name in names}
        for future in as_completed(futures):
            yield futures[future], future.result()

    try:
        yield side_by_side
    except BaseException:
        # Every worker notes in its run folder that it was interrupted; Ctrl-C in a terminal reached them already.
        for process in mp.active_children():
            with contextlib.suppress(OSError):
                os.kill(process.pid or 0, signal.SIGINT)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        queue.put(None)
        listener.join(timeout=5)
