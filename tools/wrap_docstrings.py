"""Wraps docstring and comment lines that are too long: the one thing about style that `ruff format` leaves to hand.

Only lines over the limit are touched, and the lines that take up what they spill. Code, tables and headings stay.

    python tools/wrap_docstrings.py src tests
"""

import ast
import re
import sys
from pathlib import Path

LIMIT = 120
ITEM = re.compile(r"\s*([-*|!>] ?|\d+\. |```|\$\$|#|\w+:$)")
ENTRY = re.compile(r"\s+\*{0,2}\w+: ")


def docstrings(tree):
    """The line ranges of all docstrings, last first, so that lines can be inserted."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            expression = node.body[0]
            found.append((expression.lineno - 1, expression.end_lineno))
    return sorted(found, reverse=True)


def break_at(line):
    """Where a long line is split: its last space within the limit that lies outside formulas and code, else any."""
    start = len(line) - len(line.lstrip())
    spaces = [i for i, c in enumerate(line[: LIMIT + 1]) if c == " " and i > start + 4]
    quiet = [i for i in spaces if line[:i].count("$") % 2 == 0 and line[:i].count("`") % 2 == 0]
    good = [i for i in quiet if i > LIMIT // 2] or spaces
    return good[-1] if good else None


def wrap(lines):
    """The lines of a docstring, none of them too long where that can be had."""
    done, rest, fenced, entry = [], list(lines), False, False
    while rest:
        line = rest.pop(0)
        fenced ^= line.lstrip().startswith(("```", "$$")) and line.count("$$") != 2
        if line.strip() in ("Args:", "Raises:"):
            entry = True
        elif re.fullmatch(r"\s*\w+:", line) or (entry and re.match(r"\s*(!!!|Returns)", line)):
            entry = False
        place = break_at(line) if len(line) > LIMIT and not fenced and "|" not in line.lstrip()[:1] else None
        if place is None:
            done.append(line)
            continue
        head, tail = line[:place].rstrip(), line[place:].strip()
        indent = len(line) - len(line.lstrip())
        deeper = 4 if entry and ENTRY.match(line) else 2 if line.lstrip().startswith(("- ", "* ")) else 0
        following = rest[0] if rest else ""
        margin = len(following) - len(following.lstrip())
        joins = following.strip(' "') and margin == indent + deeper and not ITEM.match(following)
        if joins and not (entry and not deeper and ENTRY.match(following)):
            rest[0] = " " * margin + tail + " " + following.strip()
        else:
            rest.insert(0, " " * (indent + deeper) + tail)
        done.append(head)
    return done


def wrap_comments(lines):
    """Own-line comments, wrapped in the same way."""
    done, rest = [], list(lines)
    while rest:
        line = rest.pop(0)
        comment = line.lstrip().startswith("# ") and "noqa" not in line
        place = break_at(line) if len(line) > LIMIT and comment else None
        done.append(line if place is None else line[:place].rstrip())
        if place is not None:
            margin = line[: len(line) - len(line.lstrip())] + "# "
            joins = rest and rest[0].startswith(margin)
            following = " " + rest.pop(0)[len(margin) :] if joins else ""
            rest.insert(0, margin + line[place:].strip() + following)
    return done


def wrap_file(path):
    """Wraps a file in place; its meaning, docstrings aside, must not change."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for start, end in docstrings(ast.parse(text)):
        if any(len(line) > LIMIT for line in lines[start:end]):
            lines[start:end] = wrap(lines[start:end])
    lines = wrap_comments(lines)
    new = "\n".join(lines) + "\n"
    if new != text:
        ast.parse(new)
        path.write_text(new, encoding="utf-8")
        print(f"wrapped {path}")


if __name__ == "__main__":
    for root in map(Path, sys.argv[1:]):
        for file in [root] if root.is_file() else sorted(root.rglob("*.py")):
            wrap_file(file)
