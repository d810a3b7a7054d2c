"""The fallback: the gradient flow on moments, solved as an ODE."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions, needs_moments
from ._record import dims_of as dims_of, held_out_forms, strengths as strengths, trajectory
from ._theory import AbstractTheory, Assumption


@cite("saxe2014exact", "proca2025learning")
class MomentFlow(AbstractTheory):
    r"""The exact gradient flow of any linear network under squared error, $\dot\theta = -\nabla_\theta L$ on moments.

    It solves the same equation as training on moments, so it is never the independent side of a claim.

    Args:
        rates: factors on the gradients of the leaves, a prefix of the network's tree; `predict` takes them from the
            rule.
    """

    strength: ClassVar[int] = 4
    rates: Any = None

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return needs_moments(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        return flow_assumptions(network, task, rule, rates=True)

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "MomentFlow":
        return MomentFlow(getattr(rule, "rates", None))

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments = tasks.as_moments(task)
        form, modes, forms = moments.residual_form(), moments.singular_modes(), held_out_forms(task)
        params, static = eqx.partition(network, eqx.is_inexact_array)

        def field(t: Array, params: Any, args: Any) -> Any:
            gradient = jax.grad(lambda p: form.excess(moments.linear_map(eqx.combine(p, static))))(params)
            return jtu.tree_map(jnp.negative, _scaled(gradient, self.rates))

        def save(t: Array, params: Any, args: Any) -> dict[str, Array]:
            trained = eqx.combine(params, static)
            linear_map = moments.linear_map(trained)
            losses = {name: held_out(linear_map) for name, held_out in forms.items()}
            return {"loss": form(linear_map), **losses, **strengths(moments, modes, trained)}

        values, _, result = solve_ode(field, params, ts, save=save)
        return trajectory(ts, values, result)


def _scaled(gradient: Any, rates: Any) -> Any:
    if rates is None:
        return gradient
    return jtu.tree_map(
        lambda rate, branch: jtu.tree_map(lambda leaf: (rate * leaf).astype(leaf.dtype), branch), rates, gradient
    )
