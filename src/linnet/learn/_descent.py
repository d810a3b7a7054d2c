"""Gradient descent: the chunk of a run in which parameters move in steps."""

import enum
from typing import Any

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from .._rule import AbstractRule, Descent
from ._program import Program, State
from ._rates import scaled

_MOST_STEPS = 2**31 - 1
_MOST_SCHEDULED = 2**26


class Pace(enum.Enum):
    """How far the recorded steps of a chunk lie apart; a fact for the compiler.

    `ANY`: the chunk ends at its last step. `EVERY_STEP`: each step is recorded and the chunk ends one step after its
    last, where the next one begins. `LAST_STEPS`: the same, but nothing follows, and the chunk ends at its last step.
    """

    ANY = "any"
    EVERY_STEP = "every step"
    LAST_STEPS = "last steps"


def snap(rule: AbstractRule, ts: Float[Array, " time"]) -> tuple[Int[Array, " time"], Float[Array, " time"]]:
    """The steps nearest to learning times and the learning times of those steps; under gradient flow every time is its
    own.

    Traceable for a constant learning rate, which may then be an axis of an ensemble.
    """
    if not isinstance(rule, Descent):
        return jnp.zeros(ts.shape, jnp.int32), ts
    if not callable(rule.learning_rate):
        rate = jnp.asarray(rule.learning_rate, ts.dtype)
        steps = jnp.round(ts / rate)
        if not isinstance(steps, jax.core.Tracer):
            check_steps(steps)
        return steps.astype(jnp.int32), steps * rate
    return _snap_to_schedule(rule, ts)


def check_steps(steps: Array) -> None:
    """Refuses more steps than can be counted (or would ever end).

    Raises:
        ValueError: if there are.
    """
    most = float(np.max(np.asarray(steps)))
    if not most <= _MOST_STEPS:
        raise ValueError(
            f"The last learning time is {most:.3g} steps of the learning rate away. Use a larger learning rate or a "
            "shorter time."
        )


def _snap_to_schedule(rule: Descent, ts: Float[Array, " time"]) -> tuple[Int[Array, " time"], Float[Array, " time"]]:
    if isinstance(ts, jax.core.Tracer):
        raise ValueError("Learning times must be known before training where the learning rate has a schedule.")
    asked, sums, num = np.asarray(ts, float), np.zeros(1), 1024
    while sums[-1] < asked[-1]:
        done = len(sums) - 1
        rates = jax.vmap(rule.rate)(jnp.arange(done, num))
        if isinstance(rates, jax.core.Tracer):
            raise ValueError(
                "A learning-rate schedule cannot depend on an axis of an ensemble. Pass the axis as a constant "
                "`learning_rate`, or run one ensemble for each schedule."
            )
        rates = np.asarray(rates, float)
        sums = np.concatenate([sums, sums[-1] + np.cumsum(rates)])
        # A schedule may warm up for long, but one that is still too slow after that is not waited for.
        if sums[-1] + rates[-1] * _MOST_SCHEDULED < asked[-1] and num >= 2**16 or num > _MOST_SCHEDULED:
            raise ValueError(
                f"The learning-rate schedule sums to {sums[-1]:.3g} after {num} steps and never reaches "
                f"{asked[-1]:.3g}. Ask for earlier times, or use a schedule that does not vanish."
            )
        num *= 2
    right = np.clip(np.searchsorted(sums, asked), 1, len(sums) - 1) if len(sums) > 1 else np.zeros(len(asked), int)
    left = np.maximum(right - 1, 0)
    steps = np.where(asked - sums[left] <= sums[right] - asked, left, right)
    return jnp.asarray(steps, jnp.int32), jnp.asarray(sums[steps], ts.dtype)


def initial_memory(program: Program, rule: Descent, params: Any) -> tuple[Any, Any]:
    """The state of the optax transformation and the order of the samples before the first step."""
    return rule.transform.init(params), program.objective.first_order(rule.batch_size)


def descent_chunk(
    program: Program, rule: Descent, state: State, steps: Int[Array, " time"], pace: Pace
) -> tuple[State, dict[str, Array]]:
    """Advances to each step in turn and records there."""

    def advance(carry: tuple) -> tuple:
        params, memory, order, step = carry
        objective, order = program.objective.at(rule.batch_size, order, step, program.key)
        gradient = program.gradient(params, objective.when(step * rule.rate(step)))
        update, memory = rule.transform.update(gradient, memory, params)
        if not is_zero(rule.weight_decay):
            update = jtu.tree_map(lambda u, p: u + jnp.asarray(rule.weight_decay, p.dtype) * p, update, params)
        rate = rule.rate(step)
        params = jtu.tree_map(lambda p, u: p - rate.astype(p.dtype) * u, params, scaled(update, rule.rates))
        return params, optax.tree.cast_like(memory, carry[1]), order, step + 1

    def until(carry: tuple, stop: Array) -> tuple[tuple, dict]:
        carry = jax.lax.fori_loop(carry[3], stop, lambda _, c: advance(c), carry)
        return carry, program.measure(carry[0], carry[3])

    def once(carry: tuple, _: Array) -> tuple[tuple, dict]:
        # Recorded before the step, which shares its work: the compiler computes the loss and its gradient once.
        return advance(carry), program.measure(carry[0], carry[3])

    memory, order = state.memory
    carry = (state.params, memory, order, state.step)
    if pace is Pace.ANY:
        carry, values = jax.lax.scan(until, carry, steps)
    elif pace is Pace.EVERY_STEP:
        carry, values = jax.lax.scan(once, carry, steps)
    else:
        carry, values = jax.lax.scan(once, carry, steps[:-1])
        final = program.measure(carry[0], carry[3])
        values = jtu.tree_map(lambda path, end: jnp.concatenate([path, end[None]]), values, final)
    params, memory, order, step = carry
    checked = [*jtu.tree_leaves(params), *[values[name] for name in ("loss",) if name in values]]
    finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in checked]))
    result = jnp.maximum(state.result, jnp.where(finite, 0, 1).astype(jnp.int32))
    return State(params, (memory, order), step, state.time, result), values


def is_zero(value: Any) -> bool:
    """Whether a number is known to be zero."""
    return isinstance(value, (int, float)) and value == 0
