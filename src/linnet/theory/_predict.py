"""The predicted road: choose the strongest theory whose measured assumptions hold."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from .. import nn, tasks
from .._loss import AbstractLoss, SquaredError
from .._rule import AbstractRule, GradientFlow
from .._trajectory import Trajectory, check_times
from ._theory import AbstractTheory, Assumption


@eqx.filter_jit
def _assumptions(
    theory: AbstractTheory, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss
) -> tuple[Assumption, ...]:
    return theory.assumptions(network, task, rule, loss)


@eqx.filter_jit
def _solve(theory: AbstractTheory, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
    return theory.solve(network, task, ts)


def why_not(
    theory: AbstractTheory, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss
) -> tuple[str | None, tuple[Assumption, ...]]:
    """Why a theory cannot be used here (`None` if it can), and its measured assumptions.

    The sentence names the assumption that failed, by how much, and what to use instead.
    """
    reasons, assumptions = _reasons(theory, network, task, rule, loss)
    return (" ".join(reasons) or None), assumptions


def _reasons(
    theory: AbstractTheory, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss
) -> tuple[list[str], tuple[Assumption, ...]]:
    """One sentence for everything that keeps a theory from being used."""
    reason = theory.applies(network, task, rule, loss)
    if reason is not None:
        return [reason], ()
    assumptions = _assumptions(theory, network, task, _numbers_as_arrays(rule), loss)
    failed = [a for a in assumptions if not np.all(np.asarray(a.holds))]
    return [f"{a}; {a.remedy}" for a in failed], assumptions


def _numbers_as_arrays(tree: Any) -> Any:
    """Plain floats become arrays, so that another learning rate is another value and not another program."""
    return jtu.tree_map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, float) else leaf, tree)


def predict(
    network: Any,
    task: Any,
    ts: Float[Array | np.ndarray, " time"],
    *,
    rule: AbstractRule | None = None,
    loss: AbstractLoss | None = None,
    theory: AbstractTheory | Sequence[AbstractTheory] | None = None,
    strict: bool = True,
) -> Trajectory:
    """Predicts what `linnet.learn.simulate` with the same arguments would record, without training.

    Args:
        network: the network before training.
        task: moments, a batch, a split (its training part) or a task (its population).
        ts: learning times, ascending from 0.
        rule: the learning rule; by default gradient flow.
        loss: the loss; by default squared error.
        theory: the theory to use, or several to choose from; by default all of them. The strongest one whose measured
            assumptions hold is taken: closed form, then mode ODE, matrix ODE, kernel, and `MomentFlow` last.
        strict: refuse where a measured assumption fails; with `False` predict all the same, by the asked-for theory
            (the strongest of several), and keep the numbers in `assumptions`.

    Returns:
        The trajectory; `trajectory.theory` names the theory and `trajectory.assumptions` holds its measured
        assumptions.

    Raises:
        ValueError: if no theory applies, or (with `strict`) an assumption of the asked-for theory fails: which one, by
            how much, and what to use instead.

    !!! example
        ```python
        predicted = ln.theory.predict(net, task, ts)
        print(predicted.theory, *predicted.assumptions, sep="\\n")
        rough = ln.theory.predict(net, task, ts, theory=ln.theory.DeepLinearModes(), strict=False)
        ```
    """
    from ._registry import THEORIES

    rule = GradientFlow() if rule is None else rule
    loss = SquaredError() if loss is None else loss
    times = check_times(ts)
    # A population may be computed by any means; linear networks only see its moments.
    seen = tasks.as_moments(task) if isinstance(task, tasks.AbstractTask) and nn.is_linear(network) else task
    candidates = THEORIES if theory is None else (theory,) if isinstance(theory, AbstractTheory) else tuple(theory)
    candidates = sorted((candidate.within(times[-1]) for candidate in candidates), key=lambda t: t.strength)
    refused, measured = [], []
    for candidate in candidates:
        reasons, assumptions = _reasons(candidate, network, seen, rule, loss)
        if not reasons:
            return _solved(candidate, network, task, seen, times, rule, loss, assumptions)
        refused.append((type(candidate).__name__, reasons))
        if assumptions:
            measured.append((candidate, assumptions))
    if not strict and measured:
        # Asked for by name: the strongest. Not asked for: the last resort is the one that neglects least.
        candidate, assumptions = measured[0 if theory is not None else -1]
        return _solved(candidate, network, task, seen, times, rule, loss, assumptions)
    raise ValueError(_refusal(refused))


def _refusal(refused: list[tuple[str, list[str]]]) -> str:
    """What keeps each theory from being used; what keeps several is said once, first."""
    every = [reason for _, reasons in refused for reason in reasons]
    shared = list(dict.fromkeys(reason for reason in every if every.count(reason) > 1))
    lines = [f"- {', '.join(n for n, reasons in refused if reason in reasons)}: {reason}" for reason in shared]
    for name, reasons in refused:
        own = [reason for reason in reasons if reason not in shared]
        lines += [f"- {name}: {' '.join(own)}"] if own else []
    return "No theory predicts this:\n" + "\n".join(lines)


def _solved(
    theory: AbstractTheory,
    network: Any,
    task: Any,
    seen: Any,
    ts: Array,
    rule: AbstractRule,
    loss: AbstractLoss,
    assumptions: tuple[Assumption, ...],
) -> Trajectory:
    bound = theory.bind(network, seen, rule, loss)
    trajectory = _solve(_numbers_as_arrays(bound), network, seen, ts)
    return dataclasses.replace(
        trajectory, theory=type(theory).__name__, assumptions=assumptions, task=task, rule=rule, loss=loss
    )
