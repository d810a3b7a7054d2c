"""One layer: linear regression by gradient flow, in closed form for any inputs."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions, needs_deep_linear
from ._record import held_out_forms, in_blocks, trajectory
from ._theory import AbstractTheory, Assumption
from ._two_layer_mode import one_layer_mode


@cite("advani2020high")
class SingleLayer(AbstractTheory):
    r"""One weight matrix learns every direction of the inputs for itself.

    $$W_t q = W_0 q\, e^{-\lambda t} + \frac{1 - e^{-\lambda t}}{\lambda} \Sigma_{yx} q$$

    $q$ and $\lambda$ are the eigenvectors and eigenvalues of $\Sigma_{xx}$, whatever they are: nothing is assumed but
    the rule.
    """

    strength: ClassVar[int] = 0

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return needs_deep_linear(network, task, loss, depth=1)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        return flow_assumptions(network, task, rule)

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments: Any = tasks.as_moments(task)
        modes, form, forms = moments.singular_modes(), moments.residual_form(), held_out_forms(task)
        variances, vectors = jnp.linalg.eigh((moments.xx + moments.xx.T) / 2)
        limit = 10 * variances.shape[0] * jnp.finfo(variances.dtype).eps * jnp.max(jnp.abs(variances))
        kept = variances > limit
        variances = jnp.where(kept, variances, 0)
        driven = jnp.where(kept, moments.yx @ vectors, 0)
        initial, target = network.end_to_end() @ vectors, form.target @ vectors
        # Along its eigenvectors the loss is a sum of squares of what is not yet learned.
        rest = jnp.where(kept, initial - target, 0)
        left, right = modes.left, vectors.T @ modes.right

        def at(t: Array) -> dict[str, Array]:
            unlearned = rest * jnp.exp(-variances * t)
            values = {"loss": form.floor + 0.5 * jnp.sum(variances * unlearned**2)}
            columns = one_layer_mode(t, driven, initial, variances)
            values["mode_strengths"] = jnp.sum(left * (columns @ right), axis=0)
            linear_map = columns @ vectors.T if forms else columns
            return values | {name: held_out(linear_map) for name, held_out in forms.items()}

        return trajectory(ts, in_blocks(at, ts.astype(variances.dtype)))
