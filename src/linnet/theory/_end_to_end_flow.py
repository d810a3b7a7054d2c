"""Balanced deep linear networks of any depth under any differentiable loss: the flow of their product."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._loss import AbstractLoss, LpLoss, SquaredError
from .._ode import default_tolerances, solve_ode
from .._rule import AbstractRule, GradientFlow
from .._trajectory import Trajectory
from ._assumptions import SMALL, flow_assumptions, needs_deep_linear
from ._implicit_preconditioner import preconditioned, rounding
from ._record import trajectory
from ._theory import AbstractTheory, Assumption


@cite("arora2018optimization", "arora2019implicit")
class EndToEndFlow(AbstractTheory):
    r"""Balanced layers of any number learn as their product alone does, under a preconditioner that is made of it.

    $$\dot W = -\sum_{j=1}^{D} \bigl[W W^\top\bigr]^{\frac{j-1}{D}}\, \nabla L(W)\,
    \bigl[W^\top W\bigr]^{\frac{D-j}{D}} \qquad \text{where } W_{l+1}^\top W_{l+1} = W_l W_l^\top$$

    for any inputs and any loss $L$ that has a gradient: squared error on moments, any loss on a `Batch`. Singular
    values obey $\dot\sigma_r = -D\, \sigma_r^{2 - 2/D}\, u_r^\top \nabla L\, v_r$, so that a rank once lost (narrow
    layers, aligned weights) stays lost: what rounding adds beyond the rank is taken out, else it would grow.

    Args:
        loss: the loss; `predict` takes it from its own argument.
    """

    strength: ClassVar[int] = 2
    loss: AbstractLoss = SquaredError()

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "EndToEndFlow":
        return EndToEndFlow(loss)

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if isinstance(loss, SquaredError) or not isinstance(network, nn.DeepLinear):
            return needs_deep_linear(network, task, SquaredError())
        name = type(loss).__name__
        if isinstance(loss, LpLoss) and loss.p == 1:
            return "it needs a loss with a gradient everywhere, got LpLoss(1); use a p above 1."
        if not isinstance(rule, GradientFlow):
            return (
                f"how small the steps of a descent have to be under {name} is not known; use `GradientFlow()`, got "
                f"{type(rule).__name__}."
            )
        needed = network.weights[-1].shape[0], network.weights[0].shape[1]
        for part in _parts(task).values():
            if not isinstance(part, tasks.Batch):
                return f"it needs samples for {name}, got {type(part).__name__}; pass `task.draw(num, key=key)`."
            if part.x.ndim != 2:
                return f"it needs inputs without steps, got x of shape {part.x.shape}."
            shape = part.y.shape[1], part.x.shape[1]
            if shape != needed:
                return f"the network's map has the shape (out, in) = {needed}, the samples need {shape}."
        return None

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        found: tuple[Assumption, ...] = ()
        if network.depth > 1:
            other = "`MomentFlow()`" if isinstance(loss, SquaredError) else "`linnet.learn.simulate`"
            found = balanced_layers(network, other), resolved_map(network, other)
        return (*found, *flow_assumptions(network, task, rule))

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        modes, depth = tasks.as_moments(task).singular_modes(), network.depth
        (_, objective, measured), *held_out = [(name, *_losses(part, self.loss)) for name, part in _parts(task).items()]
        initial = network.end_to_end()
        rank = map_rank(network)

        def of_rank(linear_map: Array) -> tuple[tuple[Array, Array, Array], Array]:
            left, values, right_t = jnp.linalg.svd(linear_map, full_matrices=False)
            values = jnp.where(jnp.arange(values.shape[0]) < rank, values, 0)
            return (left, values, right_t), (left * values) @ right_t

        def field(t: Array, linear_map: Array, args: Any) -> Array:
            if depth == 1:
                return -jax.grad(objective)(linear_map)
            svd, linear_map = of_rank(linear_map)
            return -preconditioned(svd, jax.grad(objective)(linear_map), depth)

        def save(t: Array, linear_map: Array, args: Any) -> dict[str, Array]:
            linear_map = linear_map if depth == 1 else of_rank(linear_map)[1]
            losses = {name: loss(linear_map) for name, _, loss in held_out}
            return {"loss": measured(linear_map), **losses, "mode_strengths": modes.mode_strengths(linear_map)}

        atol = jnp.clip(1e-4 * jnp.max(jnp.abs(initial)), *finest_tolerances(initial.dtype))
        values, _, result = solve_ode(field, initial, ts, save=save, atol=atol)
        return trajectory(ts, values, result)


def _parts(task: Any) -> dict[str, Any]:
    """What is trained on, and what is held out, by the names of their losses."""
    if not isinstance(task, tasks.Split):
        return {"loss": task}
    parts = {"loss": task.train, "validation_loss": task.validation, "test_loss": task.test}
    return {name: part for name, part in parts.items() if part is not None}


def _losses(part: Any, loss: AbstractLoss) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """The loss of a linear map, to be differentiated and to be recorded."""
    if isinstance(loss, SquaredError):
        form = tasks.as_moments(part).residual_form()
        return form.excess, form

    def of_samples(linear_map: Array) -> Array:
        return nn.sample_loss(nn.DeepLinear((linear_map,)), part, loss)

    return of_samples, of_samples


def map_rank(network: nn.DeepLinear) -> Array:
    """The rank of the map: at most the narrowest layer's width, and without what is only rounding."""
    linear_map = network.end_to_end()
    values = jnp.linalg.svd(linear_map, compute_uv=False)
    narrowest = min(values.shape[0], *(weight.shape[0] for weight in network.weights))
    return jnp.minimum(jnp.sum(values > rounding(linear_map, values)), narrowest)


