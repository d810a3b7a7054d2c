"""The tables of the report of `linnet learn`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ._table import Bars, Column, Pixels, Table, number

Summary = Mapping[str, Any]

#: Longer tables are for `data.nc`.
MOST_ROWS = 30
#: Modes whose composition is shown, and how many columns of each.
MOST_MADE_OF = 10
MOST_NAMES = 5

_PIXEL = re.compile(r"\D*?(\d+)\s*,\s*(\d+)\D*")


def mode_table(summary: Summary) -> Table:
    """Every mode with its strength and its predicted and measured times."""
    modes = summary["modes"][:MOST_ROWS]
    linear: Mapping[str, str] = summary["time_columns"]
    ties: dict[int, list[int]] = {}
    for index, mode in enumerate(modes):
        ties.setdefault(mode["tie"], []).append(index + 1)
    tied = any(len(group) > 1 for group in ties.values())
    columns = [Column("Mode"), Column("Singular value"), Column("Above noise")]
    if tied:
        columns.append(Column("Tied with"))
    columns += [Column("Predicted time", title) for title in linear.values()]
    title = linear.get(summary["main"], summary["main"])
    columns += [Column("Measured time", title), Column("Difference", "%")]
    rows = []
    for index, mode in enumerate(modes):
        others = [str(other) for other in ties[mode["tie"]] if other != index + 1]
        error = mode.get("relative_error")
        row: list[Any] = [index + 1, mode["singular_value"], mode["above_noise_edge"]]
        row += [", ".join(others) or None] if tied else []
        row += [mode["predicted_times"].get(name) for name in linear]
        row += [mode["measured_time"], None if error is None else _signed(mode, error)]
        rows.append(row)
    more = len(summary["modes"]) - len(modes)
    rest = f" {more} weaker modes are in data.nc." if more else ""
    caption = (
        "Modes, strongest first. Times are half times in learning time, medians over the ensemble; a dash: not learned "
        f"in the time given. Tied modes are too near each other to have an order.{rest}"
        if tied
        else "Modes, strongest first. Times are half times in learning time, medians over the ensemble; a dash: not "
        f"learned in the time given.{rest}"
    )
    return Table(caption, columns, rows)


def _signed(mode: Mapping[str, Any], error: float) -> str:
    """The difference in percent; below what matters to anyone its size is all there is to say."""
    if abs(error) < 1e-4:
        return "< 0.01"
    sign = "+" if (mode["measured_time"] or 0) >= (mode["predicted_time"] or 0) else "−"
    return f"{sign}{100 * abs(error):.2f}"


def made_of_table(task: xr.Dataset, summary: Summary) -> Table:
    """What each mode is made of, in the user's own columns: bars, or pictures where columns are pixels."""
    modes = summary["modes"][:MOST_MADE_OF]
    names = [str(name) for name in task["column"].values]
    weights = task["in_columns"].values
    grid = _pixel_grid(names)
    variances = task["input_variances"].values if "input_variances" in task else np.full(1, np.nan)
    white = bool(np.allclose(variances, 1, atol=1e-3))
    most = {"inputs": float(np.max(np.abs(weights[:, : len(modes)]))), "outputs": _largest(modes, "outputs")}
    rows: list[list[Any]] = []
    for index, mode in enumerate(modes):
        # The sign of a mode is arbitrary: shown is the one in which its largest output is positive.
        sign = -1.0 if mode["outputs"] and mode["outputs"][0]["weight"] < 0 else 1.0
        bars = _bars(mode["inputs"], "column", most["inputs"], sign)
        outputs = _bars(mode["outputs"], "target", most["outputs"], sign)
        if grid is None:
            rows.append([index + 1, bars, outputs])
        else:
            words = ", ".join(f"{name} {weight:+.2f}" for name, weight in bars.items)
            picture = Pixels(_picture(grid, sign * weights[:, index]), f"Mode {index + 1}: {words}")
            rows.append([index + 1, picture, outputs])
    what = "their correlation with the mode's input" if white else "their weights in the mode's input pattern"
    if grid is None:
        caption = (
            f"What modes are made of: the {MOST_NAMES} input columns that matter most ({what}) and the outputs that "
            "the mode drives (weights). Filled bars to the right are positive, hatched bars to the left negative. Of a "
            "mode's two equal signs the one with its largest output positive is shown."
        )
    else:
        caption = (
            f"What modes are made of: the input columns as pixels ({what}; white positive, black negative, grey none) "
            "and the outputs that the mode drives (weights; hatched bars are negative)."
        )
    more = len(summary["modes"]) - len(modes)
    caption += f" {more} weaker modes are in data.nc." if more else ""
    return Table(caption, ["Mode", "Inputs", "Outputs"], rows)


