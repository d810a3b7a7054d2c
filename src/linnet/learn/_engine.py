"""The engine under `simulate` and `ensemble`: prepare a run, and advance it through one chunk of recording times."""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Int

from .. import nn
from .._loss import AbstractLoss
from .._rule import AbstractRule, Descent, GradientFlow
from .._types import PRNGKey
from ._descent import Pace, descent_chunk, initial_memory, is_zero
from ._flow import flow_chunk
from ._objective import make_objective
from ._program import Program, State, is_training_loss

#: Folded into a run's key, so that training is independent of initial weights made from the same key.
_TRAINING = 0x7261696E


def make_program(
    network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss, observers: tuple, key: PRNGKey | None
) -> Program:
    """Prepares the objective and binds the observers; done once, outside the loop."""
    key = None if key is None else jr.fold_in(key, _TRAINING)
    objective = make_objective(network, task, loss, rule, key)
    bound = tuple(o if is_training_loss(o) else o.bind(network, task, loss) for o in observers)
    return Program(objective, rule, bound, task, network, key)


def initial_state(program: Program) -> State:
    """The state before the first step."""
    params = eqx.filter(program.initial, eqx.is_inexact_array)
    memory = initial_memory(program, program.rule, params) if isinstance(program.rule, Descent) else None
    dtype = jnp.result_type(float)
    return State(params, memory, jnp.zeros((), jnp.int32), jnp.zeros((), dtype), jnp.zeros((), jnp.int32))


def plain_rule(rule: AbstractRule) -> AbstractRule:
    """The rule with its numbers as arrays, so that another learning rate does not compile another program."""
    dtype = jnp.result_type(float)

    def plain(value: Any) -> Any:
        return jnp.asarray(value, dtype) if isinstance(value, (int, float, np.ndarray, np.number)) else value

    if isinstance(rule, GradientFlow):
        return dataclasses.replace(rule, rates=jtu.tree_map(plain, rule.rates))
    if isinstance(rule, Descent):
        # No weight decay stays a fact for the compiler.
        decay = rule.weight_decay if is_zero(rule.weight_decay) else plain(rule.weight_decay)
        rate = rule.learning_rate if callable(rule.learning_rate) else plain(rule.learning_rate)
        return dataclasses.replace(rule, learning_rate=rate, weight_decay=decay, rates=jtu.tree_map(plain, rule.rates))
    return rule


def check_rule(network: Any, rule: AbstractRule, key: PRNGKey | None) -> None:
    """Refuses what a rule cannot do, before anything long begins.

    Raises:
        ValueError: if the network has kinks and the rule is a flow, or randomness is needed and there is no key.
    """
    if not isinstance(rule, (GradientFlow, Descent)):
        raise ValueError(f"linnet.learn knows the rules GradientFlow and Descent, got {type(rule).__name__}.")
    if isinstance(rule, GradientFlow) and nn.has_kinks(network):
        raise ValueError(
            "GradientFlow needs a smooth network, but this one has an activation with kinks (such as ReLU). "
            "Use `Descent(learning_rate)` with a small learning rate instead."
        )
    if isinstance(rule, Descent) and rule.batch_size is not None and key is None:
        raise ValueError(
            "Descent with a batch_size draws mini-batches at random and needs a `key`, for example `jax.random.key(0)`."
        )


def run_chunk(
    program: Program, state: State, times: Float[Array, " time"], steps: Int[Array, " time"], pace: Pace
) -> tuple[State, dict[str, Array]]:
    """Advances to each time in turn and records there; pure, so that it can be compiled and mapped over members.

    Args:
        program: what stays the same.
        state: where the last chunk ended.
        times: learning times to record at.
        steps: the steps to record at (descent only).
        pace: how far the steps lie apart (descent only).

    Returns:
        The state after the chunk and what was recorded, with a leading axis over times.
    """
    if isinstance(program.rule, GradientFlow):
        return flow_chunk(program, program.rule, state, times)
    if isinstance(program.rule, Descent):
        return descent_chunk(program, program.rule, state, steps, pace)
    raise ValueError(f"linnet.learn knows the rules GradientFlow and Descent, got {type(program.rule).__name__}.")
