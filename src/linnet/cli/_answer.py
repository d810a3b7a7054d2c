"""What a command gives back, and how it reaches the screen: a table for people, or one JSON object for programs."""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer of a command.

    Args:
        content: what `--json` prints; plain values, NaN and infinity become null.
        show: writes the same for people.
        code: the exit status.
    """

    content: Mapping[str, Any]
    show: "Callable[[Console], None]"
    code: int = 0


def emit(answer: Answer, as_json: bool) -> None:
    """Writes an answer to standard output."""
    if as_json:
        sys.stdout.write(json.dumps(plain(answer.content), ensure_ascii=False, allow_nan=False) + "\n")
    else:
        answer.show(console())
    sys.stdout.flush()


def console() -> "Console":
    """A console on standard output; plain text, never wrapped, where that is not a terminal."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), emoji=False, markup=False)


def table(console: "Console", columns: list[str], rows: list[list[Any]], title: str | None = None) -> None:
    """Writes a table: ruled on a terminal, columns of plain text elsewhere."""
    texts = [[cell(value) for value in row] for row in rows]
    right = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(columns))]
    if not console.is_terminal:
        if title:
            console.print(title)
        widths = [max(map(len, column)) for column in zip(columns, *texts)]
        for row in (columns, *texts):
            cells = (text.rjust(w) if r else text.ljust(w) for text, w, r in zip(row, widths, right))
            console.print("  ".join(cells).rstrip())
        return
    from rich import box
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, is_number in zip(columns, right):
        drawn.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in texts:
        drawn.add_row(*row)
    console.print(drawn)


def cell(value: Any) -> str:
    """A value in a table: four digits of a number, a dash for nothing."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """A value as JSON has it: NaN and infinity are null, arrays are lists, paths are texts."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | str | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    convert = getattr(value, "tolist", None)  # NumPy's and JAX's scalars and arrays
    return plain(convert()) if convert is not None else str(value)
