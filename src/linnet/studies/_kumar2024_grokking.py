"""Why generalisation can come long after fitting: lazy training, a misaligned kernel, and a sample of middle size."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Kumar2024Grokking
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: A loss is down once it is this part of its start.
DOWN = 0.5


def time_below(times: np.ndarray, losses: np.ndarray, part: float) -> np.ndarray:
    """The first time at which losses are a part of their start, the last one if never; `"*batch time"` to `"*batch"`.

    Interpolated in the logarithm of time, except before the first time above 0.
    """
    relative = losses / losses[..., :1]
    below = relative <= part
    found, logs = np.full(losses.shape[:-1], times[-1]), np.log(times[1:])
    for place in np.ndindex(found.shape):
        if below[place].any():
            at = int(below[place].argmax())
            high, low = relative[place][at - 1], relative[place][at]
            share = (high - part) / (high - low) if at > 1 else 1.0
            found[place] = np.exp(logs[max(at - 2, 0)] * (1 - share) + logs[at - 1] * share)
    return found


def fresh_losses(weights: np.ndarray, scale: float, curvature: float, target: tuple, x: np.ndarray) -> np.ndarray:
    """Half the squared error on every fresh input, neuron by neuron: nothing of the decomposition enters.

    Args:
        weights: `"hidden in"`.
        scale: the output scale.
        curvature: of the activation.
        target: the linear and the quadratic coefficients of the target.
        x: `"sample in"`.
    """
    hidden = x @ weights.T
    found = scale * np.mean(hidden + curvature / 2 * hidden**2, axis=1)
    linear, quadratic = target
    return (found - x @ linear - np.einsum("si,ij,sj->s", x, quadratic, x, optimize=True) / 2) ** 2 / 2


@cite("kumar2024grokking")
def kumar2024_grokking(
    config: Kumar2024Grokking, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Delay of generalisation: set by output scale and by alignment, and there in the middle range of samples only.

    A delay is the time at which the test loss is halved over that at which the train loss is, so that the speed of all
    learning does not count; means over seeds are geometric, and a loss that is never halved counts as at the end. A
    smaller curvature alone would make training richer as well (what M has to gain is the target over alpha epsilon),
    so that alignment is varied at constant alpha epsilon.
    """
    scales, curvatures = np.array(config.scales), np.array(config.curvatures)
    middle = len(scales) // 2 - 1  # the richer of the middle ones
    cells = np.array(
        [(scale, config.curvature, config.samples) for scale in scales]
        + [(config.product / bend, bend, config.samples) for bend in curvatures]
        + [(scales[middle], config.curvature, num) for num in (config.few, config.many)]
    )
    table = jnp.asarray(cells)

    def make(key: PRNGKey, cell: Any) -> tuple:
        scale, curvature, num = table[cell]
        first, second = jr.split(key)
        network = nn.QuadraticNetwork.random((config.inputs, config.hidden), scale, curvature, key=first)
        task = tasks.PolynomialRegression.random(config.inputs, config.many, key=second)
        # Inputs of zeros have no loss and no gradient: one program for all numbers of samples, with the mean made good
        # by the rate.
        used = jnp.arange(config.many) < num
        shown = tasks.PolynomialRegression(jnp.where(used[:, None], task.x, 0), task.linear, task.quadratic)
        rate = config.hidden / scale**2 * config.many / num
        return network, shown.centred(network), learn.GradientFlow(rtol=1e-6, atol=1e-9, rates=rate)

    ts = np.concatenate([[0.0], np.geomspace(0.5, config.duration, config.times - 1)])
    progress("training networks of every output scale, alignment and number of samples")
    axes = {"seed": config.seeds, "cell": np.arange(len(cells))}
    observe = (learn.PolynomialTestLoss(), learn.PolynomialTestLoss(by_part=True))
    trained = learn.ensemble(make, ts, axes, key=key, observe=observe)
    train, test, parts = (np.asarray(trained[name]) for name in ("loss", "test_loss", "test_loss_parts"))
    train = train * (config.many / cells[:, 2])[:, None]

    progress("measuring on fresh samples")
    weights = np.asarray(trained.network.weights)
    linear, quadratic = np.asarray(trained.task.linear), np.asarray(trained.task.quadratic)
    x = np.asarray(jr.normal(jr.fold_in(key, 1), (config.fresh, config.inputs))) / np.sqrt(config.inputs)
    apart = np.zeros(train.shape[:2])
    for place in np.ndindex(apart.shape):
        scale, curvature, _ = cells[place[1]]
        losses = fresh_losses(weights[place], scale, curvature, (linear[place], quadratic[place]), x)
        error = losses.std() / np.sqrt(config.fresh)
        apart[place] = abs(losses.mean() - parts[place][-1].sum()) / error

    progress("predicting one of them")
    network, task, _ = make(jr.fold_in(key, 0), middle)
    task = tasks.PolynomialRegression(task.x[: config.samples], task.linear, task.quadratic)
    lasting = config.hidden / scales[middle] ** 2
    predicted = theory.predict(network, task, lasting * ts, theory=theory.PolynomialGrokking())
    gap = max(
        float(np.max(np.abs(np.asarray(predicted[name]) - found[0, middle])) / found[0, middle, 0])
        for name, found in (("loss", train), ("test_loss", test))
    )
    alignment = np.asarray(predicted["label_alignment"])
    first = len(scales)
    starts = np.array([_alignment(make, key, config, index) for index in range(first, first + len(curvatures))])

    # Tasks differ much in how late they generalise: delays are compared within seeds, which share their draws.
    delay = np.log(time_below(ts, test, DOWN) / time_below(ts, train, DOWN))
    bends = slice(first, first + len(curvatures))
    steps = np.exp(np.mean(np.diff(delay[:, :first], axis=1), axis=0))
    lazier = np.exp(np.mean(delay[:, first - 1] - delay[:, 0]))
    misaligned = np.exp(np.mean(delay[:, bends.start] - delay[:, bends.stop - 1]))
    rise = np.median(np.max(test / test[..., :1], axis=-1), axis=0)[bends]
    ended = np.median(test[..., -1] / test[..., 0], axis=0)
    fitted = np.max(train[..., -1] / train[..., 0], axis=0)
    few, many = len(cells) - 2, len(cells) - 1
    delays = np.exp(np.mean(delay, axis=0))
    claims = (
        Claim("The three parts of the test loss add up to what is measured on fresh samples, for every trained network "
              "(largest difference in standard errors)", 0.0, float(np.max(apart)), 5.0, "at most"),
        Claim("Two moments of the weights predict the losses of training all weights (largest gap over time, relative "
              "to the first loss)", 0.0, gap, 1e-3, "at most"),
        Claim("Every step up in output scale makes generalisation come later (smallest growth of the delay)", 1.1,
              float(np.min(steps)), 0.0, "at least"),
        Claim(f"... so that it comes much later at the scale {scales[-1]:g} than at {scales[0]:g} (ratio of delays)",
              2.0, float(lazier), 0.0, "at least"),
        Claim("The tangent kernel begins less aligned with the target where the curvature is smaller (alignment at the "
              "smallest over that at the largest curvature)", 0.8, float(starts[0] / starts[-1]), 0.0, "at most"),
        Claim("... and then generalisation comes later, at equal laziness (delay at the smallest over that at the "
              "largest curvature)", 1.25, float(misaligned), 0.0, "at least"),
        Claim("... because the sample is fitted first by what does not generalise: the test loss rises (its maximum "
              "over its start at the smallest curvature)", 1.05, float(rise[0]), 0.0, "at least"),
        Claim("With an aligned kernel it does not (the same at the largest curvature)", 1.03, float(rise[-1]), 0.0,
              "at most", control=True),
        Claim("Learned features align the kernel with the target (alignment after over before)", 1.5,
              float(alignment[-1] / alignment[0]), 0.0, "at least"),
        Claim(f"With {config.samples} samples test loss falls, late (delay)", 2.0,
              float(delays[middle]), 0.0, "at least"),
        Claim("... to a small part of its start (median)", 0.1, float(ended[middle]), 0.0, "at most"),
        Claim(f"With {config.few} samples all are fitted, and it does not fall by half (median part left)", 0.5,
              float(ended[few] if fitted[few] < 0.01 else np.nan), 0.0, "at least", control=True),
        Claim(f"With {config.many} samples it falls with the train loss (delay)", 1.5,
              float(delays[many]), 0.0, "at most", control=True),
    )  # fmt: skip
    dims = ("seed", "cell", "time")
    runs = xr.Dataset(
        {"loss": (dims, train), "test_loss": (dims, test), "test_loss_parts": ((*dims, "part"), parts),
         "predicted_loss": (("time",), np.asarray(predicted["loss"])),
         "predicted_test_loss": (("time",), np.asarray(predicted["test_loss"])),
         "predicted_label_alignment": (("time",), alignment)},
        {"time": ts, "part": list(tasks.TEST_PARTS), "scale": ("cell", cells[:, 0]),
         "curvature": ("cell", cells[:, 1]), "samples": ("cell", cells[:, 2])},
    )  # fmt: skip
    figure = draw(
        "grokking",
        "Left: train (thin) and test loss (thick) over learning time for every output scale; dots are the predicted "
        "flow of the moments. Middle: the three parts of the test loss at the second of them. Right: train and test "
        "loss for few, a middle number of and many samples. Losses are relative to their start; one seed.",
        lambda canvas: _plot(canvas, runs, len(scales), middle, (few, middle, many)),
        height=3.0,
    )
    return Findings(claims, (figure,), {"runs": runs})


