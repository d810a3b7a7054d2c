"""How much forcing a chaotic system needs to be learned: bounded gradients, failures, and what errors do not tell."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import analyse, nn, reconstruct, systems
from .._cite import cite
from .._types import PRNGKey
from ..config import Hess2023Forcing
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent

#: A gradient norm within this is that of a training that nothing explodes in.
BOUNDED = 30.0


def jacobians(reconstruction: reconstruct.Reconstruction, states: np.ndarray) -> np.ndarray:
    """The Jacobians of a piecewise-linear network at states."""
    model: Any = reconstruction.model
    return np.asarray(jax.vmap(model.jacobian)(jnp.asarray(states)), float)


def product_growth(parts: np.ndarray, strength: float) -> np.ndarray:
    r"""$\log_{10} \lVert \prod_{s \le t} (1 - \alpha) J_s \rVert$ for all $t$."""
    found, product, logs = [], np.eye(parts.shape[-1]), 0.0
    for part in parts:
        product = (1 - strength) * part @ product
        size = np.linalg.norm(product, 2)
        product, logs = product / size, logs + np.log10(size)
        found.append(logs)
    return np.array(found)


def _train(config: Hess2023Forcing, train: np.ndarray, test: np.ndarray, key: PRNGKey, sparse: bool) -> tuple:
    """All settings and seeds of one kind of forcing in one program, and what became of each."""
    grid = config.intervals if sparse else config.strengths
    values = jnp.repeat(jnp.asarray(grid, jnp.int32 if sparse else jnp.float32), config.seeds)
    kind: Any = reconstruct.SparseTeacherForcing if sparse else reconstruct.GeneralizedTeacherForcing
    fitted = reconstruct.fit(
        lambda key: nn.ShallowPLRNN(train.shape[1], config.units, dtype=jnp.float32, key=key),
        train,
        kind(values),
        seeds=len(values),
        steps=config.steps,
        window=config.window,
        learning_rate=(config.first_rate, config.last_rate),
        aperiodic=True,
        key=key,
    )
    errors, apart = [], []
    for seed in range(len(values)):
        one = fitted.reconstruction(seed)
        scaled = np.asarray(one.standardise(test))
        found = analyse.prediction_error(one.model, scaled, config.ahead)
        errors.append(float(found) if np.isfinite(float(found)) else np.inf)
        run = fitted.runs.values[seed]
        left = bool(fitted.runs.diverged[seed])
        apart.append(np.inf if left else float(analyse.state_space_divergence(test, np.asarray(run))))
    # A gradient that is not finite is one without a bound.
    gradients = np.nan_to_num(np.asarray(fitted.gradient_norms, float), nan=np.inf).max(axis=1)
    name = "interval" if sparse else "strength"
    shape = (name, "seed")
    table = {
        "failed": np.asarray(fitted.verdicts) != 0,
        "error": np.array(errors),
        "divergence": np.array(apart),
        "gradient": gradients,
    }
    data = {column: (shape, values.reshape(len(grid), -1)) for column, values in table.items()}
    return fitted, xr.Dataset(data, {name: list(grid)})


@cite("hess2023generalized", "mikhaeil2022difficulty")
def hess2023_forcing(config: Hess2023Forcing, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Generalized teacher forcing, $(1 - \\alpha) z + \\alpha z^*$, on the Lorenz system with noise.

    The failure rate against the strength is not in the paper. A network has failed where its free run leaves every
    bound, rests, repeats itself, or is further from the data in state space than half as far as a Gaussian cloud; that
    is decided on the data that were learned, and divergences and errors here are those from a later piece of the orbit.
    """
    data_key, *keys = jr.split(key, 3)
    orbit = systems.get("Lorenz").orbit(2 * config.points, dt=config.dt, noise=config.noise, key=data_key).states
    train, test = np.split(np.asarray(orbit, np.float32), 2)
    progress("training under generalized forcing")
    fitted, forced = _train(config, train, test, keys[0], False)
    progress("training under sparse forcing")
    _, sparse = _train(config, train, test, keys[1], True)
    best = fitted.best
    parts = jacobians(best, np.asarray(best.standardise(train), float))
    largest = float(np.linalg.norm(parts, 2, axis=(1, 2)).max())
    optimal = 1 - 1 / largest
    later = jacobians(best, np.asarray(best.standardise(test[: 5 * config.window]), float))
    growth = {name: product_growth(later, strength) for name, strength in (("free", 0.0), ("bound", optimal))}
    figure = draw(
        "forcing",
        "Left: the share of networks that failed, by the strength of generalized forcing (dashed: 1 - 1 / the largest "
        "singular value of the best network's Jacobians). Middle: the same by the interval of sparse forcing. Right: "
        f"the error {config.ahead} steps ahead and the divergence in state space of all networks, on a later piece of "
        "the orbit (blue: good, orange: failed).",
        lambda canvas: _plot(canvas, forced, sparse, optimal),
        height=2.9,
    )
    claims = _claims(config, forced, sparse, optimal, growth)
    return Findings(claims, (figure,), {"generalized": forced, "sparse": sparse})


