"""The predicted road: choose the strongest theory whose measured assumptions hold."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

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
    """Why a theory cannot be used here (`None` if it can), and its measured assumptions."""
    reason = theory.applies(network, task, rule, loss)
    if reason is not None:
        return reason, ()
    assumptions = _assumptions(theory, network, task, rule, loss)
    failed = [a for a in assumptions if not np.all(np.asarray(a.holds))]
    sentences = [f"{a}; {a.remedy}" for a in failed]
    return (" ".join(sentences) or None), assumptions


def predict(
    network: Any,
    task: Any,
    ts: Float[Array, " time"],
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
        theory: the theory to use; by default the strongest one whose measured assumptions hold (closed form, then mode ODE,
            matrix ODE, kernel, and `MomentFlow` last).
        strict: refuse where a measured assumption fails; with `False` predict all the same and keep the numbers in `assumptions`.

    Returns:
        The trajectory; `trajectory.theory` names the theory and `trajectory.assumptions` holds its measured assumptions.

    Raises:
        ValueError: if no theory applies, or (with `strict`) an assumption of the asked-for theory fails: which one, by how much, and what to use instead.
    """
    from ._registry import THEORIES

    rule = GradientFlow() if rule is None else rule
    loss = SquaredError() if loss is None else loss
    ts = check_times(ts)
    candidates = THEORIES if theory is None else (theory,) if isinstance(theory, AbstractTheory) else tuple(theory)
    reasons = []
    for candidate in sorted(candidates, key=lambda t: t.strength):
        reason, assumptions = why_not(candidate, network, task, rule, loss)
        name = type(candidate).__name__
        if reason is None or (not strict and theory is not None and assumptions):
            trajectory = _solve(candidate, network, task, ts)
            return dataclasses.replace(
                trajectory, theory=name, assumptions=assumptions, task=task, rule=rule, loss=loss
            )
        reasons.append(f"{name}: {reason}")
    raise ValueError("No theory predicts this:\n" + "\n".join(f"- {reason}" for reason in reasons))
