"""What linear networks that generate a covariance leave out, how fast they are, and where the loss is not smooth."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Brechet2023Generative
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Singular values of a map that is about to lose its rank, relative to those of the target's root.
NEAR = (1e-2, 1e-3, 1e-4)

#: How far starts are turned away from a saddle.
TURNED = 1e-2


def root_of(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root."""
    values, basis = np.linalg.eigh(matrix)
    return (basis * np.sqrt(np.maximum(values, 0))) @ basis.T


def _factor(linear_map: np.ndarray, smoothing: float) -> np.ndarray:
    """A factor of the generated covariance, smoothing included."""
    return np.concatenate([linear_map, np.sqrt(smoothing) * np.eye(len(linear_map))], axis=1)


def distance(linear_map: np.ndarray, covariance: np.ndarray, smoothing: float = 0.0) -> float:
    """The squared Bures-Wasserstein distance as the paper writes it; the trace of a root by singular values."""
    factor = _factor(linear_map, smoothing)
    cross = np.linalg.svd(root_of(covariance) @ factor, compute_uv=False)
    return float(np.trace(covariance) + np.sum(factor**2) - 2 * np.sum(cross))


def slope(linear_map: np.ndarray, covariance: np.ndarray, smoothing: float = 0.0) -> np.ndarray:
    """The gradient of the distance, of a map of full row or column rank."""
    root = root_of(covariance)
    left, _, right_t = np.linalg.svd(root @ _factor(linear_map, smoothing), full_matrices=False)
    return 2 * (linear_map - root @ (left @ right_t)[:, : linear_map.shape[1]])


def differences(function: Callable[[np.ndarray], Any], at: np.ndarray, step: float) -> np.ndarray:
    """Central differences by every entry of `at`, the last axis."""
    columns = []
    for entry in np.ndindex(*at.shape):
        change = np.zeros_like(at)
        change[entry] = step
        columns.append(np.ravel(function(at + change) - function(at - change)) / (2 * step))
    return np.stack(columns, axis=-1)


def late_rate(ts: np.ndarray, excess: np.ndarray, low: float, high: float) -> float:
    """The exponential rate of a curve between two parts of its start."""
    part = excess / excess[0]
    place = (part < high) & (part > low) & (np.cumsum(part <= low) == 0)
    return float(-np.polyfit(ts[place], np.log(part[place]), 1)[0]) if place.sum() > 2 else np.nan


def _critical(config: Brechet2023Generative, rng: np.random.Generator, lam: np.ndarray) -> dict[str, float]:
    """How far critical values are from the distance written out, and gradients there and at turned maps."""
    basis, turn = (np.linalg.qr(rng.normal(size=(config.size, config.size)))[0] for _ in range(2))
    covariance = (basis * lam) @ basis.T
    losses, kept = theory.critical_covariance_losses(lam, config.rank)
    off, flat, steep = [], [], []
    for loss, subset in zip(np.asarray(losses), kept, strict=True):
        linear_map = basis[:, subset] * np.sqrt(lam[subset])
        off.append(distance(linear_map, covariance) - loss)

        def value(at: np.ndarray) -> np.ndarray:
            return np.array(distance(at, covariance))

        flat.append(np.max(np.abs(differences(value, linear_map, 1e-5))))
        steep.append(np.max(np.abs(differences(value, turn @ linear_map, 1e-5))))
    return {"off": float(np.max(np.abs(off))), "flat": max(flat), "steep": min(steep)}


def _descend(config: Brechet2023Generative, lam: np.ndarray, key: PRNGKey) -> Any:
    """Two balanced layers from random weights, with and without smoothing."""
    size, rank = config.size, config.rank
    levels = jnp.array([0.0, config.smoothing])
    init = nn.zero_balanced(nn.fan_in(0.7))

    def make(key: PRNGKey, smoothing: Any) -> tuple:
        basis = jnp.linalg.qr(jax.random.normal(jax.random.fold_in(key, 1), (size, size)))[0]
        setting = tasks.CovarianceMatching((basis * lam) @ basis.T, levels[smoothing])
        return init(nn.DeepLinear, (size, rank, size), key=key), setting, learn.Descent(config.rate)

    ts = np.linspace(0, config.duration, 201)
    axes = {"seed": config.seeds, "smoothing": np.arange(2)}
    return learn.ensemble(make, ts, axes, key=key, observe=[learn.GeneratedVariances()])


