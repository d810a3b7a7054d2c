"""What to say when a run diverges: when, and which learning rate would have been stable."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import analyse, nn
from .._ode import solve_ode
from .._rule import IDENTITY, AbstractRule, Descent
from .._trajectory import RESULTS
from ._program import Program

#: Times along gradient flow at which the sharpness is measured, and the most steps that may cost.
_NUM_TIMES = 12
_MOST_STEPS = 2000


def explain(program: Program, rule: AbstractRule, times: Float[Array, " time"], values: dict, result: int) -> str:
    """How a run ended, when, and where it is the learning rate's fault the largest stable one."""
    if result != 1 or not isinstance(rule, Descent):
        return RESULTS[result]
    finite = np.isfinite(np.asarray(values["loss"])) if "loss" in values else np.ones(times.shape[0], bool)
    when = f"at learning time {float(times[int(np.argmin(finite))]):.3g}" if not finite.all() else "in its last steps"
    stable = float(largest_rate_along_flow(program, times[-1]))
    if callable(rule.learning_rate):
        used = "follows a schedule"
    else:
        used = f"is {float(jnp.asarray(rule.learning_rate)):.3g}"
    kind = "" if rule.transform is IDENTITY else " of plain gradient descent"
    return (
        f"The run diverged {when}: the loss or a weight is no longer finite. The learning rate {used}; the largest "
        f"stable one{kind} is about {stable:.3g} (2 / sharpness, the sharpest point along gradient flow from the same "
        "weights). Use a smaller learning rate, or smaller initial weights."
    )


def largest_rate_along_flow(program: Program, end: Float[Array, ""]) -> Float[Array, ""]:
    """The smallest of 2 / sharpness at the initial network and at some points along gradient flow.

    A network with kinks has no flow; there only its initial network counts.
    """
    rates = analyse.largest_stable_rate(program.initial, program.objective)
    if nn.has_kinks(program.initial):
        return rates
    return jnp.minimum(rates, jnp.min(_along_flow(program, end)))


@eqx.filter_jit
def _along_flow(program: Program, end: Float[Array, ""]) -> Float[Array, " time"]:
    params = eqx.filter(program.initial, eqx.is_inexact_array)
    ts = end * jnp.linspace(0, 1, _NUM_TIMES + 1)[1:]

    def field(t: Array, params: Any, program: Program) -> Any:
        return jax.tree.map(jnp.negative, program.gradient(params, program.objective))

    path, _, _ = solve_ode(field, params, ts, program, rtol=1e-3, atol=1e-6, max_steps=_MOST_STEPS)

    def rate(params: Any) -> Array:
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))
        found = analyse.largest_stable_rate(program.network(params), program.objective)
        # Beyond the most steps the solution is not finite, and says nothing.
        return jnp.where(finite, found, jnp.inf)

    return jax.lax.map(rate, path)
