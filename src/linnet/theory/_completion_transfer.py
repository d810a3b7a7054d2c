"""Balanced networks that complete one matrix and then another: the flow of their product over both."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule, GradientFlow
from .._trajectory import Trajectory
from ._end_to_end_flow import balanced_layers, finest_tolerances, map_rank, resolved_map
from ._implicit_preconditioner import preconditioned
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
        depth, initial = network.depth, network.end_to_end()
        rank = map_rank(network)

        def of_rank(linear_map: Array) -> tuple[tuple[Array, Array, Array], Array]:
            left, values, right_t = jnp.linalg.svd(linear_map, full_matrices=False)
            # What rounding adds beyond the conserved rank would grow.
            values = values if depth == 1 else jnp.where(jnp.arange(values.shape[0]) < rank, values, 0)
            return (left, values, right_t), (left * values) @ right_t

        def field(t: Array, linear_map: Array, args: Any) -> Array:
            if depth == 1:
                return -jax.grad(task.loss_of_map)(linear_map, t)
            svd, linear_map = of_rank(linear_map)
            return -preconditioned(svd, jax.grad(task.loss_of_map)(linear_map, t), depth)

        def save(t: Array, linear_map: Array, args: Any) -> dict[str, Array]:
            svd, linear_map = of_rank(linear_map)
            return {"loss": task.loss(nn.DeepLinear((linear_map,))), "singular_values": svd[1]}

        atol = jnp.clip(1e-4 * jnp.max(jnp.abs(initial)), *finest_tolerances(initial.dtype))
        values, _, result = solve_ode(field, initial, ts, save=save, atol=atol, jumps=task.jumps())
        dims = {"loss": ("time",), "singular_values": ("time", "rank")}
        return Trajectory(ts, values, dims, result=result)  # pyright: ignore[reportArgumentType]
