"""Bordelon's reduction of learning to integrate: an outlier of the recurrent weights, or a conjugate pair of them."""

from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._ode import solve_ode
from .._rule import AbstractRule, Descent
from .._trajectory import Trajectory
from ._array_rates import array_rates
from ._assumptions import SMALL, flow_assumptions
from ._integrator_flow import (
    Modes,
    Outlier,
    outlier_pair_loss,
    outlier_pair_slopes,
    pair_eigenvalues,
    single_outlier_loss,
    single_outlier_slopes,
)
from ._theory import AbstractTheory, Assumption

SIMULATE = "use `linnet.learn.simulate`, which follows all weights; or `strict=False` for the leading order."

DIMS = {"loss": ("time",), "outlier_eigenvalues": ("time", "outlier", "part"), "overlaps": ("time", "overlap")}


@cite("bordelon2025dynamically")
class IntegratorModes(AbstractTheory):
    r"""A linear recurrent network that learns to filter white noise, reduced to one or two modes.

    Recurrent weights that begin at zero stay within $\mathrm{span}\{u_0, v_0\}$ of read-in and read-out, and so do
    these: a network of any size learns as one of *two* units does (`outlier_pair_slopes`), whose eigenvalues are a
    single outlier for a leaky integrator and a conjugate pair for an oscillation. Small random weights add a bulk to
    it. With the read-out along the read-in, one mode is enough (`single_outlier_slopes`). Rates of weights may differ,
    so that a read-in may be frozen.

    Predicts "loss", "outlier_eigenvalues" and "overlaps", as `OutlierEigenvalues(modes)` and `Overlaps()` record them.

    Args:
        modes: 2, or 1 for the single outlier.
        rates: factors on the gradients of the weights, a prefix of the network's tree; `predict` takes them from the
            rule.
        solver: a diffrax solver; by default `Kvaerno3`, because curvatures grow as the cube of the timescale and an
            explicit solver would crawl. `predict` takes that of the rule, if it has one.
    """

    strength: ClassVar[int] = 1
    modes: int = eqx.field(static=True, default=2)
    rates: Any = None
    solver: diffrax.AbstractSolver | None = None

    def __check_init__(self) -> None:
        if self.modes not in (1, 2):
            raise ValueError(
                f"IntegratorModes needs modes of 1 or 2 (read-in and read-out span no more), got {self.modes}."
            )

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "IntegratorModes":
        solver = getattr(rule, "solver", None)
        return IntegratorModes(self.modes, getattr(rule, "rates", None), self.solver if solver is None else solver)

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(task, tasks.ContinuousIntegration):
            return f"it is about the task `ContinuousIntegration`, got {type(task).__name__}."
        if not isinstance(network, nn.LeakyLinearRNN):
            return f"it is about `LeakyLinearRNN` networks, got {type(network).__name__}."
        if not isinstance(loss, SquaredError):
            return f"it needs squared error, got {type(loss).__name__}."
        return task.applies(network, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        basis, modes = _reduce(network)
        outside = network.recurrent_weights - basis @ modes.recurrent @ basis.T
        spread = array_rates(network, getattr(rule, "rates", None))[1]
        unstable = jnp.max(jnp.linalg.eigvals(network.recurrent_weights).real) - 1
        found = (
            Assumption(
                "recurrence within the span of read-in and read-out",
                jnp.linalg.norm(outside, ord=2),
                SMALL,
                "the largest singular value of the recurrent weights outside that span",
                f"begin at smaller or zero recurrent weights, or {SIMULATE}",
            ),
            Assumption(
                "stable network",
                unstable,
                0.0,
                "the largest real part of the recurrent eigenvalues less 1",
                "begin at smaller recurrent weights; the loss of an unstable network is infinite.",
            ),
            Assumption("one rate for each weight", spread, SMALL, "how far rates within an array differ", SIMULATE),
            *flow_assumptions(network, task, rule, rates=True),
        )
        if isinstance(rule, Descent):
            found = (*found, _small_steps_at_the_end(task, rule))
        if self.modes == 1:
            across = _across(modes)
            remedy = "use `IntegratorModes()`, which has both directions."
            statement = "the part of the read-out across the read-in, relative to what it is to become or is"
            found = (
                *found,
                Assumption("read-out along the read-in", across / _goal(modes, task), SMALL, statement, remedy),
            )
        return found

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        modes = _reduce(network)[1]
        rates = array_rates(network, self.rates)[0]
        single = self.modes == 1
        start = Outlier(modes.read_in[0], modes.recurrent[0, 0], modes.read_out[0]) if single else modes

        # One array: an implicit solver's Jacobian of several would take longer to compile.
        flat, unravel = ravel_pytree(start)

        def field(t: Array, flat: Array, args: Any) -> Array:
            modes: Any = unravel(flat)
            slopes = single_outlier_slopes(modes, task) if single else outlier_pair_slopes(modes, task)
            return -ravel_pytree(type(modes)(*(rate * slope for rate, slope in zip(rates, slopes, strict=True))))[0]

        def save(t: Array, flat: Array, args: Any) -> dict[str, Array]:
            modes: Any = unravel(flat)
            if single:
                loss, outlier = single_outlier_loss(modes, task), modes.eigenvalue
                eigenvalues = jnp.stack([outlier, jnp.zeros_like(outlier)])[None]
                modes = Modes(modes.read_in[None], outlier[None, None], modes.read_out[None])
            else:
                loss, eigenvalues = outlier_pair_loss(modes, task), pair_eigenvalues(modes.recurrent)
            overlaps = analyse.overlaps_of(modes.read_in, modes.recurrent, modes.read_out)
            return {"loss": loss, "outlier_eigenvalues": eigenvalues, "overlaps": overlaps}

        # Implicit solvers of higher order stall at the end, where their chord iterations meet rounding.
        solver = diffrax.Kvaerno3() if self.solver is None else self.solver
        values, _, result = solve_ode(field, flat, ts, save=save, solver=solver)
        coords = {"part": ("real", "imaginary"), "overlap": analyse.OVERLAPS}
        return Trajectory(ts, values, DIMS, coords, result=result)  # pyright: ignore[reportArgumentType]


def _reduce(network: Any) -> tuple[Float[Array, "hidden 2"], Modes]:
    """An orthonormal basis of read-in and read-out (its second vector 0 where they are parallel), the network in it."""
    read_in, read_out = network.input_weights[:, 0], network.output_weights[0]
    # A silent read-in: the read-out alone spans it.
    first = _unit(jnp.where(jnp.any(read_in != 0), read_in, read_out))
    across = read_out - first * (first @ read_out)
    across = across - first * (first @ across)
    small = 100 * jnp.finfo(read_out.dtype).eps * jnp.linalg.norm(read_out)
    basis = jnp.stack([first, jnp.where(jnp.linalg.norm(across) > small, _unit(across), 0)], axis=1)
    return basis, Modes(basis.T @ read_in, basis.T @ network.recurrent_weights @ basis, basis.T @ read_out)


def _unit(vector: Float[Array, " hidden"]) -> Float[Array, " hidden"]:
    norm = jnp.linalg.norm(vector)
    return vector / jnp.where(norm > 0, norm, 1)


def _across(modes: Modes) -> Float[Array, ""]:
    """The part of the read-out across the read-in."""
    return jnp.abs(modes.read_out[1])


def _goal(modes: Modes, task: tasks.ContinuousIntegration) -> Float[Array, ""]:
    """The norm of the read-out that a network of one mode ends with, or the larger one that it has."""
    read_in = jnp.abs(modes.read_in[0])
    needed = jnp.abs(task.amplitude) / jnp.where(read_in > 0, read_in, 1)
    return jnp.maximum(jnp.abs(modes.read_out[0]), needed)


def _small_steps_at_the_end(task: tasks.ContinuousIntegration, rule: Descent) -> Assumption:
    """That the learning rate is small against one over the sharpness of the solution, which is far above that before
    learning."""
    one = jnp.ones_like(task.decay)
    size = jnp.sqrt(jnp.abs(task.amplitude))
    solution = nn.LeakyLinearRNN(
        size * jnp.array([[1.0], [0.0]]),
        jnp.stack([jnp.stack([one - task.decay, -task.frequency]), jnp.stack([task.frequency, one - task.decay])]),
        task.amplitude / size * jnp.array([[1.0, 0.0]]),
    )
    rate = rule.rate(jnp.zeros((), jnp.int32))
    sharpness = analyse.sharpness(solution, task, num_iterations=8)
    statement = "learning rate x sharpness of the balanced solution (it grows as the cube of the timescale)"
    remedy = "use a smaller learning rate, or `GradientFlow()`."
    return Assumption("small steps at the solution", rate * sharpness, 0.1, statement, remedy)
