"""How forecasts are scored, and how settings are chosen on one orbit before another one is forecast."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import analyse
from ._gilpin2021_linear import Reservoirs, echo_forecasts, polynomial_forecasts

#: Series are padded to the next of these widths, and those of one width are one program.
WIDTHS = (3, 6)


@dataclasses.dataclass(frozen=True)
class Pieces:
    """Pieces of orbits, one a row, in units of their own first part, and what brings them back.

    Args:
        values: the standardised points.
        mean: of the first part.
        scale: its standard deviations; 1 for a coordinate that a piece does not have.
        sizes: how many coordinates each piece has.
        known: how many first points are learned.
    """

    values: Float[Array, "piece time out"]
    mean: np.ndarray
    scale: np.ndarray
    sizes: np.ndarray
    known: int

    def raw(self) -> "Pieces":
        """The same pieces in the units of the systems themselves."""
        ones, zeros = np.ones_like(self.scale), np.zeros_like(self.mean)
        return dataclasses.replace(self, values=self.values * self.scale + self.mean, mean=zeros, scale=ones)

    def part(self, rows: np.ndarray, width: int) -> "Pieces":
        """Some rows of some width."""
        columns = (x[rows][..., :width] for x in (self.values, self.mean, self.scale))
        return Pieces(*columns, sizes=self.sizes[rows], known=self.known)

    def mask(self) -> np.ndarray:
        """Which coordinates a piece has."""
        return np.arange(self.values.shape[-1]) < self.sizes[:, None]


def standardise(pieces: np.ndarray, sizes: np.ndarray, known: int) -> Pieces:
    """Pieces, `"piece time out"`, brought to mean 0 and standard deviation 1 in what is learned of them."""
    mean, scale = pieces[:, :known].mean(axis=1, keepdims=True), pieces[:, :known].std(axis=1, keepdims=True)
    scale = np.where(scale > 1e-9 * (np.abs(mean) + 1e-300), scale, 1.0)
    return Pieces(jnp.asarray((pieces - mean) / scale), mean, scale, sizes, known)


def errors(pieces: Pieces, forecasts: Any, begin: int | None = None) -> np.ndarray:
    """The sMAPE of forecasts `"piece *axes step out"` of what comes after the first `begin` points, in raw units."""
    found, begin = jnp.asarray(forecasts), pieces.known if begin is None else begin
    count, num, width = len(found), found.shape[-2], found.shape[-1]
    lift = lambda x: jnp.reshape(x, (count, *(1,) * (found.ndim - 3), *x.shape[1:]))  # noqa: E731
    mean, scale, own = (lift(jnp.asarray(x)) for x in (pieces.mean, pieces.scale, pieces.mask()[:, None]))
    truth = lift(pieces.values[:, begin : begin + num]) * scale + mean
    found = jnp.where(own, found * scale + mean, 0)
    # A coordinate that a piece does not have is forecast without an error, which counts in the mean.
    error = analyse.smape(jnp.broadcast_to(jnp.where(own, truth, 0), found.shape), found)
    return np.asarray(error) * width / pieces.sizes.reshape(count, *(1,) * (found.ndim - 3))


def valid_steps(pieces: Pieces, forecasts: Any) -> np.ndarray:
    """How many steps forecasts `"piece step out"` of what comes after the known points are good."""
    found = jnp.asarray(forecasts)
    width = found.shape[-1]
    grow = np.sqrt(width / pieces.sizes)[:, None, None] * pieces.mask()[:, None]
    truth = pieces.values[:, pieces.known : pieces.known + found.shape[1]]
    return np.asarray(analyse.valid_time(truth * grow, jnp.where(grow > 0, found, 0) * grow, spread=np.ones(width)))


def groups(sizes: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The rows of each width to which series are padded."""
    widest = int(max(sizes))
    widths = np.array([next((w for w in WIDTHS if size <= w), widest) for size in sizes])
    return [(min(int(width), widest), np.flatnonzero(widths == width)) for width in np.unique(widths)]


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Forecasts with settings chosen for each series.

    Args:
        forecasts: of the pieces for tests, `"piece step out"`, standardised as those.
        settings: the index of the setting and of the ridge of each system.
    """

    forecasts: np.ndarray
    settings: np.ndarray


def choose_polynomial(
    tuning: Pieces,
    testing: Pieces,
    structures: Sequence[dict[str, int]],
    ridges: Sequence[float],
    lengths: Sequence[int],
    *,
    values: bool = False,
    most: int = 10_000,
    progress: Callable[[str], None] = lambda stage: None,
) -> Chosen:
    """Forecasts by polynomials of delayed points, their structure and ridge chosen on the tuning pieces.

    Args:
        tuning: a piece of each system.
        testing: as many pieces of each system one after the other.
        structures: `num_delays`, `degree` and `stride` of those that are tried.
        ridges: those that are tried.
        lengths: how many first points of a tuning piece are learned, after each of which a forecast is scored.
        values: whether the ridge draws towards zero rather than towards the last point.
        most: structures with more features are left out for wide series.
        progress: told which structure is tried.
    """
    count, horizon = len(tuning.values), tuning.values.shape[1] - max(lengths)
    every = len(testing.values) // count
    best, chosen = np.full(count, np.inf), np.zeros((count, 2), int)
    fits = [[w for w, _ in groups(tuning.sizes) if _features(w, **one) <= most] for one in structures]
    for number, structure in enumerate(structures):
        progress(f"structure {number + 1} of {len(structures)}")
        for width, rows in groups(tuning.sizes):
            if width in fits[number]:
                part = tuning.part(rows, width)
                own = jnp.tile(jnp.asarray(ridges), (len(rows), 1))
                found = polynomial_forecasts(part.values, own, **structure, lengths=lengths, num=horizon, values=values)
                score = _mean_error(part, found, lengths)
                take = score.min(axis=1) < best[rows]
                best[rows] = np.where(take, score.min(axis=1), best[rows])
                chosen[rows[take]] = np.stack([np.full(take.sum(), number), score.argmin(axis=1)[take]], axis=1)
    num = testing.values.shape[1] - testing.known
    forecasts = np.zeros((len(testing.values), num, testing.values.shape[2]))
    of = np.repeat(np.arange(count), every)
    for number, structure in enumerate(structures):
        for width, rows in groups(testing.sizes):
            mine = chosen[of[rows], 0] == number
            if width in fits[number] and mine.any():
                own = jnp.asarray(np.asarray(ridges)[chosen[of[rows], 1]])[:, None]
                series = testing.part(rows, width).values
                found = polynomial_forecasts(
                    series, own, **structure, lengths=(testing.known,), num=num, values=values
                )[:, 0, 0]
                forecasts[rows[mine], :, :width] = np.asarray(found)[mine]
    return Chosen(forecasts, chosen)


def _features(width: int, num_delays: int, degree: int, stride: int) -> int:
    size = 1
    for k in range(1, degree + 1):
        size = size * (width * num_delays + k) // k
    return size


def _mean_error(pieces: Pieces, found: Any, lengths: Sequence[int]) -> np.ndarray:
    """The sMAPE of forecasts after several lengths, `"piece length ridge step out"`, in the mean over lengths."""
    return np.mean([errors(pieces, found[:, at], begin=length) for at, length in enumerate(lengths)], axis=0)


def choose_echo(
    net: Reservoirs,
    tuning: Pieces,
    testing: Pieces,
    settings: Sequence[dict[str, float]],
    ridges: Sequence[float],
    lengths: Sequence[int],
    *,
    order: np.ndarray | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[Chosen, Chosen | None]:
    """Forecasts by echo states, their settings and ridge chosen on the tuning pieces.

    Args:
        net: the reservoir.
        tuning: a piece of each system.
        testing: as many pieces of each system one after the other.
        settings: `radius`, `leak`, `scale` and `bias` of those that are tried.
        ridges: those that are tried.
        lengths: as above.
        order: a permutation of the systems.
        progress: told which setting is tried.

    Returns:
        The forecasts, and where an order is given those with the settings of the system that has another's place in it.
    """
    count, horizon = len(tuning.values), tuning.values.shape[1] - max(lengths)
    every, num = len(testing.values) // count, testing.values.shape[1] - testing.known
    grid = jnp.tile(jnp.asarray(ridges), (count, 1))
    scores = []
    for number, setting in enumerate(settings):
        progress(f"setting {number + 1} of {len(settings)}")
        own = {key: jnp.full(count, value) for key, value in setting.items()}
        scores.append(
            _mean_error(tuning, echo_forecasts(net, tuning.values, own, grid, lengths=lengths, num=horizon), lengths)
        )
    table = np.stack(scores, axis=1)
    chosen = np.stack(np.unravel_index(table.reshape(count, -1).argmin(axis=1), table.shape[1:]), axis=1)

    def test(chosen: np.ndarray) -> Chosen:
        each = np.repeat(chosen, every, axis=0)
        own = {key: jnp.asarray([settings[i][key] for i in each[:, 0]]) for key in settings[0]}
        own_ridges = jnp.asarray(np.asarray(ridges)[each[:, 1]])[:, None]
        known = (testing.known,)
        found = echo_forecasts(net, testing.values, own, own_ridges, lengths=known, num=num)
        return Chosen(np.asarray(found[:, 0, 0]), chosen)

    return test(chosen), None if order is None else test(chosen[order])
