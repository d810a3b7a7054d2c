"""Balanced linear networks that learn to generate a covariance."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule, GradientFlow
from .._trajectory import Trajectory
from ._product_flow import balanced_layers, map_rank, product_flow, resolved_map
from ._theory import AbstractTheory, Assumption

_DIMS = {"loss": ("time",), "generated_variances": ("time", "mode")}
_SIMULATE = "`linnet.learn.simulate`"


@cite("brechet2023critical", "arora2018optimization")
class CovarianceFlow(AbstractTheory):
    r"""Balanced layers of any number under the Bures-Wasserstein loss learn as their product alone does.

    $$\dot W = -\sum_{j=1}^{N} \bigl[W W^\top\bigr]^{\frac{j-1}{N}}\, 2 (I - T) W\,
    \bigl[W^\top W\bigr]^{\frac{N-j}{N}}, \qquad
    T = \Sigma_0^{1/2} \bigl(\Sigma_0^{1/2} (W W^\top + \tau I)\, \Sigma_0^{1/2}\bigr)^{-1/2} \Sigma_0^{1/2}$$

    Where $W$ shares the eigenvectors of the target, $\dot s = -2 N s^{2 - 2/N} (s - \sqrt{\lambda})$ without smoothing:
    `mode_strength` at twice the time. The rank is conserved; it ends at a sum of eigenvalues that are left out, see
    `critical_covariance_losses`, at the rate `covariance_convergence_rate`. Where rank is lost, only two and more
    layers have a flow without smoothing: the part of the gradient that is not defined there does not move them.
    """

    strength: ClassVar[int] = 2

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(task, tasks.CovarianceMatching):
            return f"it is about a `CovarianceMatching`, got {type(task).__name__}."
        if not isinstance(network, nn.DeepLinear):
            return f"it is about `DeepLinear` networks, got {type(network).__name__}."
        if not isinstance(rule, GradientFlow) or getattr(rule, "rates", None) is not None:
            return (
                "it is about `GradientFlow()` at one rate for all weights: how small the steps of a descent have to be "
                f"near a loss of rank is not known; got {type(rule).__name__}. Use {_SIMULATE}."
            )
        return task.applies(network, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        if network.depth > 1:
            return balanced_layers(network, _SIMULATE), resolved_map(network, _SIMULATE)
        lost = min(network.end_to_end().shape) - map_rank(network)
        return (
            Assumption(
                "gradient",
                jnp.where(task.smoothing > 0, 0, lost),
                0.0,
                "the number of directions in which the map has lost its rank, where the loss has no gradient",
                "begin at weights of full rank, or smooth the loss: `CovarianceMatching(covariance, smoothing)`.",
            ),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        basis = task.modes()[1]

        def record(linear_map: Array, singular_values: Array) -> dict[str, Array]:
            variances = jnp.sum((basis.T @ linear_map) ** 2, axis=1)
            return {"loss": task.distance(linear_map), "generated_variances": variances}

        values, result = product_flow(network, ts, lambda t, linear_map: jax.grad(task.distance)(linear_map), record)
        return Trajectory(ts, values, _DIMS, result=result)
