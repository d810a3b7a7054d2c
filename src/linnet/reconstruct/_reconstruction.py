"""A fitted model of a time series, that runs freely and continues series."""

from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._types import PRNGKey
from ..nn import AbstractObservation, AbstractRecurrent, AbstractReservoir
from ._unroll import input_size, latent_step

#: An orbit that is so many standard deviations of the data away has left every bound.
BOUND = 1e4


class FreeRun(eqx.Module):
    """What a model does by itself.

    Args:
        values: the observed orbit, in the units of the data. Where it diverged, the last value before stays.
        states: the latent orbit, in the same form.
        num_valid: how many points are the model's, all unless it diverged.
        diverged: whether it left every bound.
    """

    values: Float[Array, "*seed time out"]
    states: Float[Array, "*seed time state"]
    num_valid: Int[Array, "*seed"]
    diverged: Bool[Array, "*seed"]

    @property
    def message(self) -> str:
        """How the run ended, as a sentence."""
        if not bool(np.any(np.asarray(self.diverged))):
            return "The run stayed within bounds."
        return (
            f"The run diverged: after {int(np.min(np.asarray(self.num_valid)))} of {self.values.shape[-2]} points it"
            f" was {BOUND:g} standard deviations of the data away or not finite. Train longer, force more, or use a"
            " clipped network, whose orbits are bounded."
        )


class Reconstruction(eqx.Module):
    """A dynamical system from a time series: a recurrent network, what is observed of it, and the scale of the data.

    As a map of latent states it is `model`, under the external input zero; everything in `linnet.analyse` takes that.

    Args:
        model: the network.
        observation: what is observed of the vector of all its states.
        mean: what was subtracted from each column of the data.
        scale: what each column was divided by.
        starts: some points of the data, standardised, to start from.
    """

    model: AbstractRecurrent
    observation: AbstractObservation
    mean: Float[Array, " out"]
    scale: Float[Array, " out"]
    starts: Float[Array, "start out"]

    def standardise(self, series: Any) -> Float[Array, "*time out"]:
        """A series in the model's units."""
        return (jnp.asarray(series, self.mean.dtype) - self.mean) / self.scale

    def free_run(self, num: int, *, start: Any = None, inputs: Any = None, key: PRNGKey | None = None) -> FreeRun:
        """An orbit of the model alone.

        Args:
            num: how many points.
            start: an observation to start from, or a piece of a series (time, column) to take up; by default the first
                of the stored points.
            inputs: external inputs of the steps; by default zero.
            key: picks one of the stored points at random in the place of the first.

        Returns:
            The run, the first of whose points comes one step after the start; it says whether it diverged.

        Raises:
            ValueError: if an argument is not what it must be.
        """
        if num < 1:
            raise ValueError(f"A free run has 1 or more points, got num={num}.")
        if start is None:
            place = 0 if key is None else jr.randint(key, (), 0, self.starts.shape[0])
            given = self.starts[place][None]
        else:
            given = self._observed(start)
        dtype = self.mean.dtype
        state = self._taken_up(given, _inputs(self.model, None, given.shape[0], dtype), jnp.ones((), dtype))
        return _run(self, state, _inputs(self.model, inputs, num, dtype))

    def forecast(
        self, series: Any, num: int, *, inputs: Any = None, past_inputs: Any = None, strength: float = 1.0
    ) -> FreeRun:
        """Continues a series: the model takes it up by forcing, then runs freely.

        Args:
            series: what was observed (time, column); the longer, the better hidden units know where they are.
            num: how many points to forecast.
            inputs: external inputs of the steps to come; by default zero.
            past_inputs: external inputs beside the series; by default zero.
            strength: how much of what is known of a state the data replace at each step; less than 1 averages over
                noise. Reservoirs take observations in their own way.

        Returns:
            The forecast; it says whether it diverged.

        Raises:
            ValueError: if an argument is not what it must be.
        """
        if num < 1:
            raise ValueError(f"A forecast has 1 or more points, got num={num}.")
        if not 0 <= strength <= 1:
            raise ValueError(f"The strength of forcing lies between 0 and 1, got {strength}.")
        given = self._observed(series)
        dtype = self.mean.dtype
        past = _inputs(self.model, past_inputs, given.shape[0], dtype)
        state = self._taken_up(given, past, jnp.asarray(strength, dtype))
        return _run(self, state, _inputs(self.model, inputs, num, dtype))

    def state_of(self, series: Any, *, inputs: Any = None, strength: float = 1.0) -> Float[Array, " state"]:
        """The latent state after a piece of a series (time, column) was taken up."""
        given = self._observed(series)
        past = _inputs(self.model, inputs, given.shape[0], self.mean.dtype)
        return self._taken_up(given, past, jnp.asarray(strength, self.mean.dtype))

    def _observed(self, series: Any) -> Float[Array, "time out"]:
        size = self.mean.shape[0]
        values = np.asarray(series)
        values = values[None] if values.ndim == 1 and values.shape[0] == size else values
        values = values[:, None] if values.ndim == 1 and size == 1 else values
        if values.ndim != 2 or values.shape[1] != size or len(values) == 0:
            raise ValueError(
                f"This model observes {size} quantities: give one observation ({size},) or a piece of a series"
                f" (time, {size}), got the shape {np.shape(series)}."
            )
        if not np.all(np.isfinite(values)):
            raise ValueError("What a model takes up is finite, got values that are not; cut the series after its gap.")
        return self.standardise(values)

    def _taken_up(
        self, given: Float[Array, "time out"], inputs: Float[Array, "time in"], strength: Array
    ) -> Float[Array, " state"]:
        return _take_up(self.model, self.observation, given, inputs, strength)


