"""Parallel pathways whose modes do not meet within any of them: a race for every mode, with or without a deficit."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import FALL_BACK, SMALL, diagonal_inputs, flow_assumptions, needs_moments
from ._deep_linear_modes import chain_meeting, mode_layers
from ._record import in_blocks
from ._theory import AbstractTheory, Assumption


@cite("shi2022learning", "kleinman2024critical")
class PathwayRace(AbstractTheory):
    r"""Pathways race for every mode of the task, each with its own layers $a_{pl}$ in it.

    $$\dot a_{pl} = \Omega \prod_{k \ne l} a_{pk}, \qquad \Omega = s - \lambda \textstyle\sum_p K_p, \qquad
    K_p = \prod_l a_{pl}$$

    Pathways may have any depths, and layers any strengths: small balanced ones give the paper's
    $\dot p = |p|^{D-1} \Omega$, one small layer among large ones its $\dot p = (p^2 + 1)^{(D-1)/2} \Omega$ (see
    `race`). While a `linnet.tasks.PathwayDeficit` lasts, the modes that it takes have $\dot a_{pl} = 0$ in its pathway,
    and a silent pathway is left out of $\Omega$. It predicts "loss", "mode_strengths" and "pathway_strengths"
    (`linnet.learn.PathwayStrengths`).
    """

    strength: ClassVar[int] = 1

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.Pathways):
            return f"it is about networks of pathways (`linnet.nn.Pathways`), got {type(network).__name__}."
        if isinstance(task, tasks.PathwayDeficit):
            return task.applies(network, loss)
        if isinstance(task, tasks.AbstractSetting):
            return f"it is about plain tasks and `PathwayDeficit`, got {type(task).__name__}."
        return needs_moments(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        moments, modes = _seen(task)
        meeting = jnp.stack([chain_meeting(pathway, modes) for pathway in network.pathways])
        deficit = isinstance(task, tasks.PathwayDeficit)
        other = "or use `linnet.learn.simulate`, which needs none of this." if deficit else f"or {FALL_BACK}"
        return (
            diagonal_inputs(moments, modes, modes.project(network.end_to_end())),
            Assumption(
                "decoupled modes",
                jnp.max(meeting),
                SMALL,
                "the largest part of a layer's action on a mode that leaves the mode, in any pathway",
                f"initialise every pathway by `linnet.nn.aligned(task, strengths)`, {other}",
            ),
            *flow_assumptions(network, task, rule),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments, modes = _seen(task)
        form = moments.residual_form()
        deficit = task if isinstance(task, tasks.PathwayDeficit) else None
        start = tuple(mode_layers(pathway, modes)[0] for pathway in network.pathways)
        maps = jnp.stack([pathway.end_to_end() for pathway in network.pathways])
        outside = jnp.sum(maps, axis=0) - (modes.left * jnp.sum(modes.project(maps), axis=0)) @ modes.right.T
        num = modes.singular_values.shape[0]

        def taken(t: Array) -> Array:
            """Which modes the deficit takes from its pathway at a time."""
            if deficit is None:
                return jnp.zeros(num, bool)
            every = jnp.ones(num, bool) if deficit.taken is None else deficit.taken
            return every & deficit.during(t)

        def field(t: Array, layers: tuple[Array, ...], args: Any) -> tuple[Array, ...]:
            strengths = [jnp.prod(each, axis=0) for each in layers]
            gone = taken(t)
            if deficit is not None and deficit.silent:
                strengths[deficit.pathway] = jnp.where(gone, 0, strengths[deficit.pathway])
            drive = modes.singular_values - modes.input_variances * sum(strengths)
            found = []
            for index, each in enumerate(layers):
                learns = drive if deficit is None or index != deficit.pathway else jnp.where(gone, 0, drive)
                found.append(learns * _products_of_others(each))
            return tuple(found)

        def save(t: Array, layers: tuple[Array, ...], args: Any) -> Array:
            return jnp.stack([jnp.prod(each, axis=0) for each in layers])

        jumps = None if deficit is None else deficit.jumps()
        strengths, _, result = solve_ode(field, start, ts, save=save, jumps=jumps)
        total = jnp.sum(strengths, axis=1)
        loss = in_blocks(lambda each: form((modes.left * each) @ modes.right.T + outside), total)
        values = {"loss": loss, "mode_strengths": total, "pathway_strengths": strengths}
        dims = {"loss": ("time",), "mode_strengths": ("time", "mode"), "pathway_strengths": ("time", "pathway", "mode")}
        return Trajectory(ts, values, dims, result=result)  # pyright: ignore[reportArgumentType]


def _seen(task: Any) -> tuple[tasks.Moments, tasks.SingularModes]:
    """The moments of a task, with or without a deficit, and its modes."""
    if isinstance(task, tasks.PathwayDeficit):
        return task.moments, task.modes
    moments: Any = tasks.as_moments(task)
    return moments, moments.singular_modes()


def _products_of_others(layers: Float[Array, "depth mode"]) -> Float[Array, "depth mode"]:
    """For every layer the product of the other ones, without a division."""
    rows = []
    for index in range(layers.shape[0]):
        rows.append(jnp.prod(jnp.concatenate([layers[:index], layers[index + 1 :]]), axis=0))
    return jnp.stack(rows)
