"""Kernel gradient flow: any network, as if it were linear in its parameters."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions, needs_moments
from ._equivalent_batch import equivalent_batch
from ._record import DIMS
from ._tangent_spectrum import ExcitedSpectrum, dense_spectrum, krylov_spectrum
from ._theory import AbstractTheory, Assumption

#: The largest relative error of the linearisation, and change of the kernel, under which a network counts as lazy.
LAZY = 0.1

#: Learning is over when this part of what can be learned is left.
LEFT = 1e-2

#: Examples on which the change of the kernel is measured.
PROBES = 16


@cite("jacot2018neural", "lee2019wide")
class LinearizedFlow(AbstractTheory):
    r"""Kernel gradient flow under the empirical tangent kernel of any network (MLP, recurrent, linear), on samples or
    moments.

    With $\Theta = J J^\top$ at the initial parameters and weights $\mu_p$ of the samples (one over their number),

    $$f_t(x) = f_0(x) - \Theta(x, X)\, \mu^{1/2}\, \frac{1 - e^{-\tilde\Theta t}}{\tilde\Theta}\, \mu^{1/2} (f_0 - y),
    \qquad \tilde\Theta = \mu^{1/2} \Theta(X, X)\, \mu^{1/2} .$$

    Exact where features do not move (wide networks, large outputs, one layer). Outputs at the last step or at all
    steps, masks and weights of a `Batch`, and singular kernels are taken as they are. With few outputs the kernel is
    computed in blocks and diagonalised; with many it is never formed, but applied to vectors (one backward and one
    forward pass each).

    It predicts the losses on all parts and the mode strengths that `simulate` records.

    Args:
        dense_size: up to so many outputs (samples x outputs x steps) the kernel is formed.
        krylov_size: products with the kernel where it is not.
        until: the learning time up to which features have to stay as they are; by default the last of the asked-for
            times (without any, the time when 1 % of what can be learned is left).
        linear_networks: whether it is about linear networks too, for which `MomentFlow` is exact at less cost.
            `predict` tries it for the others only, unless asked.
    """

    dense_size: int = eqx.field(default=1024, static=True)
    krylov_size: int = eqx.field(default=256, static=True)
    until: Float[Array, ""] | float | None = None
    linear_networks: bool = eqx.field(default=True, static=True)
    strength: ClassVar[int] = 3

    def within(self, duration: Float[Array, ""]) -> "LinearizedFlow":
        return dataclasses.replace(self, until=duration) if self.until is None else self

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(loss, SquaredError):
            return f"it needs squared error, got {type(loss).__name__}."
        if nn.is_linear(network) and not self.linear_networks:
            return f"moments suffice for a {type(network).__name__}; ask for `LinearizedFlow()` to see it all the same."
        data = task.train if isinstance(task, tasks.Split) else task
        if isinstance(data, tasks.Batch):
            shape = eqx.filter_eval_shape(_outputs, network, data).shape
            if shape != data.y.shape:
                return f"the network's outputs have shape {shape} and the targets {data.y.shape}."
            return None
        if not nn.is_linear(network):
            return (
                f"it needs samples for a {type(network).__name__}, got {type(data).__name__}; "
                "pass `task.draw(num, key=key)`."
            )
        return needs_moments(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        batch, _ = training_samples(task)
        tangent = Tangent(network, batch)
        spectrum = self._spectrum(tangent, network, batch)
        end = spectrum.time_to_learn(LEFT) if self.until is None else jnp.asarray(self.until, batch.x.dtype)
        move = tangent.displacement(spectrum.integral(end))
        moved = eqx.combine(jtu.tree_map(jnp.add, tangent.params, move), tangent.static)
        before, linear = tangent.outputs(tangent.params), tangent.push(move)
        wrong = tangent.outputs(eqx.filter(moved, eqx.is_inexact_array)) - before - linear
        probes = batch.x[:: max(1, -(-batch.num // PROBES))]
        output = nn.apply if batch.y.ndim == 3 else nn.apply_last
        kernels = [analyse.tangent_kernel(net, probes, output=output) for net in (network, moved)]
        remedy = "use a wider network or larger outputs, shorter times, a theory of feature learning, or simulate."
        found = [
            Assumption(
                "linear in the parameters",
                _relative(wrong, linear),
                LAZY,
                "the error of the linearised outputs at the last time, relative to their change",
                remedy,
            ),
            Assumption(
                "constant tangent kernel",
                _relative(kernels[1] - kernels[0], kernels[0]),
                LAZY,
                "the relative change of the tangent kernel up to the last time, were learning linear",
                remedy,
            ),
        ]
        if tangent.num_rows > self.dense_size:
            lost = jnp.linalg.norm(spectrum.unresolved * jnp.exp(-spectrum.rates * end) * spectrum.coefficients) * end
            found.append(
                Assumption(
                    "resolved spectrum",
                    lost / jnp.linalg.norm(spectrum.coefficients),
                    0.01,
                    "what the Krylov space loses up to the last time, relative to the initial residual",
                    "use a larger `krylov_size`.",
                )
            )
        return (*found, *flow_assumptions(network, task, rule))

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        batch, floor = training_samples(task)
        tangent = Tangent(network, batch)
        spectrum = self._spectrum(tangent, network, batch)
        ts = ts.astype(batch.x.dtype)
        values = {"loss": floor + spectrum.loss(ts)}
        measure = _measurements(network, task, batch)
        if measure:

            def at(t: Array) -> dict[str, Array]:
                move = tangent.displacement(spectrum.integral(t))
                return {name: pushed(tangent.params, move) for name, pushed in measure.items()}

            values |= jax.lax.map(at, ts)
        return Trajectory(ts, values, {name: DIMS[name] for name in values})  # pyright: ignore[reportArgumentType]

    def _spectrum(self, tangent: "Tangent", network: Any, batch: tasks.Batch) -> ExcitedSpectrum:
        residual = tangent.residual()
        if tangent.num_rows > self.dense_size:
            return krylov_spectrum(lambda q: tangent.push(tangent.pull(q)), residual, self.krylov_size)
        output = nn.apply if batch.y.ndim == 3 else nn.apply_last
        kernel = analyse.tangent_kernel(network, batch.x, output=output).reshape(tangent.num_rows, -1)
        scale = jnp.broadcast_to(tangent.scale, batch.y.shape).reshape(-1)
        return dense_spectrum(scale[:, None] * kernel * scale, residual)


class Tangent(eqx.Module):
    """A network's outputs on weighted samples and their derivatives, as products that never form the Jacobian.

    Outputs are multiplied by the roots of their weights in the loss, which is then half the squared norm of the
    residual.
    """

    params: Any
    static: Any
    batch: tasks.Batch
    scale: Float[Array, "num ..."]

    def __init__(self, network: Any, batch: tasks.Batch) -> None:
        self.params, self.static = eqx.partition(network, eqx.is_inexact_array)
        self.batch, self.scale = batch, root_weights(batch)

    @property
    def num_rows(self) -> int:
        """Samples x outputs (x steps)."""
        return self.batch.y.size

    def outputs(self, params: Any) -> Float[Array, " row"]:
        """All outputs."""
        return (self.scale * _outputs(eqx.combine(params, self.static), self.batch)).reshape(-1)

    def residual(self) -> Float[Array, " row"]:
        """Outputs less targets before learning."""
        return self.outputs(self.params) - (self.scale * self.batch.y).reshape(-1)

    def push(self, move: Any) -> Float[Array, " row"]:
        """$J \\delta$: how outputs change with the parameters."""
        return jax.jvp(self.outputs, (self.params,), (move,))[1]

    def pull(self, cotangent: Float[Array, " row"]) -> Any:
        """$J^\\top q$."""
        return jax.vjp(self.outputs, self.params)[1](cotangent)[0]

    def displacement(self, integral: Float[Array, " row"]) -> Any:
        """The parameters' change, $-J^\\top$ times the residual's integral over time."""
        return jtu.tree_map(jnp.negative, self.pull(integral))


def _outputs(network: Any, batch: tasks.Batch) -> Float[Array, "num ..."]:
    """The outputs that targets are about: of all steps, or of the last."""
    output = nn.apply if batch.y.ndim == 3 else nn.apply_last
    return jax.vmap(lambda x: output(network, x))(batch.x)


def root_weights(batch: tasks.Batch) -> Float[Array, "num ..."]:
    """The root of each target's weight in the loss: one over the number of samples, or their weights; zero where
    masked."""
    dtype = batch.y.dtype
    weight = jnp.full(batch.num, 1 / batch.num, dtype) if batch.weight is None else batch.weight / jnp.sum(batch.weight)
    scale = jnp.sqrt(weight).astype(dtype).reshape(-1, *[1] * (batch.y.ndim - 1))
    return scale if batch.mask is None or batch.y.ndim == 2 else scale * batch.mask[..., None]


def training_samples(task: Any) -> tuple[tasks.Batch, Float[Array, ""]]:
    """What is trained on as samples, and the loss that remains beside them (of moments, their floor)."""
    data = task.train if isinstance(task, tasks.Split) else task
    if isinstance(data, tasks.Batch):
        return data, jnp.zeros((), data.y.dtype)
    moments = tasks.as_moments(data)
    return equivalent_batch(moments), moments.residual_form().floor


def _measurements(network: Any, task: Any, batch: tasks.Batch) -> dict[str, Callable[[Any, Any], Array]]:
    """What `simulate` records beside the training loss, as functions of the initial parameters and their change."""
    static = eqx.filter(network, eqx.is_inexact_array, inverse=True)
    found: dict[str, Callable[[Any, Any], Array]] = {}

    def linearized(function: Callable[[Any], Array]) -> Callable[[Any, Any], Array]:
        def pushed(params: Any, move: Any) -> Array:
            value, change = jax.jvp(lambda p: function(eqx.combine(p, static)), (params,), (move,))
            return value + change

        return pushed

    def held_out(part: Any) -> Callable[[Any, Any], Array]:
        samples, floor = training_samples(part)
        scale = root_weights(samples)
        outputs = linearized(lambda net: _outputs(net, samples))
        return lambda params, move: floor + 0.5 * jnp.sum((scale * (outputs(params, move) - samples.y)) ** 2)

    if isinstance(task, tasks.Split):
        parts = {"validation_loss": task.validation, "test_loss": task.test}
        found |= {name: held_out(part) for name, part in parts.items() if part is not None}
    data = task.train if isinstance(task, tasks.Split) else task
    if isinstance(data, tasks.Batch) and data.mask is not None:
        return found
    moments = tasks.as_moments(data)
    modes = moments.singular_modes()
    if nn.is_linear(network):
        response = linearized(lambda net: analyse.linear_response(net, moments.num_steps))
    else:
        best = analyse.BestLinearMap(batch.x, batch.weight)
        response = linearized(best)
    found["mode_strengths"] = lambda params, move: modes.mode_strengths(response(params, move))
    if moments.num_steps is not None:
        found["step_mode_strengths"] = lambda params, move: modes.project(response(params, move))
    return found


def _relative(change: Array, whole: Array) -> Array:
    size = jnp.sqrt(jnp.sum(whole**2))
    return jnp.sqrt(jnp.sum(change**2)) / jnp.where(size > 0, size, 1)