def network_table(summary: Summary) -> Table:
    """Each ensemble: how it was trained, and how the nonlinear ones depart from the linear one."""
    departure = summary.get("departure", {})
    rows = []
    for network in summary["networks"]:
        found = departure.get(network["name"], {})
        steps = network.get("steps")
        how = f"{number(steps)} steps, rate {network['rate']:.3g}" if steps else "gradient flow"
        lost = network["diverged"] + network["stopped"]
        loss = found.get("best_validation_loss", found.get("best_loss"))
        if network["name"] == summary["main"] and departure:
            other = next(iter(departure.values()))
            loss = other.get("linear_best_validation_loss", other.get("linear_best_loss"))
        row = [network["title"], network["seeds"] - lost, how, network["end_time"]]
        rows.append([*row, found.get("half_time_ratio"), found.get("modes_not_learned"), loss])
    columns = [
        Column("Network"),
        Column("Members", "that ended well"),
        Column("Trained by"),
        Column("Until", "learning time"),
        Column("Half times", "× linear"),
        Column("Modes missed", "by it alone"),
        Column("Best loss", "held out"),
    ]
    title = summary["time_columns"].get(summary["main"], summary["main"])
    caption = f"The networks, and how far nonlinear ones depart from the linear one of {title}."
    return Table(caption.replace("one of linear RNN", "RNN"), columns, rows)


def assumption_table(summary: Summary) -> Table:
    """What each prediction rests on, as measured numbers."""
    rows = []
    for name, found in summary.get("theories", {}).items():
        title = summary["time_columns"].get(name, name)
        for each in found["assumptions"]:
            text = f"{each['name']}: {each['statement']}"
            rows.append([title, found["theory"], text, each["value"], each["threshold"], bool(each["holds"])])
        if not found["assumptions"]:
            exact = "none: it solves the equation of training itself, so that its agreement is no independent check"
            text = exact if found["theory"] == "MomentFlow" else "none: it is exact for this network"
            rows.append([title, found["theory"], text, None, None, None])
    columns = ["Network", "Theory", "Assumption", "Measured", Column("Threshold", "at most"), "Holds"]
    return Table("What the predictions rest on.", columns, rows)


def _bars(items: Sequence[Mapping[str, Any]], key: str, most: float, sign: float) -> Bars:
    return Bars([(str(item[key]), sign * float(item["weight"])) for item in items[:MOST_NAMES]], most)


def _largest(modes: Sequence[Mapping[str, Any]], key: str) -> float:
    return max((abs(item["weight"]) for mode in modes for item in mode[key]), default=1.0)


def _pixel_grid(names: Sequence[str]) -> list[tuple[int, int]] | None:
    """Row and column of every input if all are called `pixel ROW,COLUMN`."""
    found = [_PIXEL.fullmatch(name) if name.startswith("pixel") else None for name in names]
    if len(names) < 4 or any(match is None for match in found):
        return None
    return [(int(match[1]), int(match[2])) for match in found if match is not None]


def _picture(grid: Sequence[tuple[int, int]], weights: np.ndarray) -> list[list[float | None]]:
    rows, columns = (max(place) + 1 for place in zip(*grid))
    picture: list[list[float | None]] = [[None] * columns for _ in range(rows)]
    for (row, column), weight in zip(grid, weights):
        picture[row][column] = float(weight)
    return picture
