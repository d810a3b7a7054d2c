"""Saxe's exact solutions: a deep linear network whose modes do not meet."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import FALL_BACK, SMALL, diagonal_inputs, flow_assumptions, needs_deep_linear
from ._chain_mode import chain_mode
from ._record import held_out_losses, trajectory
from ._theory import AbstractTheory, Assumption
from ._two_layer_mode import two_layer_mode


@cite("saxe2014exact")
class DeepLinearModes(AbstractTheory):
    r"""Every mode of the task learns for itself, $\dot a_l = (s - \lambda u) \prod_{k \ne l} a_k$, $u = \prod_l a_l$.

    Two layers, balanced or not, are in closed form, deeper chains in quadratures; see `mode_strength` and
    `chain_strength`. It is exact where the hidden vectors of different modes are orthogonal in every layer (for two
    layers $W_1 v$ and $W_2^\top u$ of one mode need not be parallel), and inputs are diagonal in the task's basis. A
    hidden layer with fewer units than there are modes leaves some without any strength, and those stay so: the network
    ends at the best approximation by the modes that it has.

    The loss is $L_* + \frac12 \sum_\alpha \lambda_\alpha (u_\alpha - s_\alpha / \lambda_\alpha)^2$ and what the initial
    map adds outside the modes.
    """

    strength: ClassVar[int] = 0

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        reason = needs_deep_linear(network, task, loss)
        if reason is None and network.depth < 2:
            return "it is about two or more layers; one layer is `SingleLayer()`."
        return reason

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        moments: Any = tasks.as_moments(task)
        modes = moments.singular_modes()
        meeting = _two_layer_meeting(network, modes) if network.depth == 2 else chain_meeting(network, modes)
        return (
            diagonal_inputs(moments, modes, modes.project(network.end_to_end())),
            Assumption(
                "decoupled modes",
                meeting,
                SMALL,
                "the largest overlap of a mode's weights with another mode's (or with what is outside the modes)",
                "initialise by `linnet.nn.aligned(task, strengths)`; for small random weights use "
                f"`SmallInitialization()`, for balanced ones `BalancedRiccati()`; or {FALL_BACK}",
            ),
            *flow_assumptions(network, task, rule),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments: Any = tasks.as_moments(task)
        modes = moments.singular_modes()
        times = ts.astype(modes.singular_values.dtype)
        if network.depth == 2:
            growing, decaying = two_layer_parts(network, modes)
            # A mode that a narrow hidden layer leaves out is exactly zero; its rounding would be learned in time.
            scale = sum((jnp.sum(weight**2) for weight in network.weights), start=jnp.zeros((), growing.dtype))
            floor = (10 * jnp.finfo(growing.dtype).eps) ** 2 * scale
            growing, decaying = (jnp.where(part > floor, part, 0) for part in (growing, decaying))
            values = modes.singular_values, growing, decaying, modes.input_variances
            strengths = two_layer_mode(times[:, None], *values)
        else:
            layers = mode_layers(network, modes)[0]
            strengths = chain_mode(times, modes.singular_values, layers, modes.input_variances)
        return record_modes(network, task, moments, modes, ts, strengths)


def record_modes(
    network: nn.DeepLinear,
    task: Any,
    moments: tasks.Moments,
    modes: tasks.SingularModes,
    ts: Float[Array, " time"],
    strengths: Float[Array, "time mode"],
) -> Trajectory:
    """The trajectory of a network of which only the modes move; the rest of its initial map stays as it is."""
    form, initial = moments.residual_form(), network.end_to_end()
    start = modes.project(initial)
    outside = initial - (modes.left * start) @ modes.right.T

    def square(strengths: Float[Array, "*time mode"]) -> Float[Array, "*time"]:
        return 0.5 * jnp.sum(modes.input_variances * (strengths - modes.strengths) ** 2, axis=-1)

    constant = jnp.maximum(form.excess(initial) - square(start), 0)
    values = {"loss": form.floor + constant + square(strengths)}
    values |= held_out_losses(task, lambda u: (modes.left * u) @ modes.right.T + outside, strengths)
    return trajectory(ts, {**values, "mode_strengths": strengths})


def two_layer_parts(
    network: nn.DeepLinear, modes: tasks.SingularModes
) -> tuple[Float[Array, " mode"], Float[Array, " mode"]]:
    r"""The growing and the decaying part of modes, $|W_1 v \pm W_2^\top u|^2 / 4$: strength is their difference."""
    first, last = network.weights[0] @ modes.right, network.weights[1].T @ modes.left
    return jnp.sum((first + last) ** 2, axis=0) / 4, jnp.sum((first - last) ** 2, axis=0) / 4


def mode_layers(
    network: nn.DeepLinear, modes: tasks.SingularModes
) -> tuple[Float[Array, "depth mode"], list[Float[Array, "_ mode"]]]:
    """The strength of every mode in every layer, and the directions of the modes between the layers.

    Directions are those that the weights themselves give: from the input onwards, and where a layer is zero on a mode
    from the output backwards. What is too small to have a direction gets none.
    """
    weights = network.weights
    forward, alive = [modes.right], jnp.ones(modes.right.shape[1], bool)
    for weight in weights[:-1]:
        vectors, alive = _directions(weight @ forward[-1], weight, alive)
        forward.append(vectors)
    backward, alive_back = [modes.left], jnp.ones(modes.left.shape[1], bool)
    for weight in weights[:0:-1]:
        vectors, alive_back = _directions(weight.T @ backward[0], weight, alive_back)
        backward.insert(0, vectors)
    inner = [jnp.where(jnp.any(f != 0, axis=0), f, b) for f, b in zip(forward[1:], backward[:-1], strict=True)]
    directions = [modes.right, *inner, modes.left]
    layers = [jnp.sum(r * (w @ q), axis=0) for w, q, r in zip(weights, directions[:-1], directions[1:], strict=True)]
    return jnp.stack(layers), directions


def _directions(vectors: Array, weight: Array, alive: Array) -> tuple[Array, Array]:
    norms = jnp.linalg.norm(vectors, axis=0)
    # Rounding is no direction.
    alive = alive & (norms > 10 * jnp.finfo(weight.dtype).eps * jnp.linalg.norm(weight))
    return jnp.where(alive, vectors / jnp.where(alive, norms, 1), 0), alive


def _two_layer_meeting(network: nn.DeepLinear, modes: tasks.SingularModes) -> Float[Array, ""]:
    """The largest cosine between the hidden vectors of different modes, or of a mode and what is outside the modes."""
    first, last = network.weights[0] @ modes.right, network.weights[1].T @ modes.left
    outside = (
        network.weights[0] - first @ modes.right.T,
        network.weights[1].T - last @ modes.left.T,
    )
    norms = [jnp.linalg.norm(vectors, axis=0) for vectors in (first, last)]
    floor = jnp.sqrt(jnp.finfo(first.dtype).eps) * jnp.max(jnp.concatenate(norms))
    floor = jnp.where(floor > 0, floor, 1)
    unit = [vectors / jnp.maximum(norm, floor) for vectors, norm in zip((first, last), norms, strict=True)]
    num = first.shape[1]
    cosines = [jnp.abs(a.T @ b) * (1 - jnp.eye(num, dtype=a.dtype)) for a in unit for b in unit]
    rest = [
        jnp.linalg.norm(other.T @ a, axis=0) / jnp.maximum(jnp.linalg.norm(other), floor)
        for other in outside
        for a in unit
    ]
    return jnp.maximum(jnp.max(jnp.stack(cosines), initial=0), jnp.max(jnp.stack(rest), initial=0))


def chain_meeting(network: nn.DeepLinear, modes: tasks.SingularModes) -> Float[Array, ""]:
    """The largest part of a layer's action on a mode that leaves the mode, relative to the mode's strongest layer."""
    layers, directions = mode_layers(network, modes)
    largest = jnp.max(jnp.abs(layers), axis=0)
    floor = jnp.sqrt(jnp.finfo(layers.dtype).eps) * jnp.max(largest, initial=0)
    scale = jnp.maximum(largest, jnp.where(floor > 0, floor, 1))
    rests = []
    for weight, strength, before, after in zip(network.weights, layers, directions[:-1], directions[1:], strict=True):
        rests += [weight @ before - after * strength, weight.T @ after - before * strength]
    return jnp.max(jnp.stack([jnp.max(jnp.linalg.norm(rest, axis=0) / scale, initial=0) for rest in rests]))
