"""Training steps of all seeds at once: what stays, what changes, and some steps in a row."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import optax
from jaxtyping import Array, Float, Int, Key

from ..nn import AbstractObservation, AbstractRecurrent
from ._forcing import AbstractForcing
from ._regularise import AbstractRegulariser
from ._series import Windows
from ._unroll import forced_orbits


class Model(eqx.Module):
    """What is trained: a network and what is observed of it."""

    network: AbstractRecurrent
    observation: AbstractObservation


class Training(eqx.Module):
    """All that stays the same during a training.

    Args:
        data: the series.
        forcing: how states are forced; arrays with an axis have one value for each seed.
        regularisers: what is added to the loss.
        observation_weight: of the observation model's penalty.
        rates: the first and the last learning rate.
        num_steps: how many gradient steps there are in all.
        keys: randomness of the windows, one for each seed.
        rest: what of the models is no parameter.
        transform: what makes an update of a gradient.
        schedule: the learning rate of a step, in the place of `rates`.
        batch_size: windows of a step.
    """

    data: Windows
    forcing: AbstractForcing
    regularisers: tuple[AbstractRegulariser, ...]
    observation_weight: Float[Array, ""]
    rates: Float[Array, "2"]
    num_steps: Int[Array, ""]
    keys: Key[Array, " seed"]
    rest: Any
    transform: optax.GradientTransformation = eqx.field(static=True)
    schedule: Any = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)

    def rate(self, step: Int[Array, ""]) -> Array:
        """The learning rate of a step: exponential from the first to the last one."""
        if self.schedule is not None:
            return self.schedule(step)
        share = step / jnp.maximum(self.num_steps - 1, 1)
        return self.rates[0] * (self.rates[1] / self.rates[0]) ** share

    def forcing_axes(self) -> Any:
        """Which arrays of the forcing have an axis of seeds."""
        return jtu.tree_map(lambda leaf: 0 if leaf.ndim else None, self.forcing)


class Progressed(eqx.Module):
    """All that changes, and so all that a checkpoint must hold; every array has the seeds first.

    Args:
        params: the parameters of the models.
        moments: the state of the transformation.
        memory: that of the forcing.
        stopped: after how many steps the seed's gradient was not finite; the parameters are those before. The number of
            all steps where that did not happen.
    """

    params: Any
    moments: Any
    memory: Any
    stopped: Any


#: What is recorded: the mean loss, the largest norm of the gradient and the last strength of some steps.
CURVES = ("loss", "gradient_norm", "strength")


@eqx.filter_jit
def begin(training: Training, params: Any) -> Progressed:
    """The state before the first step, for all seeds."""
    axes = training.forcing_axes()
    num = training.keys.shape[0]
    memory = jax.vmap(lambda forcing, _: forcing.init(), (axes, 0))(training.forcing, jnp.arange(num))
    moments = jax.vmap(training.transform.init)(params)
    return Progressed(params, moments, memory, jnp.full(num, training.num_steps, jnp.int32))


def batch_of(training: Training, key: Key[Array, ""], step: Int[Array, ""]) -> tuple[Array, Array]:
    """The windows of a step, "step batch out" with one point more than steps, and the inputs of the steps."""
    data = training.data
    drawn = jr.randint(jr.fold_in(key, step), (training.batch_size,), 0, data.starts.shape[0])
    places = data.starts[drawn] + jnp.arange(data.window + 1)[:, None]
    return data.values[places], data.inputs[places[1:]]


def forced(
    model: Model, strengths: Float[Array, " step"], xs: Float[Array, "point batch out"], inputs: Array
) -> tuple[Array, Array]:
    """Forced orbits of a batch: predicted and forced states."""
    each = jax.vmap(jax.vmap(model.observation.invert))
    signals = each(xs[1:])
    strengths = (strengths[:, None] * model.observation.known()).astype(xs.dtype)
    # The start is a constant but for the weights by which an observation model guesses what it does not see.
    start = jax.vmap(model.observation.start)(xs[0])
    start = jnp.where(model.observation.known(), jax.lax.stop_gradient(start), start)
    return forced_orbits(model.network, start, signals, strengths, inputs)


def loss_of(
    training: Training, model: Model, strengths: Array, xs: Array, inputs: Array
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """What is descended, and the mean squared error of all one-step predictions in it."""
    predicted, _ = forced(model, strengths, xs, inputs)
    error = jnp.mean((jax.vmap(jax.vmap(model.observation.observe))(predicted) - xs[1:]) ** 2)
    extra = training.observation_weight * model.observation.penalty()
    for regulariser in training.regularisers:
        extra = extra + regulariser(model.network)
    return error + extra.astype(error.dtype), error


def train_step(training: Training, now: Progressed, step: Int[Array, ""]) -> tuple[Progressed, tuple[Array, ...]]:
    """One gradient step of every seed."""
    axes = training.forcing_axes()
    num = training.data.window
    xs, inputs = jax.vmap(lambda key: batch_of(training, key, step))(training.keys)

    def adapted(memory: Any) -> Any:
        def one(forcing: AbstractForcing, params: Any, memory: Any, xs: Array, inputs: Array) -> Any:
            model = eqx.combine(params, training.rest)
            _, states = forced(model, forcing.strengths(num, memory), xs, inputs)
            return forcing.adapt(model.network, states, inputs, memory)

        return jax.vmap(one, (axes, 0, 0, 0, 0))(training.forcing, now.params, memory, xs, inputs)

    every = training.forcing.every
    # Outside the map over seeds, so that only every few steps pay for it.
    memory = jax.lax.cond(step % every == 0, adapted, lambda memory: memory, now.memory) if every else now.memory

    def one(
        forcing: AbstractForcing, params: Any, moments: Any, memory: Any, stopped: Array, xs: Array, inputs: Array
    ) -> Any:
        strengths = forcing.strengths(num, memory)

        def objective(params: Any) -> tuple[Array, Array]:
            return loss_of(training, eqx.combine(params, training.rest), strengths, xs, inputs)

        gradient, error = jax.grad(objective, has_aux=True)(params)
        norm = optax.tree.norm(gradient)
        updates, moved = training.transform.update(gradient, moments, params)
        rate = training.rate(step)
        new = jtu.tree_map(lambda param, update: param - (rate * update).astype(param.dtype), params, updates)
        fine = jnp.isfinite(norm) & jnp.isfinite(error)
        stopped = jnp.where(fine, stopped, jnp.minimum(stopped, step))
        keep = step < stopped
        params, moments = jtu.tree_map(lambda a, b: jnp.where(keep, a, b), (new, moved), (params, moments))
        # Of a seed that has stopped, curves are infinite rather than no numbers.
        error, norm = (jnp.where(jnp.isfinite(value), value, jnp.inf) for value in (error, norm))
        return params, moments, stopped, (error, norm, jnp.mean(strengths).astype(error.dtype))

    params, moments, stopped, curves = jax.vmap(one, (axes, 0, 0, 0, 0, 0, 0))(
        training.forcing, now.params, now.moments, memory, now.stopped, xs, inputs
    )
    return Progressed(params, moments, memory, stopped), curves


@eqx.filter_jit
def advance(
    training: Training, now: Progressed, first: Int[Array, ""], stop: Int[Array, ""], stride: Int[Array, ""], size: int
) -> tuple[Progressed, Float[Array, "curve seed record"]]:
    """Some records of so many steps each; `size` of them at most, so that every chunk is one program.

    Args:
        training: what stays the same.
        now: the state before.
        first: the first record.
        stop: one past the last.
        stride: the steps of a record; the very last may have fewer.
        size: how many records a chunk has at most.

    Returns:
        The state after, and the curves.
    """
    num = training.keys.shape[0]

    def record(index: Array, carry: tuple[Progressed, Array]) -> tuple[Progressed, Array]:
        now, kept = carry
        begin = index * stride
        end = jnp.minimum(begin + stride, training.num_steps)

        def one(step: Array, carry: tuple[Progressed, Array, Array, Array]) -> tuple[Progressed, Array, Array, Array]:
            now, total, largest, _ = carry
            now, (error, norm, strength) = train_step(training, now, step)
            return now, total + error, jnp.maximum(largest, norm), strength

        nothing = jnp.zeros(num, kept.dtype)
        now, total, largest, strength = jax.lax.fori_loop(begin, end, one, (now, nothing, nothing, nothing))
        row = jnp.stack([total / jnp.maximum(end - begin, 1), largest, strength])
        return now, kept.at[:, :, index - first].set(row)

    kept = jnp.zeros((len(CURVES), num, size), training.data.values.dtype)
    return jax.lax.fori_loop(first, stop, record, (now, kept))
