"""Tables as HTML: headers that a screen reader can follow, numbers in columns, small signed bars."""

import dataclasses
import hashlib
import html
import math
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: its header.
        unit: shown under the name, in smaller letters.
    """

    name: str
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Bars:
    """A cell of named signed numbers, each with a small bar.

    Args:
        items: names with their numbers.
        most: the number of a bar of full length.
    """

    items: Sequence[tuple[str, float]]
    most: float = 1.0


@dataclasses.dataclass(frozen=True)
class Pixels:
    """A cell with a small picture: white is positive, black negative, the page's grey nothing.

    Args:
        values: rows of numbers; `None` where there is no pixel.
        description: what it shows, for those who cannot see it.
    """

    values: Sequence[Sequence[float | None]]
    description: str


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Args:
        caption: what it shows.
        columns: the columns.
        rows: text, numbers, booleans, `None` for nothing, `Bars` or `Pixels`.
    """

    caption: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Any]]


def number(value: float | int, digits: int = 3) -> str:
    """A number in three digits, without an exponent where it can be read without."""
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u2009") if abs(value) >= 10_000 else str(value)
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size != 0 and (size < 1e-3 or size >= 1e5):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa} · 10{_superscript(int(exponent))}".replace("-", "−")
    decimals = max(0, digits - 1 - math.floor(math.log10(size))) if size else 0
    return f"{value:.{decimals}f}".replace("-", "−")


def cell(value: Any) -> str:
    """The HTML of a cell's content."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return '<span class="none" aria-label="none">–</span>'
    if isinstance(value, bool):
        return '<span class="yes">✓ yes</span>' if value else '<span class="no">✗ no</span>'
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Bars):
        return _bars(value)
    if isinstance(value, Pixels):
        return _pixels(value)
    return html.escape(str(value))


def table_html(table: Table) -> str:
    """The HTML of a table; its first column names the rows."""
    columns = [column if isinstance(column, Column) else Column(column) for column in table.columns]
    kinds = ["number" if _is_numeric(row[i] for row in table.rows) else "text" for i in range(len(columns))]
    head = "".join(
        f'<th scope="col" class="{kind}">{html.escape(column.name)}'
        + (f'<br><span class="unit">{html.escape(column.unit)}</span>' if column.unit else "")
        + "</th>"
        for column, kind in zip(columns, kinds)
    )
    rows = []
    for row in table.rows:
        first, *rest = row
        cells = [f'<th scope="row" class="{kinds[0]}">{cell(first)}</th>']
        cells += [f'<td class="{kind}">{cell(value)}</td>' for value, kind in zip(rest, kinds[1:])]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    # Above the table and not in it: a caption element would be cut where a wide table scrolls.
    caption = html.escape(table.caption)
    slug = "table-" + hashlib.sha256(table.caption.encode()).hexdigest()[:8]
    return (
        f'<p class="caption" id="{slug}">{caption}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{slug}"><table aria-labelledby="{slug}">'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>"
    )


def _bars(bars: Bars) -> str:
    lines = []
    for name, value in bars.items:
        length = 50 * min(abs(value) / bars.most, 1) if bars.most > 0 else 0
        side = "right" if value < 0 else "left"
        lines.append(
            f'<li><span class="bar" aria-hidden="true"><i class="{"minus" if value < 0 else "plus"}" '
            f'style="{side}:50%;width:{length:.1f}%"></i></span>'
            f'<span class="weight">{f"{value:+.2f}".replace("-", "−")}</span> {html.escape(name)}</li>'
        )
    return f'<ul class="bars">{"".join(lines)}</ul>'


def _pixels(pixels: Pixels) -> str:
    flat = [abs(value) for row in pixels.values for value in row if value is not None]
    most = max(flat, default=0.0) or 1.0
    width = max(len(row) for row in pixels.values)
    squares = []
    for y, row in enumerate(pixels.values):
        for x, value in enumerate(row):
            if value is not None:
                grey = round(128 + 127 * value / most)
                squares.append(f'<rect x="{x}" y="{y}" width="1" height="1" fill="rgb({grey},{grey},{grey})"/>')
    label = html.escape(pixels.description, quote=True)
    return (
        f'<svg class="pixels" role="img" aria-label="{label}" viewBox="0 0 {width} {len(pixels.values)}" '
        f'shape-rendering="crispEdges"><rect width="{width}" height="{len(pixels.values)}" fill="rgb(128,128,128)"/>'
        f"{''.join(squares)}</svg>"
    )


def _is_numeric(values: Any) -> bool:
    return all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values)


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
