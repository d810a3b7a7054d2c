"""Linear recurrent networks that begin from small random weights, to leading order."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import FALL_BACK, flow_assumptions, needs_moments
from ._linear_rnn_alignment import RecurrentModes, lag_forms
from ._linear_rnn_modes import separable, solve_modes
from ._mode_energy import LagForm
from ._theory import AbstractTheory, Assumption

#: Half times are then as good as a few percent (measured, see `tests/theory`).
LEADING = 0.05


@cite("proca2025learning", "saxe2014exact")
class SmallRecurrentInitialization(AbstractTheory):
    r"""Linear recurrent networks from small random weights, to leading order: aligned modes that begin at what grows.

    While all weights are small, only the last input matters: $W_x v$ and $W_y^\top u$ obey $\dot x = s_T y$, $\dot y =
    s_T x$. Their sum grows and their difference dies, so that the mode begins at $a_0 = c_0 = |W_x v +
    \operatorname{sign}(s_T) W_y^\top u| / 2$ along one direction $r$ of the hidden units, with $b_0 = r^\top W_h r$;
    directions of different modes become orthogonal as they are learned one after the other. From there on the modes
    follow `LinearRNNModes`. Not among the theories that `predict` tries by itself, because `MomentFlow` is exact here:
    ask for it to see what the modes do.
    """

    strength: ClassVar[int] = 1

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.LinearRNN):
            return f"it is about `LinearRNN` networks, got {type(network).__name__}."
        return needs_moments(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        found, forms, rest, mixing = _growing(network, tasks.as_moments(task))
        late, size = jnp.abs(forms.drive[:, 0]), jnp.sqrt(forms.power)
        learned = size > 1e-6 * jnp.max(size)
        weights = jnp.stack([jnp.linalg.norm(w, ord=2) for w in (network.input_weights, network.output_weights)])
        # Modes are learned one after the other only from weights that are small for the weakest.
        weakest = jnp.min(jnp.where(learned, late, jnp.inf))
        starting = Assumption(
            "small weights",
            jnp.max(weights) ** 2 / jnp.where(weakest > 0, weakest, jnp.finfo(late.dtype).tiny),
            LEADING,
            "the largest squared singular value of the outer weights, over the weakest importance of the last step",
            f"initialise smaller (`linnet.nn.small(std)`), or {FALL_BACK}",
        )
        idle = Assumption(
            "weak recurrence",
            jnp.linalg.norm(network.recurrent_weights, ord=2),
            LEADING,
            "the largest singular value of the recurrent weights",
            f"initialise smaller (`linnet.nn.small(std)`), or {FALL_BACK}",
        )
        enough = Assumption(
            "room for every mode",
            jnp.sum(learned) / network.hidden_size,
            0.5,
            "the number of modes for each hidden unit (few units make random directions overlap)",
            f"use more hidden units, or {FALL_BACK}",
        )
        return (*separable(rest, mixing), starting, idle, enough, *flow_assumptions(network, task, rule))

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        found, forms, _, _ = _growing(network, tasks.as_moments(task))
        return solve_modes(found, forms, task, ts)


def _growing(network: nn.LinearRNN, moments: Any) -> tuple[RecurrentModes, LagForm, Array, Array]:
    """The growing parts of the weights as aligned modes, and the task in modes."""
    modes = moments.singular_modes()
    forms, rest, mixing = lag_forms(moments, modes.left, modes.right)
    sign = jnp.where(forms.drive[:, 0] < 0, -1, 1)
    sums = network.input_weights @ modes.right + sign * (network.output_weights.T @ modes.left)
    sizes = jnp.sqrt(jnp.sum(sums**2, axis=0))
    directions = sums / jnp.where(sizes > 0, sizes, 1)
    found = RecurrentModes(
        sizes / 2,
        jnp.sum(directions * (network.recurrent_weights @ directions), axis=0),
        sign * sizes / 2,
        modes.left,
        modes.right,
        directions,
        jnp.eye(sizes.shape[0], dtype=sizes.dtype),
        jnp.zeros((), sizes.dtype),
    )
    return found, forms, rest, mixing
