"""Forecasts from every point of a series, by a map, a network or a function, and their squared error."""

from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from ..nn import AbstractRecurrent
from ._tangent_steps import one_step


def forecast(
    model: Any,
    starts: Float[Array | np.ndarray, "start state"],
    num: int,
    *,
    observation: Any = None,
    inputs: Float[Array, " in"] | None = None,
) -> Float[Array, "start step observed"]:
    """The observations after 1, 2, ..., `num` steps from each of many starts, all at once.

    Args:
        model: a map of `linnet.systems`, a recurrent network, or a function from a state to the next.
        starts: the observations to start from.
        num: how many steps.
        observation: an observation model of `linnet.nn`, which says in which state an observation starts
            (`start`) and what is seen of a state (`observe`); by default the state itself is observed.
        inputs: the constant input of a recurrent network, by default zero where the network tells its size.

    Returns:
        The forecasts.

    Raises:
        ValueError: if an argument is not what it must be.
    """
    starts = _points(starts)
    if num < 1:
        raise ValueError(f"A forecast is of one or more steps, got num={num}.")
    return _along(_forecaster(model, observation, inputs, starts), starts, num)


@cite("hess2023generalized")
def prediction_error(
    model: Any,
    series: Float[Array | np.ndarray, "time state"],
    n: int = 20,
    *,
    observation: Any = None,
    inputs: Float[Array, " in"] | None = None,
) -> Float[Array, ""]:
    r"""The mean squared error of forecasts by n steps from every point of a series,

    $$\mathrm{PE}(n) = \frac{1}{N (T - n)} \sum_{t=1}^{T - n} \lVert x_{t+n} - \hat x_{t+n} \rVert^2.$$

    Over more steps than the predictability time, it says nothing about how good a model of a chaotic system is: the
    error of perfect models saturates at twice the variance, that of the mean at once the variance.

    Args:
        model: a map of `linnet.systems`, a recurrent network, or a function from a state to the next; or the forecasts
            themselves, of $x_{1+n}, \dots, x_T$ in this order.
        series: the $N$-dimensional test series $x_1, \dots, x_T$.
        n: the number of steps.
        observation: an observation model of `linnet.nn`; by default the state itself is observed.
        inputs: the constant input of a recurrent network, by default zero where the network tells its size.

    Returns:
        The error; infinite where a forecast is not finite.

    Raises:
        ValueError: if the series is no longer than n, or an argument is not what it must be.

    !!! example
        ```python
        henon = ln.systems.get("Henon")
        series = henon.orbit(1000, noise=0.05, key=jax.random.key(0)).states
        ln.analyse.prediction_error(henon, series, 5)
        ln.analyse.prediction_error(series[:-5], series, 5)  # persistence
        ```
    """
    series = _points(series)
    if not 1 <= n < len(series):
        raise ValueError(f"Forecasts by n steps need a series longer than n, got n={n} and {len(series)} points.")
    if isinstance(model, (jax.Array, np.ndarray)):
        found = jnp.asarray(model, series.dtype)
        if found.shape != series[n:].shape:
            raise ValueError(
                f"The forecasts by {n} steps of this series have the shape {series[n:].shape}, got {found.shape};"
                " give those of all points from the first to the last that has a point n steps later."
            )
    else:
        found = _after(_forecaster(model, observation, inputs, series), series[:-n], jnp.asarray(n))
    errors = (found - series[n:]) ** 2
    return jnp.where(jnp.all(jnp.isfinite(errors)), jnp.mean(errors), jnp.inf)


class _Forecaster(eqx.Module):
    """How a state moves, where an observation starts, and what is seen of a state."""

    step: Any
    observation: Any

    def start(self, x: Array) -> Array:
        return x if self.observation is None else self.observation.start(x)

    def observe(self, state: Array) -> Array:
        return state if self.observation is None else self.observation.observe(state)


def _forecaster(model: Any, observation: Any, inputs: Any, points: Array) -> _Forecaster:
    """The parts of a forecast.

    Raises:
        ValueError: if their sizes do not fit together.
    """
    forecaster = _Forecaster(one_step(model, inputs), observation)
    state = jax.eval_shape(forecaster.start, points[0])
    size = jax.flatten_util.ravel_pytree(model.init_state())[0].size if isinstance(model, AbstractRecurrent) else None
    if state.shape != ((state.size if size is None else size),):
        raise ValueError(
            f"A state of this {type(model).__name__} has {size} numbers, but an observation starts in {state.size};"
            " give an observation model (`observation`), such as `linnet.nn.IdentityObservation`."
        )
    moved = jax.eval_shape(forecaster.step, state)
    seen = jax.eval_shape(forecaster.observe, moved).shape if moved.shape == state.shape else None
    if seen != points[0].shape:
        raise ValueError(
            f"From observations of {points.shape[1]} numbers, the model's step goes from states of shape {state.shape}"
            f" to {moved.shape}, of which {seen} is seen; all must fit together: give an observation model"
            " (`observation`), such as `linnet.nn.IdentityObservation`."
        )
    return forecaster


def _points(series: Any) -> Array:
    found = jnp.asarray(series)
    if found.ndim != 2:
        raise ValueError(f"A series is (time, state), got the shape {found.shape}.")
    return found if jnp.issubdtype(found.dtype, jnp.floating) else found.astype(jnp.result_type(float))


@eqx.filter_jit
def _along(forecaster: _Forecaster, starts: Array, num: int) -> Array:
    """The observations after each of some steps."""

    def body(states, _):
        states = jax.vmap(forecaster.step)(states)
        return states, jax.vmap(forecaster.observe)(states)

    return jnp.swapaxes(jax.lax.scan(body, jax.vmap(forecaster.start)(starts), length=num)[1], 0, 1)


@eqx.filter_jit
def _after(forecaster: _Forecaster, starts: Array, num: Array) -> Array:
    """The observations after so many steps; any number of them is one program."""
    states = jax.vmap(forecaster.start)(starts)
    states = jax.lax.fori_loop(0, num, lambda _, states: jax.vmap(forecaster.step)(states), states)
    return jax.vmap(forecaster.observe)(states)
