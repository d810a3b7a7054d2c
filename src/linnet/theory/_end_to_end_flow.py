"""Balanced deep linear networks of any depth under any differentiable loss: the flow of their product."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss, LpLoss, SquaredError
from .._rule import AbstractRule, GradientFlow
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions, needs_deep_linear
from ._product_flow import balanced_layers, product_flow, resolved_map
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
        modes = tasks.as_moments(task).singular_modes()
        (_, objective, measured), *held_out = [(name, *_losses(part, self.loss)) for name, part in _parts(task).items()]

        def record(linear_map: Array, singular_values: Array) -> dict[str, Array]:
            losses = {name: loss(linear_map) for name, _, loss in held_out}
            return {"loss": measured(linear_map), **losses, "mode_strengths": modes.mode_strengths(linear_map)}

        values, result = product_flow(network, ts, lambda t, linear_map: jax.grad(objective)(linear_map), record)
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
