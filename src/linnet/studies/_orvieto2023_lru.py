"""The ladder from recurrent networks to the linear recurrent unit, on images and over long delays."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import scipy.stats
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks
from .._cite import cite
from .._loss import CrossEntropy
from .._types import PRNGKey
from ..config import Orvieto2023LRU
from ..report import COLOURS, GUIDE, INK, draw
from ._lru_ladder import DENSE, DIAGONAL, dense_unit, diagonal_unit
from ._study import Claim, Findings, silent

_NUM_SYMBOLS = 4
_NUM_TEST = 300


def ring_power(low: float, high: float) -> float:
    """The mean of 1 / (1 - r^2) over a ring, uniform by area: the power of states from inputs of power 1."""
    return math.log((1 - low**2) / (1 - high**2)) / (high**2 - low**2)


def _statistics(config: Orvieto2023LRU, key: PRNGKey) -> dict[str, tuple[float, float]]:
    """The distance of the poles from their distribution, and the power of states with and without normalisation.

    Each with its bound, a chance of about 1e-3, or five standard errors.
    """
    low, high, num = config.r_min, config.r_max, config.units
    layer = nn.LRU(8, num, r_min=low, r_max=high, output="none", key=key)
    area = (np.abs(np.asarray(layer.poles())) ** 2 - low**2) / (high**2 - low**2)
    found = {"ring": (float(scipy.stats.kstest(area, "uniform").statistic), 1.95 / num**0.5)}
    steps = int(np.ceil(np.log(1e-3) / np.log(high)))
    xs = jr.normal(jr.fold_in(key, 1), (16, steps, 8), layer.skip.dtype)
    last = eqx.filter_jit(eqx.filter_vmap(lambda layer, x: layer(x)[1], in_axes=(None, 0)))
    for name, gain in (("with", layer.gamma_log), ("without", jnp.zeros_like(layer.gamma_log))):
        states = last(eqx.tree_at(lambda layer: layer.gamma_log, layer, gain), xs)
        power = np.sum(np.asarray(states) ** 2, axis=1)  # sequence state
        error = np.var(power.mean(axis=1)) / len(power) + np.var(power.mean(axis=0)) / num
        found[name] = (float(np.mean(power)), 5 * float(error) ** 0.5)
    return found


def _train(
    task: Any, data: tuple[tasks.Batch, tasks.Batch], ring: tuple[float, float], updates: int,
    config: Orvieto2023LRU, key: PRNGKey,
) -> xr.Dataset:  # fmt: skip
    """All rungs on one task: "seed rung time"."""
    kind, size, states = jnp.float32, config.hidden_size, config.state_size
    train, test = data

    def wrap(unit: Any, key: PRNGKey) -> nn.SequenceModel:
        first, second, third = jr.split(key, 3)
        if train.has_tokens:
            embedding = nn.Embedding(task.vocab_size, size, dtype=kind, key=first)
        else:
            embedding = nn.LinearEmbedding(1, size, dtype=kind, key=first)
        norms = [eqx.nn.RMSNorm(size, use_bias=False, dtype=kind) for _ in range(2)]
        block = nn.Block(unit, norms[0], mlp=nn.FeedForward(size, dtype=kind, key=second), mlp_norm=norms[1])
        weight = jr.normal(third, (task.num_classes, size), kind) / size**0.5
        return nn.SequenceModel(embedding, (block,), nn.Head(weight, jnp.zeros(task.num_classes, kind)))

    def dense(rung: Any, key: PRNGKey) -> Any:
        return dense_unit(rung, size, states, kind, key)

    def diagonal(rung: Any, key: PRNGKey) -> Any:
        return diagonal_unit(rung, size, states, ring, 2 * math.pi, kind, key)

    ts = np.linspace(0, updates * config.learning_rate, config.records)
    rule = learn.Descent(config.learning_rate, optax.scale_by_adam(), batch_size=config.batch_size)
    parts = []
    for names, unit in ((DENSE, dense), (DIAGONAL, diagonal)):

        def make(key: PRNGKey, rung: Any, unit: Any = unit) -> tuple:
            first, second = jr.split(key)
            return wrap(unit(rung, first), second), train, rule

        axes = {"seed": config.seeds, "rung": np.arange(len(names))}
        observe = [learn.Accuracy(), learn.Accuracy("test", test)]
        trained = learn.ensemble(make, ts, axes, key=key, observe=observe, loss=CrossEntropy())
        values = {name: (("seed", "rung", "time"), np.asarray(trained[name]))
                  for name in ("loss", "accuracy", "test_accuracy")}  # fmt: skip
        parts.append(xr.Dataset(values, {"rung": list(names)}))
    return xr.concat(parts, "rung").assign_coords(update=("time", np.rint(ts / config.learning_rate).astype(int)))


def _digits(config: Orvieto2023LRU, key: PRNGKey) -> xr.Dataset:
    task = tasks.SequentialDigits.load(dtype=jnp.float32)
    data = (
        tasks.Batch(task.images[:, :, None], task.labels),
        tasks.Batch(task.test_images[:, :, None], task.test_labels),
    )
    return _train(task, data, (config.r_min, config.r_max), config.updates, config, key)


def _copies(config: Orvieto2023LRU, key: PRNGKey) -> xr.Dataset:
    task = tasks.DelayedCopy(length=config.delay, num_symbols=_NUM_SYMBOLS, num_copied=config.copied)
    first, second, third = jr.split(key, 3)
    data = task.sample(config.sequences, key=first), task.sample(_NUM_TEST, key=second)
    return _train(task, data, (config.copy_r_min, config.copy_r_max), config.copy_updates, config, third)


def _claims(
    statistics: dict[str, tuple[float, float]], digits: xr.Dataset, copies: xr.Dataset | None, config: Orvieto2023LRU
) -> tuple[Claim, ...]:
    low, high = config.r_min, config.r_max
    final = dict(zip(digits["rung"].values, digits["test_accuracy"].isel(time=-1).mean("seed").values))
    bare = ring_power(low, high)
    claims = (
        Claim(f"The poles begin uniform on the ring from {low:g} to {high:g}, by area (Kolmogorov and Smirnov's "
              "distance)", statistics["ring"][1], statistics["ring"][0], 0.0, "at most"),
        Claim("With their normalisation states have the power of white inputs", 1.0, *statistics["with"]),
        Claim("... and without it that of the closed form, log((1 - r_min^2) / (1 - r_max^2)) / (r_max^2 - r_min^2)",
              bare, *statistics["without"], control=True),
        Claim("Digits read pixel by pixel: without tanh a recurrent network gets at least 0.05 more of those held out "
              "right", 0.05, float(final["linear"] - final["tanh"]), 0.0, "at least"),
        Claim("... with complex diagonal weights at least 0.05 more again", 0.05,
              float(final["complex diagonal"] - final["linear"]), 0.0, "at least"),
        Claim("... and the last rung is right in at least 0.75 of them", 0.75, float(final["normalised"]), 0.0,
              "at least"),
        Claim("The recurrent network with tanh, the same in all else, is right in less than 0.65", 0.65,
              float(final["tanh"]), 0.0, "at most", control=True),
    )  # fmt: skip
    if copies is None:
        return claims
    final = dict(zip(copies["rung"].values, copies["test_accuracy"].isel(time=-1).mean("seed").values))
    ring = f"on the ring from {config.copy_r_min:g} to {config.copy_r_max:g}"
    return (
        *claims,
        Claim(f"Symbols kept over {config.delay} steps: from poles {ring} at least 0.95 of them are right", 0.95,
              float(final["ring"]), 0.0, "at least"),
        Claim("... and with the normalisation", 0.95, float(final["normalised"]), 0.0, "at least"),
        Claim("The same parametrisation from poles on the whole disk is right in less than 0.8", 0.8,
              float(final["stable"]), 0.0, "at most", control=True),
        Claim(f"The recurrent network with tanh is at chance, 1/{_NUM_SYMBOLS}", 1 / _NUM_SYMBOLS,
              float(final["tanh"]), 0.1, control=True),
    )  # fmt: skip


@cite("orvieto2023resurrecting", "alpaydin1998optical", "arjovsky2016unitary")
def orvieto2023_lru(config: Orvieto2023LRU, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """From recurrent networks to the linear recurrent unit, rung by rung, and what each rung is good for.

    The paper's ablation, on scikit-learn's digits in place of CIFAR, and on delayed copying.
    """
    progress("measuring initial values")
    statistics = _statistics(config, key)
    progress("training on sequences of pixels")
    digits = _digits(config, key)
    datasets, copies = {"digits": digits}, None
    if config.delay:
        progress("training on delayed copying")
        datasets["copies"] = copies = _copies(config, jr.fold_in(key, 2))
    figure = draw(
        "ladder",
        "The share of held-out digits that are right after training, by rung, with all seeds (dots; dashed: chance)"
        + (f"; and the same of symbols that were kept over {config.delay} steps." if copies is not None else "."),
        lambda canvas: _plot(canvas, datasets, config),
        height=2.9,
    )
    return Findings(_claims(statistics, digits, copies, config), (figure,), datasets)


def _plot(canvas: Canvas, datasets: dict[str, xr.Dataset], config: Orvieto2023LRU) -> None:
    titles = {"digits": ("held-out digits", 0.1), "copies": (f"kept over {config.delay} steps", 1 / _NUM_SYMBOLS)}
    axes = canvas.subplots(1, len(datasets), squeeze=False, sharey=True)[0]
    for axis, (name, data) in zip(axes, datasets.items(), strict=True):
        title, chance = titles[name]
        rungs = list(data["rung"].values)
        final = data["test_accuracy"].isel(time=-1).values
        places = np.arange(len(rungs))[::-1]
        colours = [COLOURS[1] if rung in DENSE else COLOURS[0] for rung in rungs]
        axis.barh(places, final.mean(axis=0), color=colours, height=0.65, alpha=0.75)
        for row in final:
            axis.plot(row, places, "o", color=INK, markersize=2.5)
        axis.axvline(chance, color=GUIDE, linewidth=0.8, linestyle="--")
        axis.set(xlim=(0, 1), xlabel="accuracy", title=title)
        axis.set_yticks(places, rungs)
