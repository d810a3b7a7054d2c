"""Fills the table of systems in docs/systems.md from the tables of linnet.systems: `python tools/systems_page.py`."""

from pathlib import Path

import linnet as ln

PAGE = Path(__file__).parents[1] / "docs" / "systems.md"
BEGIN, END = "<!-- systems: begin -->", "<!-- systems: end -->"


def number(value, error):
    """A number with as many digits as its error allows, and the error."""
    if value is None:
        return ""
    digits = max(0, 1 - int(f"{max(error, 1e-6):e}".split("e")[1]))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def row(name):
    """A row of the table."""
    system, found = ln.systems.get(name), ln.systems.invariants(name)
    kind = {"Flow": "flow", "DelayFlow": "delay", "IteratedMap": "map"}[type(system).__name__]
    cells = [f"`{name}`", kind, str(system.dimension), ", ".join(system.flags)]
    if found is None:
        cells += ["not computed", "", ""]
    elif not found.exponents:
        cells += [found.verdict, "", ""]
    else:
        dimension = number(found.kaplan_yorke_dimension, found.kaplan_yorke_error)
        cells += [found.verdict, number(found.exponents[0], found.errors[0]), dimension]
    return "| " + " | ".join(cells) + " |"


def page(text):
    """The page with its table made again."""
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    head = ["| System | Kind | Dim. | Flags | Verdict | Largest exponent | Kaplan-Yorke dimension |", "|" + "---|" * 7]
    return before + "\n".join([BEGIN, "", *head, *map(row, ln.systems.names()), "", END]) + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
