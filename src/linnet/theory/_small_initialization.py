"""Small random weights: every mode grows from the part of the weights that grows."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import FALL_BACK, diagonal_inputs, flow_assumptions, needs_deep_linear
from ._deep_linear_modes import two_layer_parts
from ._record import held_out_forms, in_blocks, trajectory
from ._riccati import riccati_flow
from ._theory import AbstractTheory, Assumption

#: At this size half times are within about a percent, of modes a quarter as strong as the strongest (measured, see the
#: tests).
LEADING = 0.02

#: What the scaling of modes by unequal variances may get wrong in the logarithm of a mode's initial strength.
MEETING = 0.05


@cite("saxe2014exact", "braun2022exact")
def growing_strengths(network: nn.DeepLinear, task: Any) -> Float[Array, " mode"]:
    r"""The initial strength from which each mode of two small layers grows, $u_0 = |W_1 v + W_2^\top u|^2 / 4$.

    While weights are small, $W_1 v$ and $W_2^\top u$ obey $\dot a = s b$, $\dot b = s a$: their sum grows, their
    difference dies. The plain projection $u^\top W_2 W_1 v$ is the difference of both parts, and predicts half times
    that are 10 to 50 % off.

    Args:
        network: two layers.
        task: moments, or what has them.
    """
    return two_layer_parts(network, tasks.as_moments(task).singular_modes())[0]


@cite("saxe2014exact", "braun2022exact")
class SmallInitialization(AbstractTheory):
    r"""Two layers of small random weights: sigmoids that begin at $|W_1 v + W_2^\top u|^2 / 4$, and how they compete.

    Modes that were alone would follow $u = s / (\lambda + (s / u_0 - \lambda) e^{-2 s t})$. The hidden vectors
    $z = (W_1 v + W_2^\top u) / 2$ of random weights are not orthogonal, though: what a mode shares with an earlier one
    is taken from it. In closed form, for $G = Z^\top Z$ and white inputs,

    $$G_t = e^{S t} \bigl( G_0^{-1} + S^{-1} (e^{2 S t} - 1) \bigr)^{-1} e^{S t}, \qquad u_\alpha = G_{\alpha\alpha},$$

    computed together with the decaying parts and the damping by directions outside the modes. With fewer hidden units
    than modes only the strongest modes are learned.

    Three and more layers have no phase of linear growth and no such formula; see `expected_half_times`.
    """

    strength: ClassVar[int] = 0

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        reason = needs_deep_linear(network, task, loss)
        if reason is None and network.depth != 2:
            return (
                f"it is about two layers, got {network.depth}: deeper networks have no phase of linear growth. Use "
                "`MomentFlow()`, or `expected_half_times` for the times to expect from random weights."
            )
        return reason

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        moments: Any = tasks.as_moments(task)
        modes = moments.singular_modes()
        return (
            diagonal_inputs(moments, modes, modes.project(network.end_to_end())),
            _leading(network, moments),
            _unequal(network, modes),
            *flow_assumptions(network, task, rule),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments: Any = tasks.as_moments(task)
        modes, form, forms = moments.singular_modes(), moments.residual_form(), held_out_forms(task)
        first, last = network.weights
        read, written = first @ modes.right, last.T @ modes.left
        growing, decaying = (read + written) / 2, (read - written) / 2
        power, lost = jnp.sum(growing**2, axis=0), jnp.sum(decaying**2, axis=0)
        # In units in which the modes' inputs have variance 1, P = 2 G obeys the Riccati equation with the rates s.
        variances = modes.input_variances
        root = jnp.sqrt(jnp.where(variances > 0, variances, 1))
        rows = (jnp.sqrt(2.0) * root * growing).T
        flow, places = riccati_flow(modes.singular_values, rows, _damping(network, moments, modes))

        def mode_map(t: Array) -> tuple[Array, Array]:
            factor = flow.factor(t)[places] / root[:, None]
            grown = factor @ factor.T / 2
            size = jnp.diagonal(grown)
            # What dies of a mode does so as fast as the rest grows; where others suppress a mode nothing is known to.
            shrunk = jnp.where(size > power, power / jnp.where(size > 0, size, 1), 1)
            strengths = size - lost * shrunk
            return strengths, grown + jnp.diag(strengths - size)

        # What the leading order knows nothing of stays as it was.
        initial = network.end_to_end()
        zero = mode_map(jnp.zeros((), rows.dtype))[1]
        rest = initial - modes.left @ zero @ modes.right.T
        still = modes.left.T @ rest @ modes.right - jnp.diag(modes.strengths)

        def square(linear_map: Array) -> Array:
            return 0.5 * jnp.sum(variances * (linear_map + still) ** 2)

        constant = form.floor + jnp.maximum(form.excess(initial) - square(zero), 0)

        def at(t: Array) -> dict[str, Array]:
            strengths, linear_map = mode_map(t)
            values = {"loss": constant + square(linear_map), "mode_strengths": strengths}
            if forms:
                whole = modes.left @ linear_map @ modes.right.T + rest
                values |= {name: held_out(whole) for name, held_out in forms.items()}
            return values

        return trajectory(ts, in_blocks(at, ts.astype(rows.dtype)))


def _damping(
    network: nn.DeepLinear, moments: tasks.Moments, modes: tasks.SingularModes
) -> Float[Array, "hidden hidden"]:
    """What the directions outside the modes do to all growth: they take up weights at the rate of their power."""
    first, last = network.weights
    inputs = first - (first @ modes.right) @ modes.right.T
    outputs = last - modes.left @ (modes.left.T @ last)
    return inputs @ moments.xx @ inputs.T + jnp.mean(modes.input_variances) * outputs.T @ outputs


def _leading(network: nn.DeepLinear, moments: tasks.Moments) -> Assumption:
    first, last = network.weights
    form = moments.residual_form()
    inputs = first if form.root is None else first @ form.root
    power = jnp.linalg.norm(moments.xx, ord=2)
    size = jnp.maximum(jnp.linalg.norm(inputs, ord=2) ** 2, power * jnp.linalg.norm(last, ord=2) ** 2)
    driven = jnp.linalg.norm(moments.yx, ord=2)
    return Assumption(
        "small weights",
        size / jnp.where(driven > 0, driven, 1),
        LEADING,
        "the largest squared singular value of a layer, relative to the task's strongest singular value",
        f"initialise smaller (`linnet.nn.small(std)`) or balanced (`linnet.nn.zero_balanced()`), or {FALL_BACK}",
    )


def _unequal(network: nn.DeepLinear, modes: tasks.SingularModes) -> Assumption:
    vectors = network.weights[0] @ modes.right + network.weights[1].T @ modes.left
    norms = jnp.linalg.norm(vectors, axis=0)
    unit = vectors / jnp.where(norms > 0, norms, 1)
    learned = (modes.singular_values > 1e-6 * jnp.max(modes.singular_values)) & (modes.input_variances > 0)
    logs = jnp.where(learned, jnp.log(jnp.where(learned, modes.input_variances, 1)), 0)
    both = learned[:, None] & learned[None, :]
    meeting = jnp.where(both, (unit.T @ unit) ** 2 * jnp.abs(logs[:, None] - logs[None, :]), 0)
    return Assumption(
        "equal input variances where modes meet",
        jnp.max(meeting, initial=0),
        MEETING,
        "the squared cosine of two modes' hidden vectors times the logarithm of the ratio of their input variances",
        f"whiten the task (`task.whiten().task`), or {FALL_BACK}",
    )