def balanced_layers(network: nn.DeepLinear, other: str) -> Assumption:
    """What flow conserves of the layers' differences, against the weakest mode's weights, which feel it most."""
    uneven = jnp.max(jnp.stack([jnp.linalg.norm(m, ord=2) for m in analyse.balance_matrices(network)]))
    values = jnp.linalg.svd(network.end_to_end(), compute_uv=False)
    narrowest = min(values.shape[0], *(weight.shape[0] for weight in network.weights))
    # Layers are balanced to rounding only; modes weaker than this floor (absent ones, say) could not tell.
    floor = 100 * jnp.sqrt(jnp.finfo(values.dtype).eps) * values[0]
    weakest = jnp.maximum(values[narrowest - 1], floor) ** (2 / network.depth)
    return Assumption(
        "balanced layers",
        jnp.where(weakest > 0, uneven / jnp.where(weakest > 0, weakest, 1), jnp.where(uneven > 0, jnp.inf, 0)),
        SMALL,
        "the largest part of W_{l+1}^T W_{l+1} - W_l W_l^T, relative to the square of the weakest mode's weight",
        f"initialise by `linnet.nn.zero_balanced()`, or use {other}, which needs no balance.",
    )


def resolved_map(network: nn.DeepLinear, other: str) -> Assumption:
    """That the product of the layers, which is solved for, is not lost in the rounding of what it becomes."""
    largest = jnp.max(jnp.abs(network.end_to_end()))
    finest = finest_tolerances(largest.dtype)[0]
    return Assumption(
        "resolved initial map",
        jnp.where(largest > 0, finest / jnp.where(largest > 0, largest, 1), 0),
        SMALL,
        "what the precision resolves at maps of order one, relative to the initial map",
        f"use float64 or larger initial weights, or {other}, which follows the layers themselves.",
    )


def finest_tolerances(dtype: Any) -> tuple[float, float]:
    """The least absolute tolerance that rounding allows at maps of order one, and the default one."""
    return 10 * float(jnp.finfo(dtype).eps), default_tolerances(dtype)[1]
