"""What a phase diagram will be, decided and checked before anything long begins."""

import dataclasses
import difflib
from typing import Any

import numpy as np

from .. import config as configs
from ..config import PhaseConfig

#: Points along an axis, and members at a point, unless asked for otherwise.
CELLS, SEEDS = 32, 8

#: The same where the whole study runs at every point.
WHOLE_CELLS, WHOLE_SEEDS = 3, 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """A phase diagram with nothing left open.

    Args:
        config: the settings as they are run.
        settings: the settings of the study.
        model: the study's model; `None` where the whole study runs at every point.
        grid: the values of x and y by name, x first.
        fixed: the values of the model's other axes.
    """

    config: PhaseConfig
    settings: Any
    model: Any
    grid: dict[str, np.ndarray]
    fixed: dict[str, Any]

    def at(self, **values: float) -> Any:
        """The study's settings at a point (whole studies)."""
        kinds = {field.name: type(getattr(self.settings, field.name)) for field in dataclasses.fields(self.settings)}
        return dataclasses.replace(self.settings, **{name: kinds[name](value) for name, value in values.items()})


def make_plan(config: PhaseConfig) -> Plan:
    """Chooses what was left open and checks the rest.

    Raises:
        ValueError: for an unknown study, axis or number, with those that there are; for ranges that make no sense; for
            a point at which the study refuses its settings.
    """
    from ..studies import PHASES

    settings = configs.load(config.study, config.preset, seed=config.seed)
    factory = PHASES.get(config.study)
    whole = whole_axes(settings)
    model = None if factory is None else factory(settings, {})
    fast = {} if model is None else {axis.name: axis for axis in model.axes}
    asked = [name for name in (config.x, config.y) if name is not None]
    for name in asked:
        if name not in fast and name not in whole:
            raise ValueError(_unknown(config.study, name, list(fast), list(whole)))
    if factory is None or model is None or not all(name in fast for name in asked):
        return _whole_plan(config, settings, whole, fast, asked)
    left = [name for name in fast if name not in asked]
    x = config.x or left.pop(0)
    y = config.y or left.pop(0)
    scalar = _scalar(config, [quantity.name for quantity in model.quantities])
    grid = _grid(config, {x: fast[x], y: fast[y]}, CELLS)
    model = factory(settings, {name: (float(values[0]), float(values[-1])) for name, values in grid.items()})
    fixed = {axis.name: axis.default for axis in model.axes if axis.name not in grid}
    return Plan(_resolved(config, grid, scalar, SEEDS), settings, model, grid, fixed)


def whole_axes(settings: Any) -> dict[str, Any]:
    """The settings of a study that are one number, as axes over which the whole study runs."""
    from ..studies import Axis

    found = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name == "seed" or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if isinstance(value, int):
            ends, spacing = (max(value // 2, 1), max(2 * value, 2)), "whole"
        else:
            ends, spacing = ((value / 2, 2 * value), "log") if value > 0 else ((value - 1, value + 1), "linear")
        label = f"{field.name.replace('_', ' ')} (a setting of the study)"
        found[field.name] = Axis(field.name, label, value, *ends, spacing, recompiles=True)  # pyright: ignore
    return found


def _whole_plan(config: PhaseConfig, settings: Any, whole: dict, fast: dict, asked: list[str]) -> Plan:
    mixed = [name for name in asked if name not in whole]
    if mixed:
        raise ValueError(
            f"{' and '.join(mixed)} can only be drawn over another of {', '.join(fast)}, because the whole study "
            f"would have to run for the other axis. Choose both from these, or both from {', '.join(whole)}."
        )
    if len(asked) < 2:
        raise ValueError(
            f"{config.study} has no model of its own for phase diagrams, so the whole study runs at every point. Say "
            f"over which of its settings: --x and --y from {', '.join(whole)}."
        )
    scalar = config.scalar or "claim-1"
    number = scalar.removeprefix("claim-")
    if not (scalar.startswith("claim-") and number.isdigit() and int(number) >= 1):
        raise ValueError(
            f"Where the whole study runs at every point, --scalar is the number of a claim, such as claim-1 "
            f"(`linnet study {config.study}` lists them); got {scalar!r}."
        )
    grid = _grid(config, {name: whole[name] for name in asked}, WHOLE_CELLS)
    plan = Plan(_resolved(config, grid, scalar, WHOLE_SEEDS), settings, None, grid, {})
    (x, xs), (y, ys) = grid.items()
    for first in xs:
        for second in ys:
            try:
                plan.at(**{x: first, y: second})
            except ValueError as error:
                raise ValueError(
                    f"At {x} = {first:g} and {y} = {second:g} the study refuses its settings: {error}"
                ) from error
    return plan


def _grid(config: PhaseConfig, axes: dict[str, Any], cells: int) -> dict[str, np.ndarray]:
    nums = config.cells or (cells,)
    ranges = (config.x_range, config.y_range)
    grid = {
        name: axis.values(num, ends)
        for (name, axis), num, ends in zip(axes.items(), (nums[0], nums[-1]), ranges, strict=True)
    }
    for name, values in grid.items():
        if len(values) < 2:
            raise ValueError(f"The axis {name} needs at least 2 points, got {len(values)}: widen its range.")
    return grid


def _resolved(config: PhaseConfig, grid: dict[str, np.ndarray], scalar: str, seeds: int) -> PhaseConfig:
    (x, xs), (y, ys) = grid.items()
    return dataclasses.replace(
        config,
        x=x,
        y=y,
        scalar=scalar,
        x_range=(float(xs[0]), float(xs[-1])),
        y_range=(float(ys[0]), float(ys[-1])),
        cells=(len(xs), len(ys)),
        seeds=config.seeds or seeds,
    )


def _scalar(config: PhaseConfig, names: list[str]) -> str:
    if config.scalar is None:
        return names[0]
    if config.scalar not in names:
        raise ValueError(
            f"{config.study} has no number {config.scalar!r} for these axes: choose from {', '.join(names)}."
        )
    return config.scalar


def _unknown(study: str, name: str, fast: list[str], whole: list[str]) -> str:
    close = difflib.get_close_matches(name, [*fast, *whole], n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    one = f"{', '.join(fast)} (in one program)" if fast else ""
    other = f"{', '.join(whole)} (the whole study runs at every point)" if whole else ""
    return f"{study} has no parameter {name!r}.{guess} Choose from {'; or from '.join(filter(None, (one, other)))}."
