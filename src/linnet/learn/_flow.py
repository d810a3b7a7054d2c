"""Gradient flow: the chunk of a run in which parameters follow an ODE."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .._ode import solve_ode
from .._rule import GradientFlow
from ._program import Program, State
from ._rates import scaled


def flow_chunk(
    program: Program, rule: GradientFlow, state: State, times: Float[Array, " time"]
) -> tuple[State, dict[str, Array]]:
    """Solves to each time in turn and records there.

    The solver starts afresh at every chunk, so that a state of parameters and time is all that a resumed run needs;
    where chunks end is part of what decides the last bits of the result.
    """
    # A failed member must cost nothing more: its flow is set to rest at zero, and its recordings to NaN below.
    alive = state.result == 0
    params = jtu.tree_map(lambda p: jnp.where(alive, p, 0), state.params)

    def field(t: Array, params: Any, args: tuple[Program, Array]) -> Any:
        program, alive = args
        gradient = scaled(program.gradient(params, program.objective.when(t)), rule.rates)
        return jtu.tree_map(lambda g: jnp.where(alive, -g, 0), gradient)

    path, params, result = solve_ode(
        field,
        params,
        times,
        (program, alive),
        start=state.time,
        solver=rule.solver,
        rtol=rule.rtol,
        atol=rule.atol,
        max_steps=rule.max_steps,
        jumps=program.objective.jumps(),
    )
    result = jnp.where(alive, result, state.result)
    # Measured after the solution and not within it: members of an ensemble pass a time in different steps of the
    # solver, and each such step would measure all of them.
    index = jnp.arange(times.shape[0]) + state.step
    values = jax.lax.map(lambda at: program.measure(*at), (path, index))
    values = jtu.tree_map(lambda v: jnp.where(alive, v, jnp.nan) if eqx.is_inexact_array(v) else v, values)
    step = state.step + times.shape[0]
    return State(params, None, step, times[-1].astype(state.time.dtype), result.astype(jnp.int32)), values
