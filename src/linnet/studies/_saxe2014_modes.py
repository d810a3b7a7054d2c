"""Deep linear networks learn a hierarchy mode by mode, each along a sigmoid, the strongest first."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas
from scipy.stats import spearmanr

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._trajectory import Trajectory, half_times
from .._types import PRNGKey
from ..config import Saxe2014Modes
from ..report import COLOURS, draw, label_ends
from ._study import Claim, Findings, silent

#: Modes weaker than this part of the strongest are left out: they would only lengthen training.
WEAKEST = 0.25


def _crossings(ts: np.ndarray, curve: np.ndarray, final: float, parts: tuple[float, ...]) -> np.ndarray:
    """When a rising curve passes given parts of its final value."""
    rising = np.maximum.accumulate(curve / final)
    return np.interp(parts, rising, ts)


def _plain_half_times(networks: Any, modes: tasks.SingularModes, num: int) -> np.ndarray:
    """Each network's half times from the plain projection of its initial weights, which neglects that half of it
    dies."""
    start = jnp.abs(jax.vmap(lambda network: modes.project(network.end_to_end()))(networks))[:, :num]
    return np.asarray(jnp.log(modes.singular_values[:num] / start - 1) / (2 * modes.singular_values[:num]))


@cite("saxe2014exact")
def saxe2014_modes(config: Saxe2014Modes, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """The modes of a task are learned one after the other, each along a sigmoid, in the order of their strength.

    Aligned networks follow the closed form exactly, small random ones from the growing part of their weights, and tanh
    networks in the same order, somewhat later.
    """
    data_key, aligned_key, random_key = jr.split(key, 3)
    tree = tasks.HierarchicalTree.diffusion(config.levels, config.features, config.flip, key=data_key)
    moments, items = tree.moments(), tree.items()
    modes = moments.singular_modes()
    strengths = np.asarray(modes.singular_values)
    num = int(np.sum(strengths > WEAKEST * strengths[0]))
    strengths = strengths[:num]
    sizes = (tree.num_items, config.hidden, config.features)
    growing = 2 * config.hidden * config.scale**2 / 4  # the expected |W1 v + W2^T u|^2 / 4
    last = float(np.max(np.log(strengths / min(growing, config.strength) - 1) / (2 * strengths)))
    ts = np.linspace(0, 1.4 * last, config.times)

    progress("training aligned networks")
    network = nn.aligned(moments, config.strength)(nn.DeepLinear, sizes, key=aligned_key)
    aligned = learn.simulate(network, moments, ts)
    closed = theory.predict(network, moments, ts, theory=theory.DeepLinearModes())
    gap = np.max(np.abs(np.asarray(aligned["mode_strengths"] - closed["mode_strengths"]))[:, :num] / strengths)

    progress("training networks from small random weights")
    initial = nn.small(config.scale)
    # Steps of a fiftieth of the strongest mode's time scale: half times are good to about a percent.
    steps = learn.Descent(0.02 / strengths[0])

    def linear(key: PRNGKey) -> tuple:
        return initial(nn.DeepLinear, sizes, key=key), moments, learn.GradientFlow()

    def tanh(key: PRNGKey) -> tuple:
        return initial(nn.MLP, sizes, key=key, activation=jnp.tanh, use_bias=False), items, steps

    axes = {"seed": config.seeds}
    random = learn.ensemble(linear, ts, axes, key=random_key)
    starts = jax.vmap(lambda seed: linear(jr.fold_in(random_key, seed))[0])(jnp.arange(config.seeds))
    predicted = [
        theory.predict(
            jax.tree.map(lambda leaf, i=i: leaf[i], starts), moments, ts, theory=theory.SmallInitialization()
        )
        for i in range(config.seeds)
    ]
    # Without biases: that of the output would learn the mode that all items share by itself, as one layer does.
    progress("training tanh networks and one layer")
    nonlinear = learn.ensemble(tanh, ts, axes, key=random_key)
    shallow = initial(nn.DeepLinear, (sizes[0], sizes[2]), key=random_key)
    single = learn.simulate(shallow, moments, ts, rule=steps)

    final = modes.strengths[:num]
    measured = _times(random, num, final)
    expected = np.stack([np.asarray(half_times(p.ts, p["mode_strengths"][:, :num], final)) for p in predicted])
    plain = _plain_half_times(starts, modes, num)
    tanh_times = _times(nonlinear, num, final)
    # A mode that is not learned in time counts as later than all others.
    medians = [np.median(np.nan_to_num(t, nan=np.inf), axis=0) for t in (measured, expected, plain, tanh_times)]
    off, plain_off = np.nanmedian(np.abs(expected / measured - 1)), np.nanmedian(np.abs(plain / measured - 1))
    learned = np.isfinite(medians[3])
    parts = (0.1, 0.5, 0.9)
    sigmoid = _crossings(ts, np.asarray(aligned["mode_strengths"][:, 0]), strengths[0], parts)
    exponential = _crossings(ts, np.asarray(single["mode_strengths"][:, 0]), strengths[0], parts)
    claims = (
        Claim("Aligned networks: simulated mode strengths lie on Saxe's closed form (largest gap over final strength)",
              0.0, float(gap), 1e-4),
        Claim("The strongest mode's rise from 10 to 90 % takes ln 81 / ln(s / u0 - 1) of its half time: a sigmoid",
              float(np.log(81) / np.log(strengths[0] / config.strength - 1)),
              float((sigmoid[2] - sigmoid[0]) / sigmoid[1]), 0.01),
        Claim("One layer: no plateau, the rise takes ln 9 / ln 2 of the half time", float(np.log(9) / np.log(2)),
              float((exponential[2] - exponential[0]) / exponential[1]), 0.05, control=True),
        Claim("Small random weights: modes are learned in the order of their strength (rank correlation of half times "
              "with singular values)", -1.0, float(spearmanr(medians[0], strengths)[0]), 0.03),
        Claim("Small random weights: half times follow from the growing part of the weights (median "
              "relative error)", 0.0,
              float(off), 0.02),
        Claim("The plain projection of the initial weights mispredicts them by more than that tolerance", 0.02,
              float(plain_off), 0.0, "at least", control=True),
        Claim("Tanh networks without biases learn the modes in the same order (rank correlation of half times)", 0.9,
              float(spearmanr(medians[3][learned], medians[0][learned])[0]), 0.0, "at least"),
        Claim("Tanh networks learn no mode much sooner than the linear theory says (smallest ratio of half times)", 1.0,
              float(np.min(medians[3] / medians[1])), 0.05, "at least"),
    )  # fmt: skip
    variables = {
        "singular_values": (("mode",), strengths),
        "measured_half_times": (("seed", "mode"), measured),
        "predicted_half_times": (("seed", "mode"), expected),
        "projected_half_times": (("seed", "mode"), plain),
        "tanh_half_times": (("seed", "mode"), tanh_times),
    }
    curves = {"aligned": aligned, "closed_form": closed, "random": random, "tanh": nonlinear}
    datasets = {name: curve.to_xarray() for name, curve in curves.items()} | {"half_times": xr.Dataset(variables)}
    figures = (
        draw("modes", "Strengths of modes over learning time: closed form (black) over training from small random "
             "weights (colours, one line a seed). Every mode waits, then rises along a sigmoid, the strongest first.",
             lambda canvas: _plot_modes(canvas, ts, np.asarray(random["mode_strengths"]),
                                        np.stack([np.asarray(p["mode_strengths"]) for p in predicted]), num)),
        draw("delay", "Measured over predicted half time of every mode, for the growing part of the weights, for the "
             "plain projection of the initial weights, and for tanh networks against the linear theory.",
             lambda canvas: _plot_delay(canvas, strengths, measured, expected, plain, tanh_times)),
    )  # fmt: skip
    return Findings(claims, figures, datasets)


def _times(trajectory: Trajectory, num: int, final: Any) -> np.ndarray:
    times = jax.vmap(lambda strengths: half_times(trajectory.ts, strengths[:, :num], final))
    return np.asarray(times(trajectory["mode_strengths"]))


def _plot_modes(canvas: Canvas, ts: np.ndarray, random: np.ndarray, predicted: np.ndarray, num: int) -> None:
    axes = canvas.subplots()
    shown = sorted({*np.linspace(0, num - 1, min(num, 6)).round().astype(int)})
    for mode, colour in zip(shown, COLOURS * 3, strict=False):
        axes.plot(ts, random[:, :, mode].T, color=colour, alpha=0.45, linewidth=2.5)
        axes.plot(ts, predicted[:, :, mode].T, color="black", linewidth=0.6, linestyle="--")
    axes.set(xlabel="learning time (learning rate x steps)", ylabel="mode strength", xlim=(0, ts[-1]))
    ends, labels = np.median(random[:, -1, shown], axis=0), [f"mode {mode + 1}" for mode in shown]
    label_ends(axes, ends, labels, [colour for _, colour in zip(shown, COLOURS * 3, strict=False)])
    axes.plot([], [], color="0.5", linewidth=2.5, label="training (each seed)")
    axes.plot([], [], color="black", linewidth=0.6, linestyle="--", label="closed form")
    canvas.legend(loc="outside upper center", ncols=2)


def _plot_delay(canvas: Canvas, strengths: Any, measured: Any, expected: Any, plain: Any, tanh: Any) -> None:
    axes = canvas.subplots()
    rows = {"growing part of the weights": (measured, expected), "plain projection": (measured, plain),
            "tanh network, linear theory": (tanh, expected)}  # fmt: skip
    for (label, (top, bottom)), marker, colour in zip(rows.items(), "os^", COLOURS, strict=False):
        ratio = top / bottom
        kept = np.isfinite(ratio).all(axis=0)  # modes that all seeds have learned
        low, middle, high = np.quantile(ratio[:, kept], (0.1, 0.5, 0.9), axis=0)
        bars = [middle - low, high - middle]
        axes.errorbar(strengths[kept], middle, bars, fmt=marker, color=colour, label=label, markersize=4, linewidth=1)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="singular value of the mode", ylabel="measured / predicted half time")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.legend()
