"""Forecasts of a reconstruction from every point of a series, and how long they are good."""

from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import analyse, nn
from ..reconstruct import Reconstruction

#: Fractions of what is known of a state that the data replace at each step, of which the best one is taken.
STRENGTHS = (1.0, 0.5, 0.25, 0.1)

#: At most so many forecasts, evenly spread over the test part.
_STARTS = 500

#: A forecast is good until its error is so many standard deviations.
THRESHOLD = 0.4


def states_along(reconstruction: Reconstruction, series: Any, strength: float) -> Float[Array, "time state"]:
    """The latent state after each point of a series was taken up, as `Reconstruction.forecast` does it."""
    given = reconstruction.standardise(series)
    strength = jnp.asarray(strength, given.dtype)  # pyright: ignore[reportAssignmentType]
    return _states_along(reconstruction.model, reconstruction.observation, given, strength)


@eqx.filter_jit
def _states_along(model: Any, observation: Any, given: Array, strength: Any) -> Array:
    if isinstance(model, nn.AbstractReservoir):
        nothing = jnp.zeros(model.in_size, given.dtype)

        def absorb(state: Any, x: Array) -> tuple[Any, Array]:
            state = model.absorb(state, x, nothing)
            return state, jax.flatten_util.ravel_pytree(state)[0]

        return jax.lax.scan(absorb, model.init_state(), given)[1]
    strengths, move = strength * observation.known(), mover(model)

    def one(state: Array, x: Array) -> tuple[Array, Array]:
        state = (1 - strengths) * move(state) + strengths * observation.invert(x)
        return state, state

    start = observation.start(given[0])
    return jnp.concatenate([start[None], jax.lax.scan(one, start, given[1:])[1]])


def mover(model: Any) -> Any:
    """One step of a network on the vector of all its states, without external input."""
    start = model.init_state()
    _, unravel = jax.flatten_util.ravel_pytree(start)
    nothing = jnp.zeros(getattr(model, "in_size", 0), jax.flatten_util.ravel_pytree(start)[0].dtype)
    return lambda state: jax.flatten_util.ravel_pytree(model.step(unravel(state), nothing)[0])[0]


@eqx.filter_jit
def forecasts(
    reconstruction: Reconstruction, states: Float[Array, "start state"], num: int
) -> Float[Array, "start step out"]:
    """What is seen 1, 2, ... steps after each of many states, standardised."""
    move, see = mover(reconstruction.model), jax.vmap(reconstruction.observation.observe)
    model = reconstruction.model
    # What is read from such a state is the next point already.
    ahead = isinstance(model, nn.AbstractReservoir) and model.is_ahead

    def one(states: Array, _: None) -> tuple[Array, Array]:
        moved = jax.vmap(move)(states)
        return moved, see(states if ahead else moved)

    return jnp.swapaxes(jax.lax.scan(one, states, length=num)[1], 0, 1)


def prediction_errors(
    reconstruction: Reconstruction, past: np.ndarray, series: np.ndarray, num: int, strength: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """The mean squared error after `num` steps, over starts that are spread over a series.

    Args:
        reconstruction: the model.
        past: what comes before the series, taken up first.
        series: the series, in the units of the data.
        num: steps ahead.
        strength: of the forcing by which the series is taken up.

    Returns:
        The error in variances of the data, the forecasts (start, step, column) and their starts: the places in the
        series of the last known point.
    """
    states = np.asarray(states_along(reconstruction, np.concatenate([past, series]), strength))[len(past) :]
    last = len(series) - num
    starts = np.unique(np.linspace(0, last - 1, min(_STARTS, last)).round().astype(int))
    found = np.asarray(forecasts(reconstruction, jnp.asarray(states[starts]), num), float)
    truth = np.asarray(reconstruction.standardise(series), float)
    errors = (found[:, -1] - truth[starts + num]) ** 2
    return float(np.mean(errors)) if np.all(np.isfinite(errors)) else float("inf"), found, starts


def best_strength(reconstruction: Reconstruction, train: np.ndarray, num: int) -> float:
    """By which forcing a series is best taken up, judged by errors in the training part."""
    if isinstance(reconstruction.model, nn.AbstractReservoir):
        return 1.0
    cut = len(train) // 2
    past, series = train[max(0, cut - 200) : cut], train[cut : cut + 4000]
    errors = [prediction_errors(reconstruction, past, series, num, strength)[0] for strength in STRENGTHS]
    return STRENGTHS[int(np.argmin(errors))]


def horizon(forecasts: np.ndarray, starts: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """For how many steps each forecast is good.

    Args:
        forecasts: (start, step, column), standardised.
        starts: the last known points.
        truth: the series, standardised.
    """
    num = forecasts.shape[1]
    came = np.stack([truth[start + 1 : start + 1 + num] for start in starts])
    spread = np.ones(truth.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        kept = np.where(np.isfinite(forecasts), forecasts, 1e9)
    return np.asarray(analyse.valid_time(came, kept, threshold=THRESHOLD, spread=spread))
