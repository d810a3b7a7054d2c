"""The engine under `simulate` and `ensemble`: advance a network through one chunk of recording times."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule, Descent, GradientFlow
from .._types import PRNGKey
from ._objective import AbstractObjective, make_objective
from ._observer import AbstractObserver, measure_all


class Program(eqx.Module):
    """All that stays the same during a run: what is descended, how, and what is measured."""

    objective: AbstractObjective
    rule: AbstractRule
    observers: tuple[AbstractObserver, ...]
    task: Any
    initial: Any
    key: PRNGKey | None


class State(eqx.Module):
    """All that changes during a run, and so all that a checkpoint must hold."""

    network: Any
    memory: Any  # of the optax transformation
    step: Int[Array, ""]
    time: Float[Array, ""]
    result: Int[Array, ""]


def make_program(
    network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss, observers: tuple, key: PRNGKey | None
) -> Program:
    """Binds the observers and prepares the objective; done once, outside the loop."""
    bound = tuple(observer.bind(network, task, loss) for observer in observers)
    return Program(make_objective(network, task, loss), rule, bound, task, network, key)


def initial_state(program: Program) -> State:
    """The state before the first step."""
    params = eqx.filter(program.initial, eqx.is_inexact_array)
    memory = program.rule.transform.init(params) if isinstance(program.rule, Descent) else None
    dtype = jnp.result_type(float)
    return State(program.initial, memory, jnp.zeros((), jnp.int32), jnp.zeros((), dtype), jnp.zeros((), jnp.int32))


def snap(rule: AbstractRule, ts: Float[Array, " time"]) -> tuple[Int[Array, " time"], Float[Array, " time"]]:
    """The steps nearest to learning times and the learning times of those steps; under gradient flow every time is its own."""
    if not isinstance(rule, Descent):
        return jnp.zeros(ts.shape, jnp.int32), ts
    if not callable(rule.learning_rate):
        rate = jnp.asarray(rule.learning_rate, ts.dtype)
        steps = jnp.round(ts / rate).astype(jnp.int32)
        return steps, steps * rate
    num, times = 1024, np.zeros(1)
    while times[-1] < ts[-1]:
        times = np.concatenate([[0.0], np.cumsum(np.asarray(jax.vmap(rule.rate)(jnp.arange(num)), float))])
        num *= 2
        if num > 2**28:
            raise ValueError(
                f"The learning-rate schedule sums to {times[-1]:.3g} after {num // 2} steps and never reaches {ts[-1]:.3g}."
            )
    right = np.clip(np.searchsorted(times, np.asarray(ts)), 1, len(times) - 1)
    steps = np.where(np.abs(times[right - 1] - ts) <= np.abs(times[right] - ts), right - 1, right)
    return jnp.asarray(steps, jnp.int32), jnp.asarray(times[steps], ts.dtype)


def uniform_gap(steps: Int[Array, " time"]) -> int | None:
    """The common distance of all recorded steps, if there is one: the compiled loop is then of fixed length."""
    if isinstance(steps, jax.core.Tracer) or steps.ndim != 1:
        return None
    gaps = np.unique(np.diff(np.asarray(steps)))
    return int(gaps[0]) if len(gaps) == 1 and gaps[0] > 0 else None


def run_chunk(
    program: Program, state: State, ts: Float[Array, " time"], steps: Int[Array, " time"], gap: int | None
) -> tuple[State, dict]:
    """Advances to each time in turn and records there; pure, so that it can be compiled and mapped over members."""
    if isinstance(program.rule, GradientFlow):
        return _flow_chunk(program, program.rule, state, ts)
    if isinstance(program.rule, Descent):
        return _descent_chunk(program, program.rule, state, steps, gap)
    raise ValueError(f"simulate knows GradientFlow and Descent, got the rule {type(program.rule).__name__}.")


def _scaled(tree: Any, rates: Any) -> Any:
    """A tree of gradients with the factor of each leaf (a prefix of the tree) applied."""
    if rates is None:
        return tree
    return jtu.tree_map(lambda rate, branch: jtu.tree_map(lambda leaf: rate * leaf, branch), rates, tree)


def _measure(program: Program, network: Any, key: PRNGKey | None) -> dict[str, Array]:
    return measure_all(program.observers, network, program.initial, program.task, key)


def _flow_chunk(program: Program, rule: GradientFlow, state: State, ts: Float[Array, " time"]) -> tuple[State, dict]:
    params, static = eqx.partition(state.network, eqx.is_inexact_array)

    def field(t: Array, params: Any, program: Program) -> Any:
        gradient = jax.grad(lambda p: program.objective(eqx.combine(p, static)))(params)
        return jtu.tree_map(jnp.negative, _scaled(gradient, rule.rates))

    def save(t: Array, params: Any, program: Program) -> dict[str, Array]:
        return _measure(program, eqx.combine(params, static), program.key)

    values, params, result = solve_ode(
        field,
        params,
        ts,
        program,
        start=state.time,
        save=save,
        solver=rule.solver,
        rtol=rule.rtol,
        atol=rule.atol,
        max_steps=rule.max_steps,
    )
    network = eqx.combine(params, static)
    time = ts[-1].astype(state.time.dtype)
    return State(network, None, state.step, time, jnp.maximum(state.result, result)), values


def _descent_chunk(
    program: Program, rule: Descent, state: State, steps: Int[Array, " time"], gap: int | None
) -> tuple[State, dict]:
    static = eqx.filter(state.network, eqx.is_inexact_array, inverse=True)

    def advance(carry: tuple) -> tuple:
        params, memory, step, time = carry
        key = None if program.key is None else jr.fold_in(program.key, step)
        gradient = jax.grad(lambda p: program.objective.at(rule.batch_size, key)(eqx.combine(p, static)))(params)
        update, memory = rule.transform.update(gradient, memory, params)
        update = jtu.tree_map(lambda u, p: u + rule.weight_decay * p, update, params)
        rate = rule.rate(step)
        scaled = _scaled(update, rule.rates)
        params = jtu.tree_map(lambda p, u: p - (rate * u).astype(p.dtype), params, scaled)
        return params, optax.tree.cast_like(memory, carry[1]), step + 1, time + rate.astype(time.dtype)

    def record(carry: tuple, stop: Array) -> tuple[tuple, dict]:
        params, memory, step, time = carry
        if gap == 1:
            carry = advance(carry)
        elif gap is not None:
            carry = jax.lax.fori_loop(0, gap, lambda _, c: advance(c), carry)
        else:
            carry = jax.lax.fori_loop(step, stop, lambda _, c: advance(c), carry)
        network = eqx.combine(carry[0], static)
        key = None if program.key is None else jr.fold_in(program.key, carry[2])
        return carry, _measure(program, network, key)

    params = eqx.filter(state.network, eqx.is_inexact_array)
    carry = (params, state.memory, state.step, state.time)
    carry, values = jax.lax.scan(record, carry, steps)
    params, memory, step, time = carry
    finite = jnp.all(jnp.isfinite(values["loss"])) if "loss" in values else jnp.asarray(True)
    finite &= jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jtu.tree_leaves(params)]))
    result = jnp.maximum(state.result, jnp.where(finite, 0, 1).astype(jnp.int32))
    return State(eqx.combine(params, static), memory, step, time, result), values
