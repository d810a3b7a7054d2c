"""The phase diagram of balance and scale: where two layers learn lazily and where richly."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from .. import analyse, learn, nn, tasks, theory
from .._types import PRNGKey
from ..config import Domine2025Balanced
from ._phase import CURVE, Axis, PhaseModel, Quantity, curve_numbers


def domine2025_phase(config: Domine2025Balanced, ranges: Mapping[str, tuple[float, float]]) -> PhaseModel:
    """Two balanced layers on white inputs, with modes from half the strength to one and a half of it."""
    size = config.size
    identity, spread = jnp.eye(size), jnp.linspace(1.5, 0.5, size)

    def make(key: PRNGKey, *, balance: Any, scale: Any, strength: Any) -> tuple:
        first, second, third, fourth = jr.split(key, 4)
        left, right = (jnp.linalg.qr(jr.normal(part, (size, size)))[0] for part in (third, fourth))
        yx = strength * (left * spread) @ right.T
        weights = tuple(scale * jr.normal(part, (size, size)) for part in (first, second))
        network = nn.rebalance(nn.DeepLinear(weights), balance)
        return network, tasks.Moments(identity, yx, yx @ yx.T), learn.GradientFlow()

    def numbers(ts: Array, strengths: Array, moved: Array, strength: Any) -> dict[str, Array]:
        return {"kernel_distance": moved} | curve_numbers(ts, strengths[:, 0], spread[0] * strength)

    def simulated(ts: Array, recorded: Any, before: Any, after: Any, *, strength: Any, **_: Any) -> dict[str, Array]:
        kernels = (analyse.tangent_kernel(network, identity) for network in (before, after))
        return numbers(ts, recorded["mode_strengths"], analyse.kernel_distance(*kernels), strength)

    def predicted(ts: Array, network: Any, task: Any, *, strength: Any, **_: Any) -> dict[str, Array]:
        strengths = theory.BalancedRiccati().solve(network, task, ts)["mode_strengths"]
        ends = theory.balanced_representations(network, task, ts[jnp.array([0, -1])])
        return numbers(ts, strengths, ends.kernel_distance(identity)[-1], strength)

    return PhaseModel(
        (
            Axis("balance", r"balance $\lambda$", 0.0, -5.0, 5.0),
            Axis("scale", "standard deviation of the weights whose map is kept", config.scale, 1e-3, 1.0, "log", 1e-9),
            Axis("strength", "mean singular value of the task", 1.0, 0.5, 4.0, "linear", 1e-3),
        ),
        (Quantity("kernel_distance", "kernel distance, start to end"), *CURVE),
        30.0 * np.linspace(0, 1, 81) ** 2,
        make,
        simulated,
        predicted,
        "the matrix Riccati solution",
    )
