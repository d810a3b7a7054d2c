"""What `linnet learn` works on: the data read, its moments and modes, and which modes there are to learn."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.tree_util as jtu
import numpy as np
import xarray as xr

from .. import tasks
from ..config import LearnConfig

#: Modes weaker than this part of the strongest are not there: the tenth of ten classes is zero but for rounding.
NEGLIGIBLE = 1e-6


@dataclasses.dataclass(frozen=True)
class Problem:
    """The data of a run.

    Args:
        task: the data as it was read.
        samples: its parts, in float64.
        moments: the moments of its parts, the test part included.
        modes: the singular modes of the training part.
        num_modes: how many of them there are to learn.
    """

    task: Any
    samples: tasks.Split
    moments: tasks.Split
    modes: tasks.SingularModes
    num_modes: int

    @property
    def is_series(self) -> bool:
        """Whether examples are windows of a time series."""
        return self.num_steps is not None

    @property
    def num_steps(self) -> int | None:
        """The steps of a window of a time series."""
        return self.moments.train.num_steps

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of inputs and outputs (of one step)."""
        out, inputs = self.moments.train.yx.shape[-2:]
        return inputs, out

    @property
    def target(self) -> np.ndarray:
        """The mode strengths of the least-squares solution, at which learning ends."""
        moments = self.moments.train
        if moments.num_steps is not None:
            return np.asarray(self.modes.strengths)[: self.num_modes]
        return np.asarray(self.modes.mode_strengths(moments.residual_form().target))[: self.num_modes]


def read_problem(config: LearnConfig, file: str) -> Problem:
    """Reads the data.

    Args:
        config: the settings.
        file: the path, or "" for scikit-learn's digits.

    Returns:
        The data with its modes.

    Raises:
        ValueError: a sentence for every kind of data that cannot be used.
    """
    task = _read(config, file)
    moments = task.split_moments()
    modes = moments.train.singular_modes()
    values = np.asarray(modes.singular_values)
    num = int(np.sum(values > NEGLIGIBLE * values[0])) if values[0] > 0 else 0
    if num == 0:
        raise ValueError(
            "No input varies together with the target in the training part, so a linear network has nothing to learn: "
            "choose other columns, or another target."
        )
    return Problem(task, task.draw(), moments, modes, num)


def _read(config: LearnConfig, file: str) -> Any:
    scale = tasks.Whiten() if config.whiten else tasks.Standardise()
    if not file:
        given = [name for name in ("target", "columns", "window") if getattr(config, name)]
        if given:
            raise ValueError(f"--{given[0]} needs a FILE; without one the data are scikit-learn's digits.")
        return tasks.digits(scale=scale, seed=config.seed)
    common: dict[str, Any] = {"drop_missing": config.drop_missing, "scale": scale, "seed": config.seed}
    columns = config.columns or None
    if config.window is not None:
        target = config.target or None
        return tasks.from_series(file, columns, window=config.window, horizon=config.horizon, target=target, **common)
    if config.horizon != 1:
        raise ValueError(f"--horizon {config.horizon} belongs to a time series: give its --window too.")
    if not config.target and columns is not None:
        raise ValueError("For a table give --target (what to predict), for a time series --window (how many steps).")
    return tasks.from_table(file, config.target or None, columns=columns, **common)


def describe(problem: Problem, edge: float, permuted: np.ndarray, ties: np.ndarray) -> xr.Dataset:
    """The group `/task` of the results: the modes and what they are made of.

    Args:
        problem: the data.
        edge: the noise edge.
        permuted: the largest singular value for each permutation of the targets.
        ties: the tie group of each mode.
    """
    num, task, modes = problem.num_modes, problem.task, problem.modes
    values = np.asarray(modes.singular_values)[:num]
    data = {
        "singular_values": ("mode", values),
        "strengths": ("mode", problem.target),
        "input_variances": ("mode", np.asarray(modes.input_variances)[:num]),
        "above_noise_edge": ("mode", values > edge),
        "tie": ("mode", ties),
        "left": (("output", "mode"), np.asarray(modes.left)[:, :num]),
        "right": (("input", "mode"), np.asarray(modes.right)[:, :num]),
        "in_columns": (("column", "mode"), np.asarray(task.scaling.in_columns(modes.right))[:, :num]),
        "permuted": ("permutation", permuted),
        "noise_edge": ((), np.float64(edge)),
    }
    if modes.step_singular_values is not None:
        data["step_singular_values"] = (("step", "mode"), np.asarray(modes.step_singular_values)[:, :num])
    coords = {
        "mode": np.arange(1, num + 1),
        "output": np.array(task.output_names),
        "column": np.array(task.column_names),
    }
    parts = dict(zip(("train", "validation", "test"), task.report.parts))
    return xr.Dataset(data, coords, {"file": Path(task.report.path).name, **parts})


def cast(tree: Any, dtype: Any) -> Any:
    """The same data in another precision."""
    return jtu.tree_map(lambda leaf: leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf, tree)
