"""What several theories assume, measured: inputs, weights, and how small the steps of a rule are."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
import optax
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._loss import AbstractLoss, SquaredError
from .._rule import AbstractRule, Descent, GradientFlow
from ._theory import Assumption

#: Closed forms are trusted where what they neglect is below a thousandth: they are then as good to within a percent.
SMALL = 1e-3

#: Descent lags behind the flow by about half of learning rate times sharpness; 2 is the edge of stability.
SMALL_STEP = 0.1

FALL_BACK = "use `MomentFlow()`, which needs none of this."


def moments_of(task: Any) -> tasks.AbstractMoments | str:
    """The moments of a task (their shapes only), or the sentence that says why it has none."""
    if isinstance(task, tasks.AbstractMoments):
        return task
    try:
        return eqx.filter_eval_shape(tasks.as_moments, task)
    except ValueError as error:
        return str(error)


def needs_deep_linear(network: Any, task: Any, loss: AbstractLoss, depth: int | None = None) -> str | None:
    """Why a theory of deep linear networks on plain moments is not about these (`None` if it is)."""
    if not isinstance(network, nn.DeepLinear):
        return f"it is about `DeepLinear` networks, got {type(network).__name__}."
    if depth is not None and network.depth != depth:
        return f"it is about depth {depth} (the number of weight matrices), got depth {network.depth}."
    return needs_moments(network, task, loss)


def needs_moments(network: Any, task: Any, loss: AbstractLoss) -> str | None:
    """Why squared error on the moments of this task is not what this network learns under (`None` if it is)."""
    if not isinstance(loss, SquaredError):
        return f"it needs squared error, got {type(loss).__name__}."
    moments = moments_of(task)
    if isinstance(moments, str):
        return f"it needs moments. {moments}"
    if not nn.is_linear(network):
        return f"it needs a linear network, got {type(network).__name__}."
    if isinstance(network, nn.AbstractLinearNetwork) != (moments.num_steps is None):
        return f"a {type(network).__name__} does not fit {type(moments).__name__}."
    if isinstance(network, nn.DeepLinear):
        shape, needed = (network.weights[-1].shape[0], network.weights[0].shape[1]), moments.yx.shape  # pyright: ignore
    else:
        shape = eqx.filter_eval_shape(moments.linear_map, network).shape
        needed = eqx.filter_eval_shape(lambda m: m.flat()[1], moments).shape
    if shape != needed:
        return f"the network's map has the shape (out, in) = {shape}, the task needs {needed}."
    return None


def flow_assumptions(network: Any, task: Any, rule: AbstractRule, *, rates: bool = False) -> tuple[Assumption, ...]:
    """That a rule is gradient flow, or descent so slow that it follows the flow.

    Args:
        network: the network before training.
        task: its task.
        rule: the rule.
        rates: whether the theory takes different rates for different weights.

    Returns:
        Nothing for `GradientFlow()`, else one assumption for each way in which the rule may depart from it.
    """
    found: list[Assumption] = []
    factors = jtu.tree_leaves(getattr(rule, "rates", None))
    if factors and not rates:
        spread = jnp.max(jnp.stack([jnp.max(jnp.abs(jnp.asarray(factor, float) - 1)) for factor in factors]))
        statement = "the largest departure of a weight's rate from 1"
        found.append(Assumption("equal rates", spread, 0.0, statement, "use `MomentFlow()`, which takes rates."))
    if isinstance(rule, GradientFlow):
        return tuple(found)
    if not isinstance(rule, Descent):
        other = f"whether the rule is something else than gradient flow or descent (a {type(rule).__name__})"
        return (*found, Assumption("known rule", jnp.ones(()), 0.0, other, "use `GradientFlow()` or `Descent(...)`."))
    remedy = "no theory follows it: train with `GradientFlow()` or plain `Descent(learning_rate)`, or simulate only."
    plain = 0.0 if _is_identity(rule.transform) else 1.0
    batches = 0.0 if rule.batch_size is None else 1.0
    return (
        *found,
        Assumption("plain descent", jnp.asarray(plain), 0.0, "whether the gradient is transformed (1: yes)", remedy),
        Assumption(
            "full batch", jnp.asarray(batches), 0.0, "whether gradients are those of mini-batches (1: yes)", remedy
        ),
        Assumption(
            "no weight decay", jnp.max(jnp.abs(jnp.asarray(rule.weight_decay, float))), 0.0, "the weight decay", remedy
        ),
        small_steps(network, task, rule),
    )


def small_steps(network: Any, task: Any, rule: Descent) -> Assumption:
    """That the learning rate is small against one over the sharpness, at the beginning and at the balanced minimum."""
    steps = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.asarray(2 ** np.arange(20), jnp.int32)])
    rate = (
        jnp.max(jnp.stack([rule.rate(step) for step in steps])) if callable(rule.learning_rate) else rule.rate(steps[0])
    )
    sharpness = analyse.sharpness(network, task, num_iterations=32)
    if isinstance(network, nn.DeepLinear):
        sharpness = jnp.maximum(sharpness, 2 / analyse.largest_stable_rate_at_minimum(task, network.depth))
    factors = jtu.tree_leaves(rule.rates)
    if factors:
        rate = rate * jnp.max(jnp.stack([jnp.max(jnp.asarray(factor, float)) for factor in factors]))
    return Assumption(
        "small steps",
        rate * sharpness,
        SMALL_STEP,
        "learning rate x sharpness (descent lags behind the flow by about half of it)",
        "use a smaller learning rate, or `strict=False` to take the flow as an approximation.",
    )


def _is_identity(transform: Any) -> bool:
    """Whether an optax transformation changes nothing; every `optax.identity()` is an object of its own."""
    names = [getattr(function, "__qualname__", "") for function in transform]
    return names == [getattr(function, "__qualname__", "") for function in optax.identity()]


def white_inputs(moments: tasks.Moments) -> tuple[Float[Array, ""], Assumption]:
    r"""The variance $\sigma^2$ of inputs that are white, and how far they are from $\Sigma_{xx} = \sigma^2 I$."""
    num = moments.xx.shape[0]
    variance = jnp.trace(moments.xx) / num
    departure = jnp.linalg.norm(moments.xx - variance * jnp.eye(num, dtype=moments.xx.dtype), ord=2)
    return variance, Assumption(
        "white inputs",
        departure / jnp.where(variance > 0, variance, 1),
        SMALL,
        "the largest departure of an input variance from the common one, relative to it",
        f"whiten the task (`task.whiten().task`), or {FALL_BACK}",
    )


def diagonal_inputs(moments: tasks.Moments, modes: tasks.SingularModes, initial: Float[Array, " mode"]) -> Assumption:
    r"""How far inputs are from diagonal in the modes, $|\Sigma_{xx} v - \lambda v| / \lambda$, weighted by strength.

    Modes that are never anything (no singular value, no initial strength) do not count: their basis is arbitrary.
    """
    variances = modes.input_variances
    rest = jnp.linalg.norm(moments.xx @ modes.right - modes.right * variances, axis=0)
    weights = jnp.maximum(jnp.abs(modes.strengths), jnp.abs(initial))
    weights = weights / jnp.maximum(jnp.max(weights, initial=0), jnp.finfo(variances.dtype).tiny)
    mixing = jnp.where(variances > 0, rest / jnp.where(variances > 0, variances, 1), 0) * weights
    return Assumption(
        "inputs diagonal in the modes",
        jnp.max(mixing, initial=0),
        SMALL,
        "the largest covariance of a mode's input with others, relative to its variance",
        f"whiten the task (`task.whiten().task`), or {FALL_BACK}",
    )
