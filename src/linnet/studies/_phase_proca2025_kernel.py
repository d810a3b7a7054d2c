"""The phase diagram of kernel movement in linear recurrent networks: initial strengths and lengths of sequences."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from .. import analyse, learn, nn, tasks
from .._types import PRNGKey
from ..config import Proca2025Kernel
from ._phase import Axis, PhaseModel, Quantity


def _unit_distance(steps: Any, window: int, outer: Any, recurrent: Any) -> Array:
    r"""How far the kernel of a single unit moves from $a = c$ = `outer`, $b$ = `recurrent` to $a = b = c = 1$."""
    lag = jnp.arange(window)
    heard = (lag < steps)[:, None] & (lag < steps)
    pairs, sums = lag[:, None] * lag, lag[:, None] + lag
    slope = jnp.where(pairs > 0, pairs * recurrent ** jnp.maximum(sums - 2, 0), 0)
    first = jnp.where(heard, 2 * outer**2 * recurrent**sums + outer**4 * slope, 0)
    return jnp.maximum(analyse.kernel_distance(first, jnp.where(heard, 2.0 + pairs, 0)), 0)


def proca2025_kernel_phase(config: Proca2025Kernel, ranges: Mapping[str, tuple[float, float]]) -> PhaseModel:
    """Linear recurrent networks whose modes all have the constant importance 1.

    Sequences of all lengths are those of the longest, with silence before what is heard.
    """
    modes, hidden = config.modes, config.hidden
    window = int(round(max(ranges.get("steps", (1, config.steps[-1])))))
    pulses = jnp.eye(window * modes).reshape(-1, window, modes)

    def heard(steps: Any) -> Array:
        return (jnp.arange(window) >= window - steps).astype(float)

    def make(key: PRNGKey, *, scale: Any, recurrence: Any, steps: Any, disorder: Any) -> tuple:
        keys = jr.split(key, 6)
        left, right = (jnp.linalg.qr(jr.normal(part, (modes, modes)))[0] for part in keys[:2])
        basis = jnp.linalg.qr(jr.normal(keys[2], (hidden, modes)))[0]
        order = basis @ right.T, recurrence * basis @ basis.T, left @ basis.T
        shapes = (hidden, modes), (hidden, hidden), (modes, hidden)
        noise = [jr.normal(part, shape) / shape[1] ** 0.5 for part, shape in zip(keys[3:], shapes, strict=True)]
        noise[1] = recurrence * noise[1]
        network = nn.LinearRNN(*(scale * ((1 - disorder) * a + disorder * b) for a, b in zip(order, noise)))
        xx = jnp.einsum("i,ij,ab->ijab", heard(steps), jnp.eye(window), jnp.eye(modes))
        yx = heard(steps)[:, None, None] * (left @ right.T)
        return network, tasks.TemporalMoments(xx, yx, steps * jnp.eye(modes)), learn.GradientFlow()

    def simulated(ts: Array, recorded: Any, before: Any, after: Any, *, steps: Any, **_: Any) -> dict[str, Array]:
        inputs = heard(steps)[:, None] * pulses
        kernels = (analyse.tangent_kernel(network, inputs, output=nn.apply_last) for network in (before, after))
        losses = recorded["loss"]
        # At least 0, which rounding may miss, so that nothing is said of its sign.
        moved = jnp.maximum(analyse.kernel_distance(*kernels), 0)
        return {"kernel_distance": moved, "loss": losses[-1] / (steps * modes / 2)}

    def predicted(
        ts: Array, network: Any, task: Any, *, scale: Any, recurrence: Any, steps: Any, **_: Any
    ) -> dict[str, Array]:
        return {"kernel_distance": _unit_distance(steps, window, scale, scale * recurrence)}

    return PhaseModel(
        (
            Axis("scale", "initial strength of all weights", 0.1, 0.02, 1.0, "log", 1e-9),
            Axis("steps", "length of the sequences", window, 1, window, "whole", 1, 64),
            Axis("recurrence", "recurrent over other weights", 1.0, 0.1, 3.0, "log", 1e-9),
            Axis("disorder", "part of the weights that is random", 0.0, 0.0, 1.0, "linear", 0.0, 1.0),
        ),
        (
            Quantity("kernel_distance", "kernel distance, start to end"),
            Quantity("loss", "part of the loss that is left", log=True),
        ),
        np.linspace(0.0, 2 * config.duration, 3),
        make,
        simulated,
        predicted,
        "a single unit in closed form, that of aligned networks (disorder 0)",
    )