def _alignment(make: Callable, key: PRNGKey, config: Kumar2024Grokking, cell: int) -> float:
    """The mean label alignment of the initial tangent kernel over all seeds."""
    found = []
    for seed in range(config.seeds):
        network, task, _ = make(jr.fold_in(key, seed), cell)
        x, wanted = task.x[: config.samples], (task.targets() - jax.vmap(network)(task.x)[:, 0])[: config.samples]
        kernel = theory.polynomial_kernel(*network.moments(), network.curvature, x)
        found.append(float(theory.label_alignment(kernel, wanted)))
    return float(np.mean(found))


def _plot(canvas: Canvas, runs: xr.Dataset, num: int, middle: int, ranges: tuple[int, int, int]) -> None:
    left, centre, right = canvas.subplots(1, 3)
    times = runs.time.values[1:]

    def curves(axes: Any, cell: int, colour: str, label: str) -> None:
        for name, width in (("loss", 0.8), ("test_loss", 2.0)):
            losses = runs[name].values[0, cell]
            shown = label if name == "test_loss" else None
            axes.plot(times, losses[1:] / losses[0], color=colour, linewidth=width, label=shown)

    for index in range(num):
        curves(left, index, COLOURS[index % len(COLOURS)], f"$\\alpha = {runs.scale.values[index]:g}$")
    for name in ("loss", "test_loss"):
        losses = runs[f"predicted_{name}"].values
        left.plot(times[::6], losses[1::6] / losses[0], ".", color="0.2", markersize=4)
    parts = runs.test_loss_parts.values[0, middle]
    whole = parts[0].sum()
    centre.plot(times, parts[1:].sum(axis=-1) / whole, color="0.2", linewidth=2, label="sum")
    for index, name in enumerate(runs.part.values):
        # What is not there at all has no place on a logarithmic axis.
        part = np.maximum(parts[1:, index] / whole, 1e-12)
        centre.plot(times, part, color=COLOURS[index], label=str(name))
    for index, cell in enumerate(ranges):
        curves(right, cell, COLOURS[index], f"{int(runs.samples.values[cell])} samples")
    for axes, title in ((left, "output scale"), (centre, "parts of the test loss"), (right, "number of samples")):
        axes.set(xscale="log", yscale="log", ylim=(1e-4, 3), xlabel="time $\\alpha^2 t / N$", title=title)
        axes.set_xlim(times[0], times[-1])
        axes.legend(loc="lower left", fontsize=7)
    left.set_ylabel("loss over its start")
