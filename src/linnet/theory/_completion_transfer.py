"""Balanced networks that complete one matrix and then another: the flow of their product over both."""

from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule, GradientFlow
from .._trajectory import Trajectory
from ._product_flow import balanced_layers, product_flow, resolved_map
from ._theory import AbstractTheory, Assumption


@cite("arora2019implicit", "kleinman2024critical")
class TransferFlow(AbstractTheory):
    r"""What balanced layers complete of one matrix, and then of another: `EndToEndFlow` under a loss that is switched.

    $$\dot W = -\sum_{j=1}^{D} \bigl[W W^\top\bigr]^{\frac{j-1}{D}}\, \nabla L_t(W)\,
    \bigl[W^\top W\bigr]^{\frac{D-j}{D}}$$

    with the loss of a `linnet.tasks.EntryTransfer`. Its singular values obey
    $\dot\sigma_r = -D\, \sigma_r^{2 - 2/D}\, u_r^\top \nabla L_t\, v_r$: those that the first matrix has raised, in
    directions of no use to the second, fall at a rate that vanishes with them the faster the deeper the network. It
    predicts "loss" and "singular_values" (`linnet.learn.SingularValues`).
    """

    strength: ClassVar[int] = 2

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.DeepLinear):
            return f"it is about `DeepLinear` networks, got {type(network).__name__}."
        if not isinstance(task, tasks.EntryTransfer):
            return f"it is about `linnet.tasks.EntryTransfer`, got {type(task).__name__}."
        if not isinstance(rule, GradientFlow):
            return f"it is about `GradientFlow()`, got {type(rule).__name__}."
        return task.applies(network, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        if network.depth == 1:
            return ()
        other = "`linnet.learn.simulate`"
        return balanced_layers(network, other), resolved_map(network, other)

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        def record(linear_map: Array, singular_values: Array) -> dict[str, Array]:
            return {"loss": task.loss(nn.DeepLinear((linear_map,))), "singular_values": singular_values}

        def slope(t: Array, linear_map: Array) -> Array:
            return jax.grad(task.loss_of_map)(linear_map, t)

        values, result = product_flow(network, ts, slope, record, jumps=task.jumps())
        dims = {"loss": ("time",), "singular_values": ("time", "rank")}
        return Trajectory(ts, values, dims, result=result)  # pyright: ignore[reportArgumentType]
