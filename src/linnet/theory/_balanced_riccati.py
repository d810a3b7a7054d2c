"""The exact matrix solution of two balanced layers."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import FALL_BACK, SMALL, flow_assumptions, needs_deep_linear, white_inputs
from ._balanced_solution import balanced_flow, measured_balance
from ._record import held_out_forms, in_blocks, trajectory
from ._theory import AbstractTheory, Assumption


@cite("braun2022exact", "domine2025lazy", "fukumizu1998effect")
class BalancedRiccati(AbstractTheory):
    r"""Two layers with $W_2^\top W_2 - W_1 W_1^\top = \lambda I$ on white inputs, exactly: from rich to lazy.

    $Q = [W_1^\top; W_2]$ obeys $\frac{d}{dt} Q Q^\top = F Q Q^\top + Q Q^\top F - (Q Q^\top)^2$ with
    $F = \begin{pmatrix} -\lambda / 2 & \Sigma_{yx}^\top \\ \Sigma_{yx} & \lambda / 2 \end{pmatrix}$; see `riccati_flow`
    for how it is solved, and `balanced_representations` for what else it knows. Inputs may have any common variance.
    Departs from the papers in the form of the solution, whose $F^{-1}$ does not exist for more inputs than outputs.

    $\lambda \ne 0$ needs a hidden layer no wider than the outputs ($\lambda > 0$) or the inputs ($\lambda < 0$).
    """

    strength: ClassVar[int] = 2

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return needs_deep_linear(network, task, loss, depth=2)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        moments: Any = tasks.as_moments(task)
        variance, white = white_inputs(moments)
        balance, rest = measured_balance(network)
        driven = jnp.linalg.norm(moments.yx, ord=2)
        scale = jnp.hypot(2 * driven, variance * balance)
        return (
            white,
            Assumption(
                "balanced layers",
                variance * jnp.linalg.norm(rest, ord=2) / jnp.where(scale > 0, scale, 1),
                SMALL,
                "the part of W2^T W2 - W1 W1^T beyond a multiple of the identity, relative to sqrt(4 s^2 + lambda^2)",
                f"initialise by `linnet.nn.balanced(balance)` or `zero_balanced()`, or {FALL_BACK}",
            ),
            *flow_assumptions(network, task, rule),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments: Any = tasks.as_moments(task)
        solved = balanced_flow(network, moments, measured_balance(network)[0])
        form, forms = moments.residual_form(), held_out_forms(task)

        def at(t: Array) -> dict[str, Array]:
            residual, strengths = solved.residual(t)
            values = {"loss": form.floor + 0.5 * solved.variance * jnp.sum(residual**2), "mode_strengths": strengths}
            if forms:
                linear_map = form.target + solved.outputs @ residual @ solved.inputs.T
                values |= {name: held_out(linear_map) for name, held_out in forms.items()}
            return values

        return trajectory(ts, in_blocks(at, ts.astype(moments.yx.dtype)))
