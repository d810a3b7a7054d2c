"""The entry point: parse, run, answer; every error a sentence and an exit status."""

import contextlib
import dataclasses
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from .._version import __version__
from . import _arguments as arguments

#: Where each command lives; loaded when it is called, because most of them load JAX.
COMMANDS = {
    arguments.Learn: ("learn", "_learn"),
    arguments.Study: ("study", "_study"),
    arguments.Phase: ("phase", "_phase"),
    arguments.Sequence: ("sequence", "_sequence"),
    arguments.Generate: ("generate", "_sequence"),
    arguments.Reconstruct: ("reconstruct", "_reconstruct"),
    arguments.Forecast: ("forecast", "_reconstruct"),
    arguments.List: ("list", "_runs"),
    arguments.Show: ("show", "_runs"),
    arguments.Compare: ("compare", "_runs"),
    arguments.Cite: ("cite", "_runs"),
    arguments.Info: ("info", "_info"),
}

DESCRIPTION = """Predict what a network will learn, when, and in which order; then check it by training.

linnet learn data.csv --target species

linnet learn series.csv --columns x,y --window 20

linnet study all --preset quick

linnet phase domine2025-balanced --x balance --y scale

linnet sequence parity --layer delta-net

linnet reconstruct series.csv --columns x,y,z"""

MISUSE = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the words after `linnet`; by default those of this process.

    Returns:
        The exit status: 0 for success, 1 if a study's claim does not hold, 2 for misuse, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print(__version__)
        return 0
    try:
        command = _parse(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else MISUSE
    except ValueError as error:
        return _complain(str(error))
    return _run(command, words)


def _parse(words: list[str]) -> Any:
    import tyro
    from tyro.conf import FlagCreatePairsOff, subcommand

    commands = dict(COMMANDS)
    del commands[arguments.Learn]
    union: Any = Annotated[arguments.Learn, subcommand(name="learn", default=_learn_default(words))]
    for cls, (name, _) in commands.items():
        union = union | Annotated[cls, subcommand(name=name)]
    options = {"prog": "linnet", "description": DESCRIPTION, "config": (FlagCreatePairsOff,)}
    return tyro.cli(union, args=words, registry=arguments.registry(), **options)  # pyright: ignore


def _learn_default(words: list[str]) -> arguments.Learn:
    # The preset decides what the other options default to, so it is looked for first.
    from ..config import load

    preset = "default"
    for word, following in zip(words, [*words[1:], ""]):
        if words[:1] == ["learn"] and word == "--preset":
            preset = following
        elif words[:1] == ["learn"] and word.startswith("--preset="):
            preset = word.partition("=")[2]
    settings = dataclasses.asdict(load("learn", preset))
    return arguments.Learn(settings=arguments.Settings(**settings), preset=preset)


def _run(command: Any, words: list[str]) -> int:
    from ._answer import emit

    name, module = COMMANDS[type(command)]
    output = command.output
    try:
        # Whatever a library prints while it works must not get into the answer.
        with contextlib.redirect_stdout(sys.stderr):
            answer = getattr(importlib.import_module(f"{__package__}.{module}"), name)(command)
        emit(answer, output.json)
        return answer.code
    except KeyboardInterrupt as interrupt:
        _say(_after_interrupt(str(interrupt), words))
        return INTERRUPTED
    except BrokenPipeError:  # `linnet list | head` is no error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if output.debug:
            raise
        return _complain(_sentence(error))


def _sentence(error: Exception) -> str:
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        from ..store import sentence

        return sentence(error, error.filename or "The output folder")
    if isinstance(error, MemoryError):
        return "There is not enough memory for this: use fewer --seeds, a smaller --hidden, or fewer --times."
    first = (str(error).strip().splitlines() or [""])[0]
    return (
        f"linnet failed where it should not ({type(error).__name__}: {first}). "
        "Run it again with --debug and report the trace together with the output of `linnet info`."
    )


def _after_interrupt(run: str, words: list[str]) -> str:
    import shlex

    if not run:
        return "Interrupted before anything was written."
    again = [word for word in words if word not in ("--force", "--resume")]
    return f"Interrupted; what was done is kept in {run}. Continue with: {shlex.join(['linnet', *again, '--resume'])}"


def _complain(sentence: str) -> int:
    _say(sentence)
    return MISUSE


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