@eqx.filter_jit
def _take_up(model: Any, observation: Any, given: Array, inputs: Array, strength: Array) -> Array:
    if isinstance(model, AbstractReservoir):

        def absorb(state: Any, now: tuple[Array, Array]) -> tuple[Any, None]:
            return model.absorb(state, *now), None

        return jax.flatten_util.ravel_pytree(jax.lax.scan(absorb, model.init_state(), (given, inputs))[0])[0]
    strengths = strength * observation.known()

    def one(state: Array, now: tuple[Array, Array]) -> tuple[Array, None]:
        x, drive = now
        expected = latent_step(model, state, drive)
        return (1 - strengths) * expected + strengths * observation.invert(x), None

    return jax.lax.scan(one, observation.start(given[0]), (given[1:], inputs[1:]))[0]


@eqx.filter_jit
def _run(reconstruction: Reconstruction, state: Array, inputs: Array) -> FreeRun:
    model, observation = reconstruction.model, reconstruction.observation
    if isinstance(model, AbstractReservoir) and model.is_ahead:
        # What is read from the state before the first step is the first point already.
        states, num_valid = run_freely(model, observation, state, inputs[:-1])
        states, num_valid = jnp.concatenate([state[None], states]), num_valid + 1
    else:
        states, num_valid = run_freely(model, observation, state, inputs)
    values = jax.vmap(observation.observe)(states) * reconstruction.scale + reconstruction.mean
    return FreeRun(values, states, num_valid, num_valid < inputs.shape[0])


def run_freely(
    model: AbstractRecurrent,
    observation: AbstractObservation,
    state: Float[Array, " state"],
    inputs: Float[Array, "step in"],
) -> tuple[Float[Array, "step state"], Int[Array, ""]]:
    """The states after a start, and how many there are before the orbit leaves every bound; from then on the last
    one stays."""

    def one(carry: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        state, inside = carry
        moved = latent_step(model, state, x)
        seen = observation.observe(moved)
        # Also false for what is not a number.
        inside = inside & jnp.all(jnp.abs(seen) < BOUND) & jnp.all(jnp.isfinite(moved))
        state = jnp.where(inside, moved, state)
        return (state, inside), (state, inside)

    _, (states, inside) = jax.lax.scan(one, (state, jnp.asarray(True)), inputs)
    return states, jnp.sum(inside)


def _inputs(model: AbstractRecurrent, inputs: Any, num: int, dtype: Any) -> Float[Array, "step in"]:
    size = input_size(model)
    if inputs is None:
        return jnp.zeros((num, size), dtype)
    if np.shape(inputs) != (num, size):
        raise ValueError(f"There are {num} steps with {size} external inputs each, got the shape {np.shape(inputs)}.")
    return jnp.asarray(inputs, dtype)
