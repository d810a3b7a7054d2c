"""Sequence tasks by name, as the command line knows them."""

import difflib
from collections.abc import Callable
from typing import Any

from ._adding import Adding
from ._binary_arithmetic import BinaryAddition, BinaryMultiplication, ComputeSqrt
from ._bit_memory import DelayedMatch, NParity
from ._bracket_arithmetic import ModularArithmeticBrackets, SolveEquation
from ._copying import DelayedCopy, SelectiveCopy
from ._counting import CycleNavigation, EvenPairs, Parity, Sum
from ._flip_flop import FlipFlop
from ._group import Group, alternating_group, cyclic_group, product_group, symmetric_group
from ._listops import ListOps
from ._modular_arithmetic import ModularArithmetic
from ._recall import AssociativeRecall, InductionHeads
from ._sequence_task import AbstractSequenceTask
from ._sequential_digits import SequentialDigits
from ._string_puzzles import MissingDuplicateString, StackManipulation
from ._strings import BucketSort, Copy, DuplicateString, OddsFirst, ReverseString
from ._text import text_task
from ._word_problem import WordProblem


def _words(make: Callable[[], Group]) -> Callable[..., WordProblem]:
    """The word problem of a group, whose table is made when it is asked for."""

    def word_problem(**settings: Any) -> WordProblem:
        return WordProblem(make(), **settings)

    return word_problem


#: name -> a function of settings, all of them with defaults except the path of `text`, that makes the task.
SEQUENCE_TASKS: dict[str, Callable[..., AbstractSequenceTask]] = {
    "parity": Parity,
    "even_pairs": EvenPairs,
    "cycle_navigation": CycleNavigation,
    "sum": Sum,
    "modular_arithmetic": ModularArithmetic,
    "modular_arithmetic_brackets": ModularArithmeticBrackets,
    "solve_equation": SolveEquation,
    "reverse_string": ReverseString,
    "stack_manipulation": StackManipulation,
    "duplicate_string": DuplicateString,
    "missing_duplicate_string": MissingDuplicateString,
    "odds_first": OddsFirst,
    "binary_addition": BinaryAddition,
    "binary_multiplication": BinaryMultiplication,
    "compute_sqrt": ComputeSqrt,
    "bucket_sort": BucketSort,
    "s3": _words(lambda: symmetric_group(3)),
    "s4": _words(lambda: symmetric_group(4)),
    "a5": _words(lambda: alternating_group(5)),
    "s5": _words(lambda: symmetric_group(5)),
    "z60": _words(lambda: cyclic_group(60)),
    "a4xz5": _words(lambda: product_group(alternating_group(4), cyclic_group(5))),
    "mqar": AssociativeRecall,
    "copy": Copy,
    "selective_copy": SelectiveCopy,
    "delayed_copy": DelayedCopy,
    "induction": InductionHeads,
    "n_parity": NParity,
    "delayed_match": DelayedMatch,
    "adding": Adding,
    "flip_flop": FlipFlop,
    "listops": ListOps,
    "sequential_digits": SequentialDigits.load,
    "text": text_task,
}


def sequence_task(name: str, **settings: Any) -> AbstractSequenceTask:
    """The sequence task of a name.

    Args:
        name: one of `SEQUENCE_TASKS`.
        settings: of its constructor.

    Raises:
        ValueError: if there is no such task, or it has no such setting.

    !!! example
        ```python
        task = ln.tasks.sequence_task("s3", length=64, generators="swaps")
        batch = task.sample(32, key=jr.key(0), length=256)
        ```
    """
    if name not in SEQUENCE_TASKS:
        near = difflib.get_close_matches(name.lower(), SEQUENCE_TASKS, n=3, cutoff=0.4) or list(SEQUENCE_TASKS)
        raise ValueError(f"There is no sequence task {name!r}; the closest names are {', '.join(near)}.")
    try:
        return SEQUENCE_TASKS[name](**settings)
    except TypeError as error:
        raise ValueError(f"The task {name!r} does not take these settings: {error}.") from error
