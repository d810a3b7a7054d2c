"""Reservoirs fitted to time series by ridge regression."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from ..nn import AbstractReservoir, AffineObservation, EchoState, IdentityObservation, NextGenerationReservoir
from ._reconstruction import Reconstruction
from ._series import check_series, make_windows


@cite("jaeger2004harnessing", "gauthier2021next")
def fit_readout(
    model: AbstractReservoir,
    series: Any,
    ridge: Any = 1e-6,
    *,
    washout: int = 100,
    inputs: Any = None,
    standardise: bool = True,
    columns: Any = (),
) -> Reconstruction:
    r"""Fits the readout of a reservoir: $W = \arg\min \sum_t \|W \phi(r_t) - y_{t+1}\|^2 + \lambda \|W\|^2$.

    The reservoir reads the series, and its features are regressed on what comes next. In closed loop, which is how the
    result runs, it reads its own predictions.

    Args:
        model: an `EchoState` or a `NextGenerationReservoir`.
        series: (time, column), or a list of such arrays.
        ridge: $\lambda$, of the sum of squares over all points, in units of standardised data.
        washout: how many first points of each series only warm up the reservoir.
        inputs: external inputs, rows beside those of the series; by default zero.
        standardise: whether every column is brought to mean 0 and standard deviation 1.
        columns: names, for messages.

    Returns:
        The fitted model.

    Raises:
        ValueError: if series and model do not fit, a series is no longer than the washout, or a column has gaps or is
            constant.

    !!! example
        ```python
        orbit = ln.systems.get("Lorenz").orbit(5000, dt=0.02).states
        model = ln.nn.EchoState(3, 300, key=jax.random.key(0))
        fitted = ln.reconstruct.fit_readout(model, orbit[:4000], 1e-6)
        fitted.forecast(orbit[:4000], 200).values
        ```
    """
    if not isinstance(model, (EchoState, NextGenerationReservoir)):
        raise ValueError(f"A readout is fitted to an EchoState or NextGenerationReservoir, got {type(model).__name__}.")
    if isinstance(ridge, (int, float)) and not ridge >= 0:
        raise ValueError(f"`ridge` is not negative, got {ridge}.")
    before = max(washout, model.window if isinstance(model, NextGenerationReservoir) else 1)
    for number, part in enumerate(check_series(series, columns)):
        if len(part) < before + 2:
            raise ValueError(
                f"A readout is fitted to what comes after the first {before} points, but series {number} has"
                f" {len(part)}; give more data or a smaller `washout`."
            )
    dtype = jax.tree_util.tree_leaves(model.init_state())[0].dtype
    data = make_windows(
        series,
        before + 1,
        inputs=inputs,
        in_size=model.in_size,
        standardise=standardise,
        columns=columns,
        dtype=dtype,
    )
    if data.values.shape[1] != model.out_size:
        raise ValueError(f"This reservoir reads {model.out_size} columns, the series has {data.values.shape[1]}.")
    given = np.split(np.asarray(data.inputs), np.cumsum(data.lengths)[:-1])
    pairs = [_pairs(model, part, jnp.asarray(own), before) for part, own in zip(data.parts(), given)]
    features, targets = (jnp.concatenate(side) for side in zip(*pairs))
    weights = _ridge(features, targets, jnp.asarray(ridge, dtype))
    if not isinstance(weights, jax.core.Tracer) and not bool(jnp.all(jnp.isfinite(weights))):
        raise ValueError("The features are not independent: the regression needs a positive `ridge`, or more data.")
    fitted = model.with_readout(weights)
    if isinstance(fitted, NextGenerationReservoir):
        observation = IdentityObservation(fitted.out_size, fitted.window * fitted.out_size, dtype=dtype)
    else:
        observation = AffineObservation(
            *fitted.output_weights.shape, weights=fitted.output_weights, bias=fitted.output_bias
        )
    return Reconstruction(fitted, observation, data.mean, data.scale, data.values[:1])


@eqx.filter_jit
def _pairs(
    model: AbstractReservoir, values: Float[Array, "time out"], inputs: Float[Array, "time in"], before: int
) -> tuple[Float[Array, "step feature"], Float[Array, "step out"]]:
    """Features of the states after each point and what comes next, without the first points."""

    def one(state: Any, now: tuple[Array, Array, Array, Array]) -> tuple[Any, tuple[Array, Array]]:
        seen, x, following, x_next = now
        state = model.absorb(state, seen, x)
        return state, (model.features(state, x_next), model.target(state, following))

    xs = values[:-1], inputs[:-1], values[1:], inputs[1:]
    features, targets = jax.lax.scan(one, model.init_state(), xs)[1]
    return features[before - 1 :], targets[before - 1 :]


@jax.jit
def _ridge(
    features: Float[Array, "step feature"], targets: Float[Array, "step out"], ridge: Float[Array, ""]
) -> Float[Array, "out feature"]:
    """By an orthogonal decomposition of the features themselves: their products would square the condition number."""
    num = features.shape[1]
    extra = jnp.sqrt(ridge) * jnp.eye(num, dtype=features.dtype)
    q, r = jnp.linalg.qr(jnp.concatenate([features, extra]))
    wanted = q[: features.shape[0]].T @ targets
    return jax.scipy.linalg.solve_triangular(r, wanted).T
