"""The phase diagram of a single linear neuron: its conserved balance, its size, and where it points."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from .. import analyse, learn, nn, tasks, theory
from .._types import PRNGKey
from ..config import Kunin2024Rich
from ._phase import CURVE, Axis, PhaseModel, Quantity, curve_numbers


def _layers(size: Any, balance: Any) -> tuple[Array, Array]:
    r"""$|w|$ and $a$ with $a |w|$ = `size` and $a^2 - |w|^2$ = `balance`, without cancellation."""
    root = jnp.sqrt(balance**2 + 4 * size**2)
    large = (jnp.abs(balance) + root) / 2
    small = size**2 / large
    return jnp.sqrt(jnp.where(balance > 0, small, large)), jnp.sqrt(jnp.where(balance > 0, large, small))


def kunin2024_phase(config: Kunin2024Rich, ranges: Mapping[str, tuple[float, float]]) -> PhaseModel:
    """One hidden linear neuron on white inputs, whose target has the length 1."""
    num = config.inputs
    identity = jnp.eye(num)

    def make(key: PRNGKey, *, balance: Any, size: Any, angle: Any) -> tuple:
        # A random plane, in it the target and the initial weights at an angle to it.
        plane = jnp.linalg.qr(jr.normal(key, (num, 2)))[0]
        direction = plane @ jnp.array([jnp.cos(angle), jnp.sin(angle)])
        first, last = _layers(size, balance)
        network = nn.DeepLinear(((first * direction)[None], last[None, None]))
        return network, tasks.Moments(identity, plane[:, 0][None], jnp.ones((1, 1))), learn.GradientFlow()

    def numbers(ts: Array, strengths: Array, moved: Array) -> dict[str, Array]:
        return {"kernel_distance": moved} | curve_numbers(ts, strengths, jnp.ones(()))

    def simulated(ts: Array, recorded: Any, before: Any, after: Any, **_: Any) -> dict[str, Array]:
        kernels = (analyse.tangent_kernel(network, identity) for network in (before, after))
        return numbers(ts, recorded["mode_strengths"][:, 0], analyse.kernel_distance(*kernels))

    def predicted(ts: Array, network: Any, task: Any, **_: Any) -> dict[str, Array]:
        solved = theory.single_neuron(network, task, ts)
        return numbers(ts, solved.maps @ task.yx[0], solved.kernel_distance(identity)[-1])

    return PhaseModel(
        (
            Axis("balance", r"balance $\delta = a^2 - |w|^2$", 0.0, -4.0, 4.0),
            Axis("size", r"initial size $a |w|$", 0.1, 1e-3, 1.0, "log", 1e-9),
            Axis("angle", "angle between weights and target (radians)", 1.0, 0.0, 3.0, "linear", 0.0, np.pi),
        ),
        (Quantity("kernel_distance", "kernel distance, start to end"), *CURVE),
        60.0 * np.linspace(0, 1, 101) ** 2,
        make,
        simulated,
        predicted,
        "the closed form of a single neuron",
    )
