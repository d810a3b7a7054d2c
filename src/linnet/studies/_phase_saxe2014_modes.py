"""The phase diagram of the half time of two layers: weights, the task's strength, and the hidden size."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from .. import learn, nn, tasks, theory
from .._types import PRNGKey
from ..config import Saxe2014Modes
from ._phase import CURVE, Axis, PhaseModel, Quantity, curve_numbers

#: Inputs and outputs, and the strengths of the modes relative to the first.
SIZE, SPREAD = 6, (1.0, 0.8, 0.6, 0.45, 0.3, 0.2)


def saxe2014_modes_phase(config: Saxe2014Modes, ranges: Mapping[str, tuple[float, float]]) -> PhaseModel:
    """Two layers of small random weights on white inputs."""
    spread = jnp.array(SPREAD)
    widest = int(max(ranges.get("hidden", (1, config.hidden))))

    def make(key: PRNGKey, *, scale: Any, strength: Any, hidden: Any) -> tuple:
        first, last = (scale * jr.normal(part, (widest, SIZE)) for part in jr.split(key))
        weights = first[: int(hidden)], last[: int(hidden)].T
        task = tasks.Moments(jnp.eye(SIZE), strength * jnp.diag(spread), strength**2 * jnp.diag(spread**2))
        return nn.DeepLinear(weights), task, learn.GradientFlow()

    def numbers(ts: Array, strengths: Array, strength: Any) -> dict[str, Array]:
        second = curve_numbers(ts, strengths[:, 1], spread[1] * strength)
        first = curve_numbers(ts, strengths[:, 0], spread[0] * strength)
        return first | {"delay": second["half_time"] / first["half_time"]}

    def simulated(ts: Array, recorded: Any, before: Any, after: Any, *, strength: Any, **_: Any) -> dict[str, Array]:
        return numbers(ts, recorded["mode_strengths"], strength)

    def predicted(ts: Array, network: Any, task: Any, *, strength: Any, **_: Any) -> dict[str, Array]:
        return numbers(ts, theory.SmallInitialization().solve(network, task, ts)["mode_strengths"], strength)

    return PhaseModel(
        (
            Axis("scale", "standard deviation of the weights", 1e-2, 1e-4, 0.3, "log", 1e-12),
            Axis("strength", "singular value of the strongest mode", 1.0, 0.5, 4.0, "log", 1e-3),
            Axis("hidden", "hidden units", config.hidden, 6, 48, "whole", SIZE, 4096, recompiles=True),
        ),
        (*CURVE, Quantity("delay", "half time of the second mode over that of the first")),
        60.0 * np.linspace(0, 1, 241) ** 2,
        make,
        simulated,
        predicted,
        "the closed form from small random weights",
    )
