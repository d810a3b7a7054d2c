"""The fallback: the gradient flow on moments, solved as an ODE."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from .._types import EndToEnd, ImpulseResponse
from ._theory import AbstractTheory, Assumption


@cite("saxe2014exact")
class MomentFlow(AbstractTheory):
    r"""The exact gradient flow of any linear network under squared error, $\dot\theta = -\nabla_\theta L(\Sigma_{xx}, \Sigma_{yx}, \Sigma_{yy})$.

    It solves the same equation as training on moments, so it is never the independent side of a claim.
    """

    strength: ClassVar[int] = 4

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, (EndToEnd, ImpulseResponse)):
            return f"it needs a linear network, got {type(network).__name__}."
        if not isinstance(loss, SquaredError):
            return f"it needs squared error, got {type(loss).__name__}."
        return None

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        return ()

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments = tasks.as_moments(task)
        form, modes = moments.residual_form(), moments.singular_modes()
        params, static = eqx.partition(network, eqx.is_inexact_array)

        def field(t: Array, params: Any, args: Any) -> Any:
            gradient = jax.grad(lambda p: form.excess(moments.linear_map(eqx.combine(p, static))))(params)
            return jtu.tree_map(jnp.negative, gradient)

        def save(t: Array, params: Any, args: Any) -> dict[str, Array]:
            trained = eqx.combine(params, static)
            return {"loss": form(moments.linear_map(trained)), **strengths(moments, modes, trained)}

        values, _, result = solve_ode(field, params, ts, save=save)
        return Trajectory(ts, values, dims_of(values), result=result)  # pyright: ignore[reportArgumentType]


def strengths(moments: tasks.AbstractMoments, modes: tasks.SingularModes, network: Any) -> dict[str, Array]:
    """The mode strengths of a linear network, as the simulated road records them."""
    if moments.num_steps is None:
        return {"mode_strengths": modes.mode_strengths(network.end_to_end())}
    by_step = network.impulse_response(moments.num_steps)[::-1]
    return {"mode_strengths": modes.mode_strengths(by_step), "step_mode_strengths": modes.project(by_step)}


def dims_of(values: dict[str, Array]) -> dict[str, tuple[str, ...]]:
    """The axes of the quantities that every theory of linear networks predicts."""
    known = {"loss": ("time",), "mode_strengths": ("time", "mode"), "step_mode_strengths": ("time", "step", "mode")}
    return {name: known[name] for name in values}
