"""Which theory predicts an ensemble, and how far in time it has to look."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import tasks, theory as theories
from .._loss import SquaredError
from .._rule import GradientFlow
from ..config import LearnConfig
from ._networks import Spec
from ._problem import Problem

#: Modes weaker than this part of the strongest do not decide how long is trained: their time goes as one over strength.
WEAKEST = 1e-3

#: Expected strengths are used below this part of the weakest wanted mode: there modes grow before they saturate.
SMALL = 0.05

#: Assumed by expected strengths about the correlation of the inputs' modes.
DIAGONAL = 1e-3


def choose(
    networks: Any, task: tasks.Split, duration: float
) -> tuple[theories.AbstractTheory, tuple[theories.Assumption, ...]]:
    """The strongest theory whose assumptions hold, as `linnet.theory.predict` chooses it, for the typical member.

    Before the fallback on moments, which solves the training's own equation, the leading order for small recurrent
    weights is tried, which `predict` uses only when asked.

    Args:
        networks: the members before training.
        task: the moments they are trained on, with those held out.
        duration: about how long they learn.

    Returns:
        The theory, and its assumptions with the median of each number over the members.
    """
    first = jax.tree.map(lambda leaf: leaf[0], networks)
    rule, loss = GradientFlow(), SquaredError()
    candidates = sorted(theories.THEORIES, key=lambda theory: theory.strength)
    candidates = [*candidates[:-1], theories.SmallRecurrentInitialization(), candidates[-1]]
    for theory in candidates:
        if theory.applies(first, task, rule, loss) is not None:
            continue
        theory = theory.within(jnp.asarray(duration)).bind(first, task, rule, loss)
        measured = _measure(theory, networks, task)
        typical = tuple(dataclasses.replace(a, value=jnp.median(a.value)) for a in measured)
        if all(bool(a.holds) for a in typical):
            return theory, typical
    raise ValueError(f"No theory predicts a {type(first).__name__} on these data; leave it out by --depths.")


@eqx.filter_jit
def _measure(theory: Any, networks: Any, task: tasks.Split) -> tuple[theories.Assumption, ...]:
    return eqx.filter_vmap(lambda net: theory.assumptions(net, task, GradientFlow(), SquaredError()))(networks)


@eqx.filter_jit
def solve(theory: Any, networks: Any, task: tasks.Split, ts: Float[Array, " time"]) -> dict[str, Array]:
    """What a theory predicts for every member, "seed" first; the held-out losses too."""
    return eqx.filter_vmap(lambda network: theory.solve(network, task, ts).values)(networks)


def wanted_modes(spec: Spec, problem: Problem, config: LearnConfig) -> np.ndarray:
    """Whether each mode decides how long is trained: strong enough, and not beyond what the hidden layers can hold."""
    values = np.asarray(problem.modes.singular_values)[: problem.num_modes]
    room = len(values) if spec.depth == 1 else config.hidden
    return (values >= WEAKEST * values[0]) & (np.arange(len(values)) < room)


def expected_end(spec: Spec, problem: Problem, config: LearnConfig) -> float:
    r"""When the slowest wanted mode should be half learned, roughly, from the scale of the weights alone.

    One layer: $\ln 2 / \lambda$. Two: $\ln(s / \lambda u_0) / 2 s$ with $u_0 = h \sigma^2 / 2$. More: the escape,
    $1.2 / ((D - 2)\, s\, (\sigma \sqrt h)^{D - 2})$ (see `linnet.theory.expected_strengths`).
    """
    wanted = wanted_modes(spec, problem, config)
    values = np.asarray(problem.modes.singular_values)[: problem.num_modes][wanted]
    variances = np.maximum(np.asarray(problem.modes.input_variances)[: problem.num_modes][wanted], 1e-12)
    if spec.depth is None:
        return 10 / float(values[0])
    size = config.scale * np.sqrt(config.hidden)
    if spec.depth == 1:
        times = np.log(2) / variances
    elif spec.depth == 2:
        times = np.log(1 + 2 * values / (variances * size**2)) / (2 * values)
    else:
        times = 1.2 / ((spec.depth - 2) * values * size ** (spec.depth - 2))
    return float(np.max(times))


def expected_strengths(spec: Spec, problem: Problem, config: LearnConfig) -> np.ndarray | None:
    """The strengths at which modes of three and more layers of small random weights may be taken to begin.

    `None` where that says nothing: for other networks, correlated inputs, or weights that are not small.
    """
    if spec.depth is None or spec.depth < 3 or float(problem.modes.off_diagonal) > DIAGONAL:
        return None
    num = len(np.asarray(problem.modes.singular_values))
    begin = np.asarray(
        theories.expected_strengths(num, std=config.scale, hidden_size=config.hidden, depth=spec.depth), float
    )
    wanted = wanted_modes(spec, problem, config)
    small = begin[: problem.num_modes][wanted] <= SMALL * problem.target[wanted]
    return begin if np.all(small) and np.all(begin[: problem.num_modes][wanted] > 0) else None
