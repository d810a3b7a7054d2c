"""The simulated road of `linnet learn`: ensembles, linear ones on moments and nonlinear ones on samples."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from .. import analyse, learn, tasks
from .._types import PRNGKey
from ..config import LearnConfig
from ._networks import Spec
from ._predict import halves
from ._problem import Problem, cast

Progress = Callable[[int, int], None]

#: Nonlinear networks are slower than linear ones (half of all ReLU units are silent), so they get this much more time.
LONGER = 2.5

#: More inputs than this, over samples and steps of time, are not trained on by steps; the linear networks see all rows
#: through their moments. Windows of a series overlap, so that fewer of them say as much.
MOST_INPUTS = 4096

#: Recordings between two checkpoints.
RECORDS = 50


def train_linear(
    spec: Spec,
    problem: Problem,
    config: LearnConfig,
    ts: np.ndarray,
    checkpointer: learn.Checkpointer,
    progress: Progress,
) -> xr.Dataset:
    """Trains an ensemble of linear networks along the gradient flow on moments."""
    moments = problem.moments

    def make(key: PRNGKey) -> tuple[Any, Any, Any]:
        return spec.make(key), moments, learn.GradientFlow()

    found, networks = _train(spec, problem, config, make, jnp.asarray(ts), checkpointer, progress)
    if not problem.is_series:
        return found
    # For tables the rate is known beforehand; what a recurrent network ends at is not.
    rates = eqx.filter_vmap(lambda network: analyse.largest_stable_rate(network, moments.train))(networks)
    return found.assign_attrs(largest_stable_rate=float(np.nanmin(rates)))


def train_nonlinear(
    spec: Spec,
    problem: Problem,
    config: LearnConfig,
    end: float,
    rate: float,
    ends: np.ndarray,
    checkpointer: learn.Checkpointer,
    progress: Progress,
) -> xr.Dataset:
    """Trains an ensemble of nonlinear networks by full-batch gradient descent on samples in float32.

    Args:
        spec: the network.
        problem: the data.
        config: the settings.
        end: the learning time to reach, if `config.steps` allow.
        rate: the learning rate.
        ends: the strengths at which a linear network ends, half of which counts as learned.
        checkpointer: keeps the state.
        progress: is told how far it is.
    """
    split = cast(problem.samples, jnp.float32)
    split = eqx.tree_at(lambda s: s.train, split, _thinned(split.train, MOST_INPUTS // (problem.num_steps or 1)))
    steps = min(config.steps, max(config.times - 1, math.ceil(end / rate)))
    gap = max(1, round(steps / (config.times - 1)))
    # Times on which the recordings lie exactly, each the same number of steps apart.
    ts = rate * gap * np.arange(min(config.times, steps // gap + 1))

    def make(key: PRNGKey) -> tuple[Any, Any, Any]:
        return spec.make(key), split, learn.Descent(rate)

    found, _ = _train(spec, problem, config, make, jnp.asarray(ts), checkpointer, progress, ends)
    return found.assign_attrs(rate=rate, steps=int(gap * (len(ts) - 1)), samples=split.train.num)


def _train(
    spec: Spec,
    problem: Problem,
    config: LearnConfig,
    make: Callable,
    ts: Array,
    checkpointer: learn.Checkpointer,
    progress: Progress,
    ends: np.ndarray | None = None,
) -> tuple[xr.Dataset, Any]:
    trajectory = learn.ensemble(
        make,
        ts,
        {"seed": config.seeds},
        key=spec.key(config.seed),
        records_per_chunk=RECORDS,
        checkpointer=checkpointer,
        progress=progress,
    )
    num = problem.num_modes
    dims = {name: ("seed", *trajectory.dims[name]) for name in trajectory.names() if name != "step_mode_strengths"}
    data: dict[str, Any] = {name: (axes, np.asarray(trajectory[name])) for name, axes in dims.items()}
    strengths = np.asarray(trajectory["mode_strengths"])
    data["mode_strengths"] = (dims["mode_strengths"], strengths[..., :num])
    data["half_times"] = (("seed", "mode"), halves(problem, trajectory.ts, strengths, ends))
    data["result"] = ("seed", np.asarray(trajectory.result))
    coords = {"time": np.asarray(trajectory.ts), "mode": np.arange(1, num + 1), "seed": np.arange(config.seeds)}
    return xr.Dataset(data, coords, {"network": spec.title}), trajectory.network


def _thinned(batch: tasks.Batch, most: int) -> tasks.Batch:
    """Evenly spaced samples: over a table's rows, which are in parts by chance already, and along a series."""
    if batch.num <= most:
        return batch
    kept = np.linspace(0, batch.num - 1, max(most, 1)).round().astype(int)
    return jax.tree.map(lambda leaf: leaf[kept], batch)
