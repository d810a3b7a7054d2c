"""How gradient flow recovers a ReLU filter from Gaussian patches: two equations, whatever the size of the filter."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import SMALL, flow_assumptions
from ._theory import AbstractTheory, Assumption


@cite("du2018when", "cho2009kernel")
class FilterRecovery(AbstractTheory):
    r"""One ReLU filter on white Gaussian patches with correlations $\rho_{ij}$, from any weights.

    All that matters lies in the plane of the filter $w$ and its teacher $w_*$. With the angle $\theta$ between them,
    $\psi_{ij} = \arccos(\rho_{ij} \cos\theta)$, means over pairs of patches
    $g = \langle \sin\psi + (\pi - \psi) \cos\psi \rangle / 2\pi$,
    $m = \langle \rho\,(\pi - \psi) \rangle / 2\pi$ and $a = g$ at $\theta = 0$,

    $$\frac{d}{dt} \lVert w \rVert = \sigma^2 (g \lVert w_* \rVert - a \lVert w \rVert), \qquad
    \dot\theta = -\sigma^2\, m\, \frac{\lVert w_* \rVert}{\lVert w \rVert} \sin\theta .$$

    Where no $\rho$ is negative $\theta$ falls from anywhere but $\pi$: the filter is recovered with probability 1, in
    the end at the rate $\sigma^2 m(0)$, which grows with the correlations of patches. See `filter_rates` and, for
    patches that are not Gaussian, `recovery_bound`. Solved for the components of $w$ along and across $w_*$, which are
    smooth at 0. It predicts "loss", "filter_norm", "filter_angle" and "filter_distance".
    """

    strength: ClassVar[int] = 1

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.PatchFilter):
            return f"it is about a PatchFilter, got a {type(network).__name__}."
        if not isinstance(task, tasks.FilterTeacher):
            return f"it is about a FilterTeacher, whose patches are Gaussian, got a {type(task).__name__}."
        return task.applies(network, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        _, variance, departure = correlations_of(task)
        return (
            Assumption(
                "white patches",
                departure / jnp.where(variance > 0, variance, 1),
                SMALL,
                "the largest departure of a covariance of patches from a multiple of the identity, relative to their "
                "variance",
                "simulate it (`linnet.learn.simulate` has the exact population loss), or take `filter_rates` and "
                "`recovery_bound`, which need no white patches.",
            ),
            *flow_assumptions(network, task, rule),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        correlations, variance, _ = correlations_of(task)
        size = jnp.linalg.norm(task.filter)
        towards = task.filter / jnp.where(size > 0, size, 1)
        along = network.filter @ towards
        across = jnp.linalg.norm(network.filter - along * towards)
        own, _ = filter_overlap(correlations, jnp.zeros(()))

        def field(t: Array, plane: Array, args: Any) -> Array:
            angle = jnp.arctan2(plane[1], plane[0])
            overlap, turn = filter_overlap(correlations, angle)
            cosine, sine = jnp.cos(angle), jnp.sin(angle)
            drive = jnp.stack([overlap * cosine + turn * sine**2, sine * (overlap - turn * cosine)])
            return variance * (size * drive - own * plane)

        def save(t: Array, plane: Array, args: Any) -> dict[str, Array]:
            norm, angle = jnp.hypot(plane[0], plane[1]), jnp.arctan2(plane[1], plane[0])
            overlap, _ = filter_overlap(correlations, angle)
            loss = variance / 2 * (own * norm**2 - 2 * norm * size * overlap + own * size**2)
            distance = jnp.hypot(plane[0] - size, plane[1])
            return {"loss": loss, "filter_norm": norm, "filter_angle": angle, "filter_distance": distance}

        initial = jnp.stack([along, across]).astype(task.covariance.dtype)
        values, _, result = solve_ode(field, initial, ts, save=save)
        return Trajectory(ts, values, dict.fromkeys(values, ("time",)), result=result)


def filter_overlap(
    correlations: Float[Array, "patch other"], angle: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    r"""$g(\theta)$ and $m(\theta) = -g'(\theta) / \sin\theta$ of `FilterRecovery`.

    Args:
        correlations: $\rho$.
        angle: $\theta$.
    """
    cosine = jnp.clip(correlations * jnp.cos(angle), -1, 1)
    between = jnp.arccos(cosine)
    overlap = jnp.sin(between) + (jnp.pi - between) * cosine
    return jnp.mean(overlap) / (2 * jnp.pi), jnp.mean(correlations * (jnp.pi - between)) / (2 * jnp.pi)


def correlations_of(
    task: tasks.FilterTeacher,
) -> tuple[Float[Array, "patch other"], Float[Array, ""], Float[Array, ""]]:
    """The correlations of patches, their variance, and how far all covariances are from multiples of the identity."""
    covariance, size = task.covariance, task.covariance.shape[2]
    common = jnp.trace(covariance, axis1=2, axis2=3) / size
    variance = jnp.mean(jnp.diagonal(common))
    rest = covariance - common[:, :, None, None] * jnp.eye(size, dtype=covariance.dtype)
    uneven = jnp.max(jnp.abs(jnp.diagonal(common) - variance))
    departure = jnp.maximum(jnp.max(jnp.linalg.norm(rest, axis=(2, 3))), uneven)
    return common / jnp.where(variance > 0, variance, 1), variance, departure
