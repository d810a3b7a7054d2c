"""Fits recurrent networks to time series by teacher forcing: all seeds as one program."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import optax
from jaxtyping import Array

from .._cite import cite
from .._types import PRNGKey
from ..learn import Checkpointer
from ..nn import AbstractObservation, AbstractRecurrent, IdentityObservation
from ._fitted import Fit, evaluate
from ._forcing import AbstractForcing, check_forcing
from ._regularise import AbstractRegulariser
from ._series import Windows, check_series, make_windows
from ._train import CURVES, Model, Progressed, Training, advance, begin
from ._unroll import input_size

#: Made once, so that a second call finds the compiled program.
_RADAM = optax.scale_by_radam()
#: Curves have at most so many records.
_RECORDS = 1000
#: A training that is watched has so many chunks, if nothing else is said.
_CHUNKS = 20

Progress = Callable[[int, int], None]


@cite("hess2023generalized", "liu2020variance")
def fit(
    model: AbstractRecurrent | Callable[[PRNGKey], AbstractRecurrent],
    series: Any,
    forcing: AbstractForcing,
    *,
    observation: AbstractObservation | Callable[[PRNGKey], AbstractObservation] | None = None,
    seeds: int = 1,
    steps: int = 5000,
    batch_size: int = 16,
    window: int = 200,
    learning_rate: float | tuple[float, float] | Callable[[Any], Any] = (1e-3, 1e-6),
    transform: optax.GradientTransformation = _RADAM,
    regularisers: Sequence[AbstractRegulariser] = (),
    observation_weight: float = 0.0,
    inputs: Any = None,
    standardise: bool = True,
    columns: Sequence[str] = (),
    threshold: float | None = None,
    aperiodic: bool | None = None,
    steps_per_chunk: int | None = None,
    checkpointer: Checkpointer | None = None,
    progress: Progress | None = None,
    key: PRNGKey,
) -> Fit:
    r"""Trains recurrent networks on time series until they run like them, and says how many of the seeds did not.

    Every gradient step draws windows of the series with replacement, runs the network along them under forcing, and
    descends the mean squared error of all its one-step predictions, $\frac1{BTN} \sum \|O(z_t) - x_t\|^2$. All seeds
    are trained side by side in one program. Then each runs freely, and is judged: see `Fit`.

    Args:
        model: a network that every seed starts from, or `function(key)` that makes one for each seed.
        series: what was observed, (time, column), or a list of such arrays of any lengths.
        forcing: how states are drawn to the data.
        observation: what is observed of the vector of all states: a model, or `function(key)` for each seed; by default
            the first units are.
        seeds: how many networks are trained.
        steps: gradient steps.
        batch_size: windows of a step.
        window: the steps of a window.
        learning_rate: the first and the last rate, exponential between; or one rate; or a function of the step.
        transform: makes an update of a gradient (of optax, without a learning rate); by default RAdam's.
        regularisers: what is added to the loss.
        observation_weight: of the observation model's penalty.
        inputs: external inputs, rows beside those of the series; those of a row act on the step to this row. By
            default zero.
        standardise: whether every column is brought to mean 0 and standard deviation 1.
        columns: names, for messages.
        threshold: the largest divergence in state space of a seed that has not failed; by default half that of
            independent Gaussian points with the covariance of the data.
        aperiodic: whether the data never repeat, so that a run that ends in a cycle has failed; by default judged by
            their autocorrelation.
        steps_per_chunk: gradient steps between two chunk borders; by default a twentieth of all where somebody watches.
        checkpointer: keeps the state at chunk borders and resumes from it, to bit-identical results.
        progress: called at chunk borders with the number of steps done and of all.
        key: randomness of weights and windows.

    Returns:
        All seeds with their curves, free runs, divergences and verdicts.

    Raises:
        ValueError: if an argument is not what it must be, or model, observation, forcing and series do not fit.

    !!! example
        ```python
        orbit = ln.systems.get("Lorenz").orbit(10_000, dt=0.01, noise=0.05, key=jax.random.key(0)).states
        found = ln.reconstruct.fit(
            lambda key: ln.nn.ShallowPLRNN(3, 50, key=key),
            orbit,
            ln.reconstruct.GeneralizedTeacherForcing(0.1),
            seeds=4,
            key=jax.random.key(1),
        )
        found.failure_rate, found.best.free_run(1000).values
        ```
    """
    for name, number in (("seeds", seeds), ("steps", steps), ("batch_size", batch_size)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f"`{name}` of a fit is a whole number of at least 1, got {number!r}.")
    rates, schedule = _rates(learning_rate)
    series = check_series(series, columns)
    make_key, train_key = jr.split(key)
    models = _make_models(model, observation, series, jr.split(make_key, seeds))
    one = jtu.tree_map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, models)
    check_forcing(forcing, one.network, one.observation)
    params, rest = eqx.partition(models, eqx.is_inexact_array)
    dtype = jnp.result_type(*jtu.tree_leaves(params))
    width = input_size(one.network)
    data = make_windows(
        series, window, inputs=inputs, in_size=width, standardise=standardise, columns=columns, dtype=dtype
    )
    _check_sizes(one, data)
    for leaf in jtu.tree_leaves(forcing):
        if leaf.ndim and leaf.shape != (seeds,):
            raise ValueError(f"An array in a forcing has one value for each of {seeds} seeds, got {leaf.shape}.")
    training = Training(
        data=data,
        forcing=forcing,
        regularisers=tuple(regularisers),
        observation_weight=jnp.asarray(observation_weight, dtype),
        rates=jnp.asarray(rates, dtype),
        num_steps=jnp.asarray(steps, jnp.int32),
        keys=jr.split(train_key, seeds),
        rest=eqx.filter(one, eqx.is_inexact_array, inverse=True),
        transform=transform,
        schedule=schedule,
        batch_size=batch_size,
    )
    now, curves, ends = _run(training, params, steps, steps_per_chunk, checkpointer, progress)
    return evaluate(
        eqx.combine(now.params, rest),
        data,
        curves=dict(zip(CURVES, curves)),
        ends=ends,
        stopped=now.stopped,
        steps=steps,
        threshold=threshold,
        aperiodic=aperiodic,
    )


def _run(
    training: Training,
    params: Any,
    steps: int,
    asked: int | None,
    checkpointer: Checkpointer | None,
    progress: Progress | None,
) -> tuple[Progressed, Array, np.ndarray]:
    """All chunks, from where a checkpoint left off if there is one; the curves and the steps at their records."""
    watched = checkpointer is not None or progress is not None
    if asked is not None and asked < 1:
        raise ValueError(f"`steps_per_chunk` is 1 or more, got {asked}.")
    chunk = min(steps, asked or (max(1, steps // _CHUNKS) if watched else steps))
    stride = -(-steps // _RECORDS)
    records = -(-steps // stride)
    size = max(1, chunk // stride)
    now = begin(training, params)
    seeds = training.keys.shape[0]
    kept = np.zeros((len(CURVES), seeds, records), training.data.values.dtype)
    # What decides the bits of the result besides the data: a checkpoint of another training is not used.
    plan = np.asarray([seeds, steps, training.data.window, training.batch_size, size, stride], np.int64)
    done = 0
    if checkpointer is not None:
        loaded = checkpointer.load({"plan": plan, "curves": kept, "state": now})
        if loaded is not None and np.array_equal(loaded[0]["plan"], plan):
            kept = np.array(loaded[0]["curves"])
            now, done = jtu.tree_map(jnp.asarray, loaded[0]["state"]), loaded[1]
    for first in range(done, records, size):
        stop = min(first + size, records)
        numbers = (jnp.asarray(number, jnp.int32) for number in (first, stop, stride))
        now, found = advance(training, now, *numbers, size)
        kept[:, :, first:stop] = np.asarray(found)[:, :, : stop - first]
        if checkpointer is not None:
            checkpointer.save({"plan": plan, "curves": kept, "state": now}, stop)
        if progress is not None:
            progress(min(stop * stride, steps), steps)
    return now, jnp.asarray(kept), np.minimum(np.arange(1, records + 1) * stride, steps)


def _make_models(model: Any, observation: Any, series: list[np.ndarray], keys: Array) -> Model:
    """The models of all seeds, every array with the seeds first."""
    width = series[0].shape[1]

    def make(key: PRNGKey) -> Model:
        first, second = jr.split(key)
        network = model if isinstance(model, AbstractRecurrent) else model(first)
        if not isinstance(network, AbstractRecurrent):
            raise ValueError(
                f"A fit needs a recurrent network of linnet.nn, or a function of a key that makes one, got a"
                f" {type(network).__name__}; `linnet.nn.adapt` makes one of an Equinox cell."
            )
        if observation is None:
            size = jtu.tree_leaves(jax.eval_shape(network.init_state))[0]
            if size.size < width:
                raise ValueError(
                    f"A {type(network).__name__} whose state has {size.size} numbers cannot show {width} columns as"
                    " they are; give a larger one, or an `observation`."
                )
            seen = IdentityObservation(width, size.size, dtype=size.dtype, key=second)
        else:
            seen = observation if isinstance(observation, AbstractObservation) else observation(second)
        if not isinstance(seen, AbstractObservation):
            raise ValueError(f"`observation` is an observation model of linnet.nn, got a {type(seen).__name__}.")
        return Model(network, seen)

    return eqx.filter_vmap(make)(keys)


def _check_sizes(model: Model, data: Windows) -> None:
    columns = data.values.shape[1]
    if model.observation.out_size != columns:
        raise ValueError(
            f"The observation model shows {model.observation.out_size} quantities, but the series has {columns}"
            " columns."
        )


def _rates(learning_rate: Any) -> tuple[tuple[float, float], Any]:
    if callable(learning_rate):
        return (1.0, 1.0), learning_rate
    try:
        first, last = learning_rate if isinstance(learning_rate, (tuple, list)) else (learning_rate, learning_rate)
        fine = first > 0 and last > 0
    except (TypeError, ValueError):
        first = last = 0.0
        fine = False
    if not fine:
        raise ValueError(
            f"`learning_rate` is a positive number, a first and a last one, or a function of the step, got"
            f" {learning_rate!r}."
        )
    return (float(first), float(last)), None