def _saddles(config: Brechet2023Generative, lam: np.ndarray, key: PRNGKey) -> np.ndarray:
    """Loss after a quarter of the time and at the end, from each set of eigenvectors, exactly and turned a little."""
    size, rank = config.size, config.rank
    kept = theory.critical_covariance_losses(lam, rank)[1]
    columns = jnp.asarray(np.stack([np.eye(size)[:, subset] for subset in kept]))
    away = TURNED * np.random.default_rng(0).normal(size=columns.shape[1:])
    setting = tasks.CovarianceMatching(jnp.diag(jnp.asarray(lam)))

    def make(key: PRNGKey, subset: Any, turned: Any) -> tuple:
        start = 0.5 * columns[subset] + turned * away
        return nn.rebalance(nn.DeepLinear([jnp.eye(rank), start])), setting, learn.Descent(config.rate)

    ts = np.array([0.0, config.duration / 4, config.duration])
    axes = {"subset": np.arange(len(kept)), "turned": np.array([0.0, 1.0])}
    return np.asarray(learn.ensemble(make, ts, axes, key=key)["loss"])[..., 1:]


def _rates(config: Brechet2023Generative, rng: np.random.Generator, key: PRNGKey) -> tuple[xr.Dataset, float]:
    """Rates of full rank against the smallest singular value, and how far a trained loss is from the predicted one."""
    size, least = 3, np.array(config.smallest)
    lams = np.stack([np.append(np.geomspace(2, 1, size - 1), s**2) for s in least])
    basis = jnp.asarray(np.linalg.qr(rng.normal(size=(size, size)))[0])
    off = rng.normal(size=(size, size))
    off = jnp.asarray(0.3 * off / np.linalg.norm(off, ord=2))
    ts, found, expected, gap = np.linspace(0, 16, 161), [], [], np.nan
    for depth in config.depths:

        def start(index: Any, depth: int = depth) -> tuple:
            setting = tasks.CovarianceMatching((basis * jnp.asarray(lams)[index]) @ basis.T)
            # Near enough to every target not to lose rank on the way, with none of its eigenvectors.
            turned = 0.7 * setting.root @ (jnp.eye(size) + off)
            layers = nn.DeepLinear([jnp.eye(size)] * (depth - 1) + [turned])
            return nn.rebalance(layers, None), setting

        def make(key: PRNGKey, target: Any, start: Callable = start) -> tuple:
            return (*start(target), learn.GradientFlow())

        trained = learn.ensemble(make, ts, {"target": np.arange(len(least))}, key=key)
        losses = np.asarray(trained["loss"])
        found.append([late_rate(ts, row, 1e-11, 1e-6) for row in losses])
        expected.append([float(theory.covariance_convergence_rate(lam, depth=depth)) for lam in lams])
        if depth == config.depths[-1]:
            predicted = theory.predict(*start(0), jnp.asarray(ts), theory=theory.CovarianceFlow())
            gap = float(np.max(np.abs(np.asarray(predicted["loss"]) - losses[0])) / losses[0, 0])
    dims = ("depth", "smallest")
    coords = {"depth": list(config.depths), "smallest": least}
    return xr.Dataset({"rate": (dims, np.array(found)), "expected": (dims, np.array(expected))}, coords), gap


def _rank_drop(config: Brechet2023Generative, rng: np.random.Generator) -> xr.Dataset:
    """Curvature, and the jump of the gradient, where a singular value of a map of rank 2 passes zero; by NumPy."""
    size, rank = 3, 2
    lam = np.geomspace(2, 0.8, size)
    basis, turn = (np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(2))
    right = np.linalg.qr(rng.normal(size=(rank, rank)))[0]
    covariance = (basis * lam) @ basis.T
    curvature, jump = [], []
    for smoothing in (0.0, config.smoothing):
        for near in NEAR:

            def at(sign: float, near: float = near) -> np.ndarray:
                return (turn[:, :rank] * np.array([1.0, sign * near])) @ right.T

            def gradient(linear_map: np.ndarray, smoothing: float = smoothing) -> np.ndarray:
                return slope(linear_map, covariance, smoothing)

            hessian = differences(gradient, at(1.0), 1e-3 * near)
            curvature.append(np.max(np.abs(np.linalg.eigvalsh((hessian + hessian.T) / 2))))
            jump.append(np.linalg.norm(gradient(at(1.0)) - gradient(at(-1.0))))
    dims, coords = ("smoothing", "near"), {"smoothing": [0.0, config.smoothing], "near": list(NEAR)}
    shape = 2, len(NEAR)
    return xr.Dataset(
        {"curvature": (dims, np.reshape(curvature, shape)), "jump": (dims, np.reshape(jump, shape))}, coords
    )


