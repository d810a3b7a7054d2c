"""Delay embeddings: states from a series and its past, and how many delays are enough."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite


@cite("takens1981detecting")
def delay_embedding(
    series: Float[Array | np.ndarray, "time *channel"], dimension: int, lag: int
) -> Float[Array, "point state"]:
    r"""States made of a series and its past, $(x_t, x_{t-\tau}, \dots, x_{t-(m-1)\tau})$, the newest value first.

    Args:
        series: $x$, of one channel or several; of several, each delay has all channels.
        dimension: how many delays, $m$.
        lag: $\tau$, in steps.

    Returns:
        A state for each time that has so much past: $(m - 1) \tau$ fewer than points.

    Raises:
        ValueError: if the series is too short.
    """
    series = jnp.asarray(series)
    if series.ndim not in (1, 2) or dimension < 1 or lag < 1:
        raise ValueError(
            "A delay embedding is of a series (time) or (time, channel), in one or more dimensions with a lag of one or"
            f" more steps, got the shape {series.shape}, {dimension} and {lag}."
        )
    num = len(series) - (dimension - 1) * lag
    if num < 1:
        raise ValueError(
            f"{dimension} delays of {lag} steps need a series of more than {(dimension - 1) * lag} points, got"
            f" {len(series)}."
        )
    parts = [series[(dimension - 1 - k) * lag :][:num].reshape(num, -1) for k in range(dimension)]
    return jnp.concatenate(parts, axis=1)


class EmbeddingDimension(eqx.Module):
    """Cao's measures of how many delays are enough. `int` of it is the dimension.

    Args:
        dimension: the smallest dimension from which on the first measure stays near 1.
        saturation: the first measure, E1, for dimensions 1, 2, ...: how much the distances of nearest neighbours
            change when there is one delay more.
        determinism: the second, E2: near 1 in every dimension for noise, and not in some for what is deterministic.
        saturated: whether the first measure came near 1 at all; where not, the dimension is the largest one.
    """

    dimension: int
    saturation: Float[Array, " dimension"]
    determinism: Float[Array, " dimension"]
    saturated: bool

    def __int__(self) -> int:
        return self.dimension


@cite("cao1997practical")
def embedding_dimension(
    series: Float[Array | np.ndarray, " time"],
    lag: int,
    *,
    max_dimension: int = 10,
    theiler: int | None = None,
    threshold: float = 0.9,
    num_references: int = 2000,
) -> EmbeddingDimension:
    r"""The dimension of a delay embedding by Cao's method of false neighbours.

    $$E(m) = \Big\langle \frac{\lVert y_i(m+1) - y_{n(i,m)}(m+1) \rVert}{\lVert y_i(m) - y_{n(i,m)}(m) \rVert}
    \Big\rangle_i, \qquad E_1(m) = \frac{E(m+1)}{E(m)}$$

    with $n(i, m)$ the nearest neighbour of $y_i$ in $m$ dimensions, all in the maximum norm. Enough dimensions are
    those from which on $E_1$ stays near 1.

    Args:
        series: the series.
        lag: $\tau$, in steps (see `embedding_lag`).
        max_dimension: the largest $m$.
        theiler: neighbours are more than so many steps away in time; by default the lag. Without, the neighbours of a
            finely sampled series are the points before and after.
        threshold: how near to 1 is near, from below. $E_1$ of known attractors is 0.93 to 0.97 where they are unfolded.
        num_references: for how many points $i$, evenly spread over time, neighbours are looked for, among all.

    Returns:
        The dimension and both measures.

    Raises:
        ValueError: if the series is too short, constant or not finite.

    !!! example
        ```python
        lag = ln.analyse.embedding_lag(series)
        found = ln.analyse.embedding_dimension(series, lag)
        states = ln.analyse.delay_embedding(series, int(found), lag)
        ```
    """
    series = jnp.asarray(series)
    series = series if jnp.issubdtype(series.dtype, jnp.floating) else series.astype(jnp.result_type(float))
    theiler = lag if theiler is None else theiler
    if max_dimension < 1 or theiler < 0:
        raise ValueError(f"`max_dimension` is at least 1 and `theiler` at least 0, got {max_dimension} and {theiler}.")
    least = (max_dimension + 1) * lag + 2 * theiler + 10
    if series.ndim != 1 or len(series) < least:
        raise ValueError(
            f"{max_dimension} dimensions with a lag of {lag} need one series of at least {least} points, got the shape"
            f" {series.shape}; give a smaller `max_dimension`."
        )
    values = np.asarray(series)
    if not np.all(np.isfinite(values)) or values.max() == values.min():
        raise ValueError("The series must be finite and not constant.")
    # One dimension more for E(m + 1), and another one for its numerator; the oldest first, as in the paper.
    delayed = delay_embedding(series, max_dimension + 2, lag)[:, ::-1].T
    references = jnp.asarray(np.unique(np.linspace(0, delayed.shape[1] - 1, num_references).round().astype(int)))
    ratio, distance = (np.asarray(part) for part in _neighbour_changes(delayed, references, jnp.asarray(theiler)))
    first, second = ratio[1:] / ratio[:-1], distance[1:] / distance[:-1]
    below = np.flatnonzero(~(first[:max_dimension] >= threshold))
    saturated = len(below) == 0 or below[-1] < max_dimension - 1
    dimension = (below[-1] + 2 if len(below) else 1) if saturated else max_dimension
    return EmbeddingDimension(int(dimension), jnp.asarray(first), jnp.asarray(second), bool(saturated))


@jax.jit
def _neighbour_changes(delayed: Array, references: Array, theiler: Array) -> tuple[Array, Array]:
    """Means of the ratio and of the distance by which nearest neighbours of each dimension part in the next one.

    The series' delayed copies are "delay point".
    """
    numbers = jnp.arange(delayed.shape[1])

    def one(reference):
        allowed = jnp.abs(numbers - reference) > theiler
        distances, ratios, gaps = jnp.zeros_like(delayed[0]), [], []
        for here, there in itertools.pairwise(delayed):
            # The maximum norm of one dimension more is the larger one of that before and of the new gap.
            distances = jnp.maximum(distances, jnp.abs(here - here[reference]))
            masked = jnp.where(allowed & (distances > 0), distances, jnp.inf)
            nearest = jnp.argmin(masked)
            found, gap = masked[nearest] < jnp.inf, jnp.abs(there[nearest] - there[reference])
            ratio = jnp.maximum(distances[nearest], gap) / jnp.where(found, distances[nearest], 1)
            ratios.append(jnp.where(found, ratio, jnp.nan))
            gaps.append(jnp.where(found, gap, jnp.nan))
        return jnp.stack(ratios), jnp.stack(gaps)

    # One reference after the other: its row of distances stays in the cache.
    ratios, gaps = jax.lax.map(one, references)
    return jnp.nanmean(ratios, axis=0), jnp.nanmean(gaps, axis=0)
