"""Adding up and averaging a noisy stimulus: one recurrence, and only one of the two holds beyond the trained length."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks
from .._cite import cite
from .._trajectory import Trajectory
from .._types import PRNGKey
from ..config import Proca2025Integration
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Well below the stability limit of the sum of correlated stimuli.
RATE = 0.005
STIMULI = ("white", "stimulus in noise")
REPORTS = ("sum", "mean")


def integration(config: Proca2025Integration, length: int, stimulus: int, report: int) -> tasks.SensoryIntegration:
    """The task at one length: white inputs or a correlated stimulus in noise; the sum or the mean."""
    pair = np.array([[1, config.correlation], [config.correlation, 1]])
    covariance = np.kron(np.eye(config.modalities), pair)
    # Noise alone is white; of one power, so that both stimuli pose one task to the theory of white inputs.
    noise = config.noise**2 if stimulus else 1.0
    return tasks.SensoryIntegration(
        length, mean=bool(report), stimulus_covariance=jnp.asarray(stimulus * covariance), noise_variance=noise
    )


def mean_loss(task: tasks.SensoryIntegration, trained: int) -> float:
    r"""The loss of a network that reports $\frac1T \sum_i x_i$ where the mean of $T'$ inputs is asked for.

    $\frac12 (1/T' - 1/T)^2\, \mathrm{tr}(T'^2 \Sigma_z + T' \sigma_n^2 I)$, which is $\frac{T'}2 (1/T' - 1/T)^2$ per
    mode for white inputs.

    Args:
        task: the task at length $T'$.
        trained: $T$.
    """
    steps, covariance = task.num_steps, np.asarray(task.stimulus_covariance)
    power = steps**2 * np.trace(covariance) + steps * covariance.shape[0] * float(task.noise_variance)
    return 0.5 * (1 / steps - 1 / trained) ** 2 * power


def _train(config: Proca2025Integration, key: PRNGKey) -> Trajectory:
    """Trains networks from small and from large random weights on both stimuli and both reports."""
    both = [[integration(config, config.window, s, r).moments() for r in (0, 1)] for s in (0, 1)]
    stacked = jtu.tree_map(lambda *leaves: jnp.stack(leaves), *[task for row in both for task in row])
    sizes = (2 * config.modalities, config.hidden, 2 * config.modalities)

    def make(key: PRNGKey, scale: Any, stimulus: Any, report: Any) -> tuple:
        task = jtu.tree_map(lambda leaf: leaf[2 * stimulus + report], stacked)
        return nn.fan_in(scale)(nn.LinearRNN, sizes, key=key), task, learn.Descent(RATE)

    axes = {"scale": np.array([config.scale, config.large]), "stimulus": np.arange(2), "report": np.arange(2)}
    ts = jnp.linspace(0.0, config.duration, config.times)
    return learn.ensemble(make, ts, axes | {"seed": config.seeds}, key=key)


def _select(networks: nn.LinearRNN, where: tuple[int, ...]) -> nn.LinearRNN:
    """The networks of one stimulus and report, with axes for scale and seed."""
    return jtu.tree_map(lambda leaf: leaf[:, *where], networks)


@eqx.filter_jit
def _losses(networks: nn.LinearRNN, moments: tasks.TemporalMoments) -> Float[Array, "scale seed"]:
    """The exact losses of networks with two leading axes."""
    return eqx.filter_vmap(eqx.filter_vmap(moments.loss))(networks)


@eqx.filter_jit
def _sampled(network: nn.LinearRNN, batch: tasks.Batch) -> Float[Array, " num"]:
    """The loss of every example, through the network's own steps."""
    return 0.5 * jnp.sum((jax.vmap(nn.apply_last, (None, 0))(network, batch.x) - batch.y) ** 2, axis=-1)


@cite("proca2025learning")
def proca2025_integration(
    config: Proca2025Integration, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """A sum is learned with recurrent and input-output strengths 1 and holds at any length; a mean, with 1/T, does not.

    Gaussian stimuli stand in for NeuroGym's; they are white, as the theory asks, or correlated over time and channels.
    """
    train_key, sample_key = jr.split(key)
    window, furthest, modes = config.window, config.lengths[-1], 2 * config.modalities
    progress("training networks to report the sum or the mean")
    trained = _train(config, train_key)
    network = trained.network
    axes = ("scale", "stimulus", "report", "seed")
    recurrent = np.linalg.svd(np.asarray(network.recurrent_weights), compute_uv=False)[..., :modes]
    product = np.linalg.svd(np.asarray(network.output_weights @ network.input_weights), compute_uv=False)
    lengths = np.array([window, *config.lengths])
    shape = (lengths.size, 2, 2)
    found = np.zeros((lengths.size, 2, 2, 2, config.seeds))  # length, then `axes`
    power, closed, scores, rescaled = np.zeros(shape), np.zeros(shape), np.zeros(shape[1:]), np.zeros_like(found[-1])
    for n, length in enumerate(lengths):
        progress(f"testing them on sequences of {length} steps")
        for where in np.ndindex(2, 2):
            task = integration(config, int(length), *where)
            those = _select(network, where)
            losses = found[(n, slice(None), *where)] = np.asarray(_losses(those, task.moments()))
            power[(n, *where)] = 0.5 * np.trace(np.asarray(task.moments().yy))
            closed[(n, *where)] = mean_loss(task, window) if task.mean else 0.0
            if length == furthest:
                corrected = eqx.tree_at(lambda net: net.output_weights, those, those.output_weights * (window / length))
                rescaled[(slice(None), *where)] = _losses(corrected, task.moments()) / power[(n, *where)]
                batch = task.sample(config.samples, key=jr.fold_in(sample_key, 2 * where[0] + where[1]))
                each = np.asarray(_sampled(jtu.tree_map(lambda leaf: leaf[0, 0], those), batch))
                scores[where] = abs(each.mean() - losses[0, 0]) / (each.std() / np.sqrt(config.samples))
    relative = found / power[:, None, :, :, None]
    small, large = relative[:, 0], relative[:, 1]
    target = np.array([1.0, 1 / window])
    claims = [
        Claim("Networks from small weights have learned: their largest loss relative to the targets' power", 0.0,
              float(np.max(small[0])), 1e-4, "at most"),
    ]  # fmt: skip
    for s, stimulus in enumerate(STIMULI):
        for r, report in enumerate(REPORTS):
            gap, own = np.abs(recurrent[0, s, r] - 1), np.abs(product[0, s, r] / target[r] - 1)
            claims += [
                # Initial weights of the size `scale` stay in the directions that the task does not use.
                Claim(f"{report}, {stimulus}: the {modes} recurrent singular values in use are 1", 1.0,
                      1 + float(np.max(gap)), config.scale),
                Claim(f"{report}, {stimulus}: the input-output singular values are {'1/T' if r else '1'}",
                      float(target[r]), float(target[r] * (1 + np.max(own))), float(target[r] * config.scale)),
            ]  # fmt: skip
        measured, expected = np.median(found[-1, 0, s, 1]), closed[-1, s, 1]
        claims += [
            Claim(f"sum, {stimulus}: at {furthest} steps the network holds; its loss relative to the targets' power",
                  0.0, float(np.max(small[-1, s, 0])), 1e-3, "at most"),
            # An error of the recurrence is multiplied by the number of steps.
            Claim(f"mean, {stimulus}: at {furthest} steps the loss is that of 1/T in place of 1/T'", float(expected),
                  float(measured), float(expected) * 0.03),
        ]  # fmt: skip
    trend = np.diff(np.median(small[:, :, 1], axis=-1), axis=0)
    claims += [
        Claim("mean: the loss relative to the targets' power rises with every length (share of rises)", 1.0,
              float(np.mean(trend > 0)), 0.0),
        Claim("The exact losses at the largest length are those of sampled sequences (largest gap in standard errors)",
              0.0, float(np.max(scores)), 4.5, "at most"),
        Claim(f"mean: with outputs times T/T' the networks hold at {furthest} steps too: only the amplitude was wrong",
              0.0, float(np.max(rescaled[0, :, 1])), 1e-3, "at most", control=True),
        Claim("Large initial weights learn the sum of white inputs, too: median relative loss", 0.0,
              float(np.median(large[0, 0, 0])), 1e-3, "at most", control=True),
        Claim(f"... but do not find the recurrence that holds at {furthest} steps: their median relative loss there "
              "is 100 times that of small weights or more", 100.0,
              float(np.median(large[-1, 0, 0]) / np.median(small[-1, 0, 0])), 0.0, "at least", control=True),
    ]  # fmt: skip
    coords = {"scale": [config.scale, config.large], "stimulus": list(STIMULI), "report": list(REPORTS),
              "length": lengths, "mode": np.arange(modes), "time": np.asarray(trained.ts)}  # fmt: skip
    data = xr.Dataset(
        {
            "loss": ((*axes, "time"), np.asarray(trained["loss"])),
            "recurrent_singular_values": ((*axes, "mode"), recurrent),
            "input_output_singular_values": ((*axes, "mode"), product),
            "loss_at_length": (("length", *axes), found),
            "predicted_loss_at_length": (("length", "stimulus", "report"), closed),
            "target_power": (("length", "stimulus", "report"), power),
        },
        coords,
    )
    figure = draw(
        "integration",
        "Left: the singular values in use of networks that report the sum or the mean of their inputs: recurrent ones "
        "are 1, input-output ones 1 or 1/T (dotted). Right: their loss on longer sequences than they were trained "
        "on, relative to the targets' power; the mean fails as predicted (lines). From large weights the sum, too.",
        lambda canvas: _plot(canvas, data, relative, closed / power, window),
        height=3.6,
    )
    return Findings(tuple(claims), (figure,), {"integration": data})


def _plot(canvas: Canvas, data: xr.Dataset, relative: np.ndarray, closed: np.ndarray, window: int) -> None:
    left, right = canvas.subplots(1, 2)
    for r, (report, colour) in enumerate(zip(REPORTS, COLOURS)):
        for s, (stimulus, marker) in enumerate(zip(STIMULI, "ox")):
            for place, name in enumerate(("recurrent_singular_values", "input_output_singular_values")):
                values = data[name].values[0, s, r].ravel()
                spread = np.linspace(-0.07, 0.07, values.size) + place + 0.18 * (2 * r + s - 1.5)
                left.plot(spread, values, marker, color=colour, markersize=3.5, alpha=0.7)
            best = np.median(relative[:, 0, s, r], axis=-1)
            right.plot(data.length, best, marker, color=colour, label=f"{report}, {stimulus}")
    for value in (1, 1 / window):
        left.axhline(value, color="0.6", linestyle=":", zorder=0)
    for s in range(2):
        right.plot(data.length[1:], closed[1:, s, 1], color=COLOURS[1], linewidth=1)
    rough = np.median(relative[:, 1, 0, 0], axis=-1)
    right.plot(data.length, rough, "^", color="0.5", label="sum, white, from large weights")
    left.set_xticks([0, 1], ["recurrent", "input-output"])
    left.set(ylabel="singular values", ylim=(0, 1.3), xlim=(-0.5, 1.5))
    right.set(xscale="log", yscale="log", xlabel="steps of a sequence", ylabel="loss / power of the targets")
    right.set_xticks(data.length, [str(n) for n in data.length.values])
    right.minorticks_off()
    canvas.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3)