def _claims(
    config: Hess2023Forcing, forced: xr.Dataset, sparse: xr.Dataset, optimal: float, growth: dict[str, np.ndarray]
) -> tuple[Claim, ...]:
    rate, thin = forced["failed"].mean("seed").values, sparse["failed"].mean("seed").values
    above = forced["strength"].values >= optimal
    gradients = forced["gradient"].values
    good = ~np.concatenate([forced["failed"].values.ravel(), sparse["failed"].values.ravel()])
    errors, apart = (
        np.concatenate([part[name].values.ravel() for part in (forced, sparse)]) for name in ("error", "divergence")
    )
    # Where no network is good (or none failed) nothing is told apart: the comparisons below then do not hold.
    usual = float(np.median(errors[good])) if good.any() else 0.0
    least = float(errors[~good].min()) if not good.all() else np.inf
    gap = float(apart[~good].min() / apart[good].max()) if good.any() and not good.all() else 0.0
    return (
        Claim("With the strength 1 - 1 / (largest singular value of the Jacobians on the data) no product of Jacobians "
              "along later data grows (largest logarithm of its norm)", 0.0, float(growth["bound"].max()), 0.05,
              "at most"),
        Claim("... without forcing it grows by orders of magnitude over five windows (logarithm, at least 2)", 2.0,
              float(growth["free"][-1]), 0.0, "at least", control=True),
        Claim(f"Gradients under strengths from there on stay within {BOUNDED:g} during all of the training", BOUNDED,
              float(gradients[above].max()), 0.0, "at most"),
        Claim("... without forcing they are at least ten times as large as that in the middle of the networks",
              10 * BOUNDED, float(min(np.median(gradients[0]), 1e9)), 0.0, "at least", control=True),
        Claim("At the best strength at most half of the networks fail", 0.5, float(rate.min()), 0.0, "at most"),
        Claim("... without forcing all do", 1.0, float(rate[0]), 0.0, "at least", control=True),
        Claim("... where every state is replaced all do", 1.0, float(rate[-1]), 0.0, "at least", control=True),
        Claim("No interval of sparse forcing fails less often than the best strength (difference of shares)", 0.0,
              float(thin.min() - rate.min()), 0.0, "at least"),
        Claim(f"The error {config.ahead} steps ahead does not tell: some that failed are at most a quarter worse than "
              "the good ones in their middle (quotient of errors)", 1.25, least / usual if usual else np.inf, 0.0,
              "at most"),
        Claim("The divergence in state space, on data that were not learned, does: the least of those that failed is "
              "not below nine tenths of the largest of the good ones", 0.9, gap, 0.0, "at least"),
    )  # fmt: skip


def _plot(canvas: Canvas, forced: xr.Dataset, sparse: xr.Dataset, optimal: float) -> None:
    left, middle, right = canvas.subplots(1, 3, width_ratios=(1, 1, 1.2))
    for axes, part, name in ((left, forced, "strength"), (middle, sparse, "interval")):
        axes.plot(part[name], part["failed"].mean("seed"), "o-", color=COLOURS[0], markersize=4, linewidth=1)
        axes.set(ylim=(-0.05, 1.05), xlabel=name)
    left.axvline(optimal, color=GUIDE, linewidth=0.8, linestyle="--")
    left.set(ylabel="share that failed", title="generalized forcing")
    middle.set(xscale="log", title="sparse forcing")
    for failed, colour in ((False, COLOURS[0]), (True, COLOURS[1])):
        for part, mark in ((forced, "o"), (sparse, "x")):
            chosen = (part["failed"].values == failed) & np.isfinite(part["error"].values * part["divergence"].values)
            x, y = part["error"].values[chosen], part["divergence"].values[chosen]
            right.plot(x, y, mark, color=colour, markersize=4, label=f"{'failed' if failed else 'good'}, "
                       f"{'generalized' if mark == 'o' else 'sparse'}")  # fmt: skip
    right.set(xscale="log", yscale="log", xlabel="error", ylabel="divergence", title="all networks")
    right.set_ylim(top=200)
    right.legend(fontsize=7, loc="upper left")
