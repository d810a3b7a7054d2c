"""Depth costs no time from orthogonal or pretrained weights, and much from scaled Gaussian ones."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import analyse, learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Saxe2014Depth
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Learning rate times depth: a fortieth of the largest stable one, so that steps follow the flow to about a percent.
RATE = 0.05

#: From this depth on the learning time from orthogonal weights is within a tenth of its limit.
SETTLED = 5

KINDS = ("orthogonal", "scaled Gaussian", "pretrained")


def _done(ts: np.ndarray, loss: np.ndarray, threshold: float) -> np.ndarray:
    """When each loss curve falls below a part of its start, by interpolation; infinite if it does not."""
    part = loss / loss[..., :1]
    below = part < threshold
    last = np.argmax(below, axis=-1)
    low = np.take_along_axis(part, last[..., None], -1)[..., 0]
    high = np.take_along_axis(part, np.maximum(last - 1, 0)[..., None], -1)[..., 0]
    fraction = (high - threshold) / np.where(high > low, high - low, 1)
    times = ts[np.maximum(last - 1, 0)] + fraction * (ts[last] - ts[np.maximum(last - 1, 0)])
    return np.where(below.any(axis=-1), times, np.inf)


@cite("saxe2014exact")
def saxe2014_depth(config: Saxe2014Depth, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """From orthogonal or pretrained weights the learning time does not grow with depth; from Gaussian ones it does.

    Learning times are in units of one over depth, which is how the largest stable learning rate scales: the number of
    steps at the best rate. Pretraining on white inputs leaves orthogonal weights aligned with the task; here they begin
    at a strength that leaves something to learn.
    """
    task_key, key = jr.split(key)
    outputs = config.size // 4
    first, second = jr.split(task_key)
    left = jnp.linalg.qr(jr.normal(first, (outputs, outputs)))[0]
    right = jnp.linalg.qr(jr.normal(second, (config.size, outputs)))[0]
    values = jnp.linspace(1.2, 0.8, outputs)
    yx = (left * values) @ right.T
    moments = tasks.Moments(jnp.eye(config.size), yx, yx @ yx.T)
    depths = sorted(set(config.depths))
    num = round(config.longest / RATE)
    times, rates, predicted = [], [], []
    for depth in depths:
        progress(f"training {depth} layers")
        sizes = (config.size,) * depth + (outputs,)
        initialisers = (nn.orthogonal(1.0), nn.glorot(), nn.aligned(moments, config.strength))
        branches = [lambda key, init=init: init(nn.DeepLinear, sizes, key=key) for init in initialisers]  # noqa: B023
        rule = learn.Descent(RATE / depth)
        ts = RATE / depth * np.arange(0, num + 1, 2)

        def make(key: PRNGKey, kind: Any, branches: Any = branches, rule: Any = rule) -> tuple:
            return jax.lax.switch(kind, branches, key), moments, rule

        axes = {"kind": np.arange(len(KINDS)), "seed": config.seeds}
        trained = learn.ensemble(make, jnp.asarray(ts), axes, key=key)
        times.append(depth * _done(ts, np.asarray(trained["loss"]), config.threshold))
        end = jax.tree.map(lambda leaf: leaf[2, 0], trained.network)
        rates.append(float(analyse.largest_stable_rate(end, moments)))
        # All modes of the pretrained networks by Saxe's quadrature; the sum of their squared gaps is the loss.
        strengths = theory.chain_strength(jnp.asarray(ts), values, _layers(config, depth)) if depth > 2 else (
            theory.mode_strength(jnp.asarray(ts)[:, None], values, config.strength))  # fmt: skip
        gap = np.asarray(0.5 * jnp.sum((strengths - values) ** 2, axis=-1))
        predicted.append(depth * float(_done(ts, gap, config.threshold)))

    found = np.stack(times)  # depth, kind, seed
    median = np.median(found, axis=2)
    limit = _infinite(config, np.asarray(values))
    # Fewer layers than five learn somewhat sooner (one hidden layer: 1.4 times as fast as infinitely many).
    base = next(i for i, depth in enumerate(depths) if depth >= SETTLED)
    growth = median[-1] / median[base]
    edge = [float(theory.maximal_stable_rate(values[0], depth=depth)) for depth in depths]
    deepest = depths[-1]
    claims = (
        Claim(f"Orthogonal weights: steps to learn do not grow with depth ({deepest} over {depths[base]} layers)", 1.3,
              float(growth[0]), 0.0, "at most"),
        Claim(f"Scaled Gaussian weights: they grow at least two-fold ({deepest} over {depths[base]} layers)", 2.0,
              float(min(growth[1], 1e3)), 0.0, "at least", control=True),
        Claim("Pretrained weights: learning times are those of Saxe's mode equation (largest relative error over "
              "depths)",
              0.0, float(np.max(np.abs(median[:, 2] / predicted - 1))), 0.02),
        Claim("Pretrained weights: at any depth learning takes less than at infinite depth", limit,
              float(np.max(median[:, 2])), 0.02 * limit, "at most"),
        Claim("The largest stable learning rate is 2 / (D s^(2 - 2/D)), so that it falls as one over depth (largest "
              "relative error)", 0.0, float(np.max(np.abs(np.array(rates) / edge - 1))), 0.05),
    )  # fmt: skip
    variables = {
        "learning_time": (("depth", "kind", "seed"), found),
        "predicted_pretrained": (("depth",), np.array(predicted)),
        "largest_stable_rate": (("depth",), np.array(rates)),
    }
    dataset = xr.Dataset(variables, {"depth": depths, "kind": list(KINDS)}, {"infinite_depth": limit})
    figure = draw(
        "depth",
        "Learning time in units of one over depth (the number of steps at the best learning rate, up to a factor) "
        "against depth. From orthogonal weights it soon stays what it is, from pretrained ones below a finite limit; "
        "from scaled Gaussian ones it grows and grows.",
        lambda canvas: _plot(canvas, config, np.array(depths), found, np.array(predicted), limit),
    )
    return Findings(claims, (figure,), {"depth": dataset})


def _layers(config: Saxe2014Depth, depth: int) -> Any:
    return jnp.full((depth, config.size // 4), config.strength ** (1 / depth))


def _infinite(config: Saxe2014Depth, values: np.ndarray) -> float:
    """The learning time at infinite depth, $D t$, when the summed squared gaps of all modes pass the threshold."""
    ts, gap = np.linspace(0, config.longest, 6000), 0.0
    for s in values:
        strengths = np.linspace(config.strength, s * (1 - 1e-6), 4000)
        times = np.asarray(theory.learning_time(s, config.strength, strengths, depth=np.inf))
        gap = gap + 0.5 * (np.interp(ts, times, strengths) - s) ** 2
    return float(_done(ts, gap, config.threshold))


def _plot(canvas: Canvas, config: Any, depths: Any, found: Any, predicted: Any, limit: float) -> None:
    axes = canvas.subplots()
    capped = np.minimum(found, config.longest)
    for kind, (label, colour, marker) in enumerate(zip(KINDS, COLOURS, "os^", strict=False)):
        middle, low, high = (f(capped[:, kind], axis=1) for f in (np.median, np.min, np.max))
        bars = [middle - low, high - middle]
        axes.errorbar(depths, middle, bars, color=colour, marker=marker, label=label, markersize=5)
    axes.plot(depths, predicted, color="black", linestyle="--", linewidth=1, label="pretrained, theory")
    axes.axhline(limit, color=COLOURS[2], linestyle=":", label="pretrained, infinite depth")
    if np.any(found > config.longest):
        axes.axhline(config.longest, color="0.6", linewidth=0.8)
        axes.text(depths[0], config.longest, "not learned", va="bottom", color="0.4")
    axes.set(xscale="log", ylim=(0, None), xlabel="depth $D$ (weight matrices)", ylabel="learning time $D\\,t$")
    axes.set_xticks(depths, [str(depth) for depth in depths])
    axes.minorticks_off()
    canvas.legend(loc="outside right center")
