"""The phase diagram of a critical period: when a deficit begins, how long it lasts, and how many layers it meets."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from .. import learn, nn, tasks, theory
from .._types import PRNGKey
from ..config import Kleinman2024Critical
from ._phase import Axis, PhaseModel, Quantity

#: The strengths of the task's modes, and the learning time in which pathways of every depth are done.
VALUES, DURATION = (1.0, 0.7, 0.4), 200.0


def kleinman2024_phase(config: Kleinman2024Critical, ranges: Mapping[str, tuple[float, float]]) -> PhaseModel:
    """Two pathways of aligned weights on white inputs, one of which has a deficit."""
    values = jnp.array(VALUES)
    num = len(VALUES)
    task = tasks.Moments(jnp.eye(num), jnp.diag(values), jnp.diag(values**2))

    def make(key: PRNGKey, *, onset: Any, length: Any, start: Any, depth: Any) -> tuple:
        # Every mode of every pathway begins at a strength of its own, its layers alike.
        strengths = start * jnp.exp(0.1 * jr.normal(key, (2, num)))
        layers = [jnp.diag(row ** (1 / depth)) for row in strengths]
        network = nn.Pathways(tuple(nn.DeepLinear((layer,) * int(depth)) for layer in layers))
        return network, tasks.PathwayDeficit(task, onset, onset + length), learn.GradientFlow()

    def numbers(strengths: Array) -> dict[str, Array]:
        ends = strengths[-1, :, 0]
        return {"lead": (ends[0] - ends[1]) / values[0], "share": ends[1] / values[0]}

    def simulated(ts: Array, recorded: Any, before: Any, after: Any, **_: Any) -> dict[str, Array]:
        # Aligned weights stay so, and the modes are the axes of inputs and outputs.
        maps = [jnp.diagonal(pathway.end_to_end()) for pathway in after.pathways]
        return numbers(jnp.stack(maps)[None])

    def predicted(ts: Array, network: Any, task: Any, **_: Any) -> dict[str, Array]:
        return numbers(theory.PathwayRace().solve(network, task, ts)["pathway_strengths"])

    return PhaseModel(
        (
            Axis("onset", "onset of the deficit (learning time)", 0.0, 0.0, 6.0, "linear", 0.0),
            Axis("length", "length of the deficit (learning time)", 1.0, 0.0, 6.0, "linear", 0.0),
            Axis("start", "initial strength of a mode in a pathway", 0.05, 0.005, 0.3, "log", 1e-6, 0.4),
            Axis("depth", "layers of a pathway", 3, 1, 4, "whole", 1, 12, recompiles=True),
        ),
        (
            Quantity("lead", "lead of the other pathway at the end, as a part of the mode"),
            Quantity("share", "share of the pathway with the deficit"),
        ),
        np.array([0.0, DURATION]),
        make,
        simulated,
        predicted,
        "the reduced race of the pathways",
    )
