"""Kunin's single neuron: from lazy to rich with one hidden unit, in closed form and with a rate for each layer."""

from typing import Any, ClassVar

import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import FALL_BACK, SMALL, flow_assumptions, needs_deep_linear
from ._record import held_out_forms, in_blocks, trajectory
from ._single_neuron_solution import input_span, needs_one_neuron, neuron_flow
from ._theory import AbstractTheory, Assumption


@cite("kunin2024get")
class SingleNeuronFlow(AbstractTheory):
    r"""One hidden linear neuron on white inputs, $f = a\, w^\top x$ from any weights, exactly.

    With $\delta = \eta_w a^2 - \eta_a |w|^2$, which is conserved, $\mu = a |w|$, $\phi = \cos(w, \beta_*)$ and
    $\kappa = \sqrt{\delta^2 + 4 \eta_a \eta_w \mu^2}$ the neuron obeys

    $$\dot\mu = \kappa\,(\phi |\beta_*| - \mu), \qquad \dot\phi = \eta_w \tfrac{a}{|w|} |\beta_*| (1 - \phi^2),$$

    and $\nu = w^\top \beta_* / a$ at equal rates of 1 the Riccati equation
    $\dot\nu = |\beta_*|^2 - \delta \nu - \nu^2$. Departs from the paper in the form of the solution: $\nu$ is infinite
    where $a$ passes 0; the weights themselves are $e^{F t} q_0$ over a norm, see `single_neuron`. Inputs may have any
    common variance, and need not vary in all directions.

    Args:
        rates: factors on the gradients of the layers, a prefix of the network's tree; `predict` takes them from the
            rule.
    """

    strength: ClassVar[int] = 0
    rates: Any = None

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return needs_one_neuron(network) or needs_deep_linear(network, task, loss, depth=2)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        moments: Any = tasks.as_moments(task)
        spread, smallest = _uneven(network, getattr(rule, "rates", None))
        return (
            Assumption(
                "white inputs",
                input_span(moments).departure,
                SMALL,
                "the largest departure of an input variance (where inputs vary at all) from the common one, relative "
                "to it",
                f"whiten the task (`task.whiten().task`), or {FALL_BACK}",
            ),
            Assumption(
                "one rate for each layer",
                jnp.where(smallest > 0, spread, jnp.inf),
                SMALL,
                "how far the rates within a layer differ, relative to their mean (infinite: a layer is not trained)",
                FALL_BACK,
            ),
            *flow_assumptions(network, task, rule, rates=True),
        )

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "SingleNeuronFlow":
        return SingleNeuronFlow(getattr(rule, "rates", None))

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments: Any = tasks.as_moments(task)
        modes, form, forms = moments.singular_modes(), moments.residual_form(), held_out_forms(task)
        first, last = (jnp.mean(rate).astype(moments.yx.dtype) for rate in _layer_rates(network, self.rates))
        solved = neuron_flow(network, moments, (first, last))

        def at(t: Array) -> dict[str, Array]:
            weights, readout = solved.at(t)
            linear_map = readout * weights[None]
            values = {"loss": form(linear_map), "mode_strengths": modes.mode_strengths(linear_map)}
            return values | {name: held_out(linear_map) for name, held_out in forms.items()}

        return trajectory(ts, in_blocks(at, ts.astype(moments.yx.dtype)))


def _layer_rates(network: Any, rates: Any) -> list[Array]:
    """The rates of all weights of each layer, from a prefix of the network's tree."""
    if rates is None:
        return [jnp.ones_like(weight) for weight in network.weights]
    spread = jtu.tree_map(
        lambda rate, branch: jtu.tree_map(lambda leaf: jnp.broadcast_to(rate, leaf.shape), branch), rates, network
    )
    return list(spread.weights)


def _uneven(network: Any, rates: Any) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """How far rates differ within a layer, relative to their mean, and the smallest rate."""
    layers = _layer_rates(network, rates)
    spread = [(jnp.max(rate) - jnp.min(rate)) / jnp.where(jnp.mean(rate) != 0, jnp.mean(rate), 1) for rate in layers]
    return jnp.max(jnp.stack(spread)), jnp.min(jnp.stack([jnp.min(rate) for rate in layers]))