@cite("brechet2023critical")
def brechet2023_generative(
    config: Brechet2023Generative, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Balanced linear networks learn the largest eigenvalues of a covariance; the others are what their loss is.

    The paper bounds how fast: here are the exact rates at the end. At full rank they grow with the smallest singular
    value if there are two and more layers; where eigenvalues are left out, the gap to those decides.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    lam = np.geomspace(2.0, 0.4, config.size)
    progress("critical points and rank drops, by NumPy")
    critical, drop = _critical(config, rng, lam), _rank_drop(config, rng)
    progress("descending from random and from special weights")
    trained, saddles = _descend(config, lam, key), _saddles(config, lam, key)
    progress("rates")
    rates, gap = _rates(config, rng, key)

    rank, ts = config.rank, np.asarray(trained.ts)
    losses = np.asarray(trained["loss"])  # seed, smoothing, time
    values = np.asarray(theory.critical_covariance_losses(lam, rank)[0])
    least = np.sum(lam[rank:])
    top = np.where(np.arange(config.size) < rank, lam, 0)
    ends = np.asarray(trained["generated_variances"])[..., -1, :]
    smoothed = np.where(np.arange(config.size) < rank, lam - config.smoothing, 0)
    late = np.median([late_rate(ts, row - least, 1e-11, 1e-6) for row in losses[:, 0]])
    late_expected = float(theory.covariance_convergence_rate(lam, rank, depth=2))
    exponents = np.polyfit(np.log(config.smallest), np.log(rates.rate.values.T), 1)[0]
    powers = [2 - 2 / depth for depth in config.depths]
    slopes = np.polyfit(np.log(NEAR), np.log(drop.curvature.values[0]), 1)[0]
    claims = (
        Claim("The loss at a covariance that keeps some eigenvectors is the sum of the eigenvalues left out, for all "
              "sets of them (largest difference from the distance written out)", 0.0, critical["off"], 1e-6, "at most"),
        Claim("... and has no slope there (largest finite difference)", 0.0, critical["flat"], 1e-6, "at most"),
        Claim("Of turned eigenvectors it has (smallest of the steepest slopes)", 0.01, critical["steep"], 0.0,
              "at least", control=True),
        Claim("Descent on two balanced layers from random weights ends at the eigenvalues left out by the largest ones "
              "(largest difference, relative)", 0.0, float(np.max(np.abs(losses[:, 0, -1] / least - 1))), 1e-4,
              "at most"),
        Claim("... generating those, and nothing else (largest difference of a variance)", 0.0,
              float(np.max(np.abs(ends[:, 0] - top))), 5e-3, "at most"),
        Claim("From weights without some of the largest eigenvectors it comes to the sum that these leave out (largest "
              "difference, relative)", 0.0, float(np.max(np.abs(saddles[:, 0, 0] / values - 1))), 1e-3, "at most",
              control=True),
        Claim("... all of them saddles: turned away a little it ends where it does from anywhere (largest difference, "
              "relative)", 0.0, float(np.max(np.abs(saddles[:, 1, 1] / least - 1))), 1e-3, "at most"),
        Claim(f"The loss of {config.depths[-1]} balanced layers is that of the flow of their product (largest gap, "
              "relative to its start)", 0.0, gap, 1e-5, "at most"),
        Claim("At full rank losses fall at the rate of theory at all depths and targets (largest relative difference)",
              0.0, float(np.max(np.abs(rates.rate / rates.expected - 1))), 0.02, "at most"),
        Claim("... which grows with the smallest singular value, to the power 2 - 2/N (largest difference of the power "
              "for two and more layers)", 0.0, float(np.max(np.abs(exponents[1:] - powers[1:]))), 0.05, "at most"),
        Claim("... and for one layer does not (the power)", 0.0, float(np.abs(exponents[0])), 0.02, "at most",
              control=True),
        # Descent at a rate lags by half of rate times curvature.
        Claim("Where eigenvalues are left out the gap to them sets the rate (median over that of theory)", 1.0,
              float(late / late_expected), 0.05),
        Claim("Without smoothing the curvature of a map of low rank grows as one over the singular value that is lost "
              "(power)", -1.0, float(slopes), 0.05),
        Claim("... and the gradient jumps: as it passes zero the loss has none (smallest jump over the largest)", 0.9,
              float(drop.jump.values[0].min() / drop.jump.values[0].max()), 0.0, "at least"),
        Claim("With smoothing the curvature stays (largest over smallest)", 1.0,
              float(drop.curvature.values[1].max() / drop.curvature.values[1].min()), 0.1, "at most", control=True),
        Claim("... the gradient has no jump (smallest over largest, of singular values a hundred apart)", 0.02,
              float(drop.jump.values[1].min() / drop.jump.values[1].max()), 0.0, "at most", control=True),
        Claim("... and descent ends at eigenvalues less the smoothing (largest difference of a variance)", 0.0,
              float(np.max(np.abs(ends[:, 1] - smoothed))), 5e-3, "at most"),
    )  # fmt: skip
    figure = draw(
        "generative",
        "Left: loss of two balanced layers from random weights (blue) and from weights without some of the largest "
        "eigenvectors (orange, after a quarter of the time); lines are sums of eigenvalues left out. Middle: rate of "
        "the loss at full rank against the smallest singular value, with the exact rates as lines. Right: curvature "
        "near a loss of rank.",
        lambda canvas: _plot(canvas, config, ts, losses[:, 0], saddles[:, 0, 0], values, rates, drop),
        height=3.0,
    )
    curves = xr.Dataset({"loss": (("seed", "smoothing", "time"), losses)}, {"time": ts})
    return Findings(claims, (figure,), {"descent": curves, "rates": rates, "rank_drop": drop})


def _plot(
    canvas: Canvas,
    config: Brechet2023Generative,
    ts: np.ndarray,
    losses: np.ndarray,
    saddles: np.ndarray,
    values: np.ndarray,
    rates: xr.Dataset,
    drop: xr.Dataset,
) -> None:
    left, middle, right = canvas.subplots(1, 3)
    for value in values:
        left.axhline(value, color="0.8", linewidth=0.8, zorder=0)
    for index, row in enumerate(losses[:4]):
        left.plot(ts, row, color=COLOURS[0], linewidth=1, label="random weights" if index == 0 else None)
    quarter = np.full(len(saddles), config.duration / 4)
    left.plot(quarter, saddles, "o", color=COLOURS[1], markersize=3.5, label="special weights")
    left.set(xlabel="learning time", ylabel="loss", title="what is left out", xlim=(0, config.duration / 2.5))
    left.set_ylim(0.8 * values[0], 1.5 * values[-1])
    left.legend(loc="upper right")
    for index, depth in enumerate(config.depths):
        one = rates.isel(depth=index)
        middle.plot(config.smallest, one.expected, color=COLOURS[index % len(COLOURS)])
        middle.plot(
            config.smallest,
            one.rate,
            "o",
            color=COLOURS[index % len(COLOURS)],
            markersize=4,
            label=f"{depth} layer{'s' if depth > 1 else ''}",
        )
    middle.set(
        xlabel="smallest singular value", ylabel="rate of the loss", title="full rank", xscale="log", yscale="log"
    )
    middle.set_xticks(config.smallest, [f"{value:g}" for value in config.smallest])
    middle.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    middle.minorticks_off()
    middle.legend(loc="lower right")
    for index, label in enumerate(("as it is", "smoothed")):
        right.plot(
            NEAR, drop.curvature.values[index], color=COLOURS[index], marker="os"[index], markersize=4, label=label
        )
    right.set(xlabel="singular value", ylabel="largest curvature", title="loss of rank", xscale="log", yscale="log")
    right.legend(loc="center right", bbox_to_anchor=(1, 0.42))
