"""What the command line sets up for its own process: float64, memory, XLA, and progress bars on standard error."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from .._compiler import prefer_quick_loops
from .._cores import ask_for_threads
from .._memory import keep_freed_memory


def prepare() -> None:
    """Switches JAX to float64, in which theories are compared, and to products in full float32 on accelerators.

    No other part of linnet touches a setting of JAX.
    """
    ask_for_threads()
    prefer_quick_loops()
    keep_freed_memory()
    import jax

    jax.config.update("jax_enable_x64", True)
    if jax.config.jax_default_matmul_precision is None:
        jax.config.update("jax_default_matmul_precision", "float32")


@contextlib.contextmanager
def stages(name: str, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A line that names the stage a study is in, on a terminal only."""
    with bars(quiet) as progress:
        yield lambda stage: progress(f"{name}: {stage}", 0, 0)


@contextlib.contextmanager
def bars(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars on standard error, one for each stage; nothing where that is no terminal, or with `--json`.

    Gives a function `progress(stage, done, total)`; with a total of 0 the bar only shows that something goes on.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        tasks: dict[str, int] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in tasks.values():  # A new stage means that the ones before are done.
                    display.update(display.task_ids[task], total=1, completed=1)
                tasks[stage] = len(tasks)
                display.add_task(stage, total=total or None)
            display.update(display.task_ids[tasks[stage]], completed=done, total=total or None)

        yield progress
