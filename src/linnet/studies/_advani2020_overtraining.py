"""Overtraining of linear students in high dimensions: worst with as many samples as inputs, and how to prevent it."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Advani2020Overtraining
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Learning time over the number of inputs at which training ends: modes of a hundredth of the mean variance are done.
LONG = 400.0


def _train(key: PRNGKey, config: Advani2020Overtraining, ratio: float, initial: float, ts: Array) -> tuple[Any, Any]:
    """Losses of students on teachers and samples of their own: training on the samples, test on the population."""
    samples = max(2, round(ratio * config.inputs))
    signal = config.snr / (1 + config.snr)

    def make(key: PRNGKey) -> tuple:
        teacher_key, sample_key, student_key = jr.split(key, 3)
        teacher = tasks.Teacher.random(config.inputs, config.snr, key=teacher_key)
        # Moments are all that a linear student sees of its samples.
        split = tasks.Split(teacher.sample(samples, key=sample_key).moments(), test=teacher.moments())
        weights = jnp.sqrt(initial * signal) * jr.normal(student_key, (1, config.inputs))
        return nn.DeepLinear((weights,)), split, learn.GradientFlow()

    trained = learn.ensemble(make, ts, {"seed": config.seeds}, key=key)
    return np.asarray(trained["loss"]), np.asarray(trained["test_loss"])


def _predict(config: Advani2020Overtraining, ratio: float, initial: float, ts: Any) -> tuple[Any, Any]:
    """The same in the limit of many inputs."""
    samples = max(2, round(ratio * config.inputs))
    signal = config.snr / (1 + config.snr)
    train, test = theory.generalization_curves(
        theory.marchenko_pastur(config.inputs, samples / config.inputs),
        jnp.asarray(ts),
        num_samples=samples,
        signal_variance=signal,
        noise_variance=1 / (1 + config.snr),
        initial_variance=initial * signal,
    )
    return np.asarray(train), np.asarray(test)


@cite("advani2020high")
def advani2020_overtraining(
    config: Advani2020Overtraining, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Overtraining is worst with as many samples as inputs; early stopping and small initial weights prevent it.

    Students of one layer on noisy linear teachers, trained on their samples and tested on the population, against the
    theory with the Marchenko-Pastur spectrum.
    """
    ratios = np.asarray(sorted(config.ratios))
    ts = np.concatenate([[0.0], np.geomspace(0.1, LONG, config.times - 1)]) * config.inputs
    one, few, many = int(np.flatnonzero(ratios == 1)[0]), int(np.argmin(ratios)), int(np.argmax(ratios))
    measured, predicted = [], []
    for index, ratio in enumerate(ratios):
        progress(f"training with {ratio:g} samples per input")
        measured.append(_train(jr.fold_in(key, index), config, ratio, 0.0, jnp.asarray(ts)))
        predicted.append(_predict(config, ratio, 0.0, ts))
    progress("training from large initial weights")
    large = _train(jr.fold_in(key, few), config, ratios[few], config.initial_ratio, jnp.asarray(ts))[1]
    large_predicted = _predict(config, ratios[few], config.initial_ratio, ts)[1]

    test = np.stack([losses[1].mean(axis=0) for losses in measured])
    train = np.stack([losses[0].mean(axis=0) for losses in measured])
    # Five standard errors over teachers and samples, and the finite size of the spectrum, of the order of 1 / N.
    errors = 5 * np.stack([losses[1].std(axis=0) for losses in measured]) / np.sqrt(config.seeds)
    expected = np.stack([losses[1] for losses in predicted])
    finite = expected * 3 / config.inputs
    gaps = np.abs(test - expected) / (errors + finite)
    # At one sample an input the late error has no mean for finite size: compare up to where half the modes are learned.
    comparable = (ratios[:, None] != 1) | (ts < 3 * config.inputs)
    rise = test[:, -1] / test.min(axis=1)
    stops = np.array([_stopping(config, ratio) for ratio in ratios])
    measured_stop = ts[np.argmin(test[one])]
    at_stop = np.interp(stops[one], ts, test[one])
    ridge = _ridge(config, 1.0)
    frozen = np.array([ts[-1] * 1e3])
    kept = [float(_predict(config, ratios[few], ratio, frozen)[1][0]) for ratio in (0.0, config.initial_ratio)]
    claims = (
        Claim("Test loss of trained students lies on the Marchenko-Pastur theory at all times (largest gap over five "
              "standard "
              "errors and the finite size)", 1.0, float(np.max(np.where(comparable, gaps, 0))), 0.0, "at most"),
        Claim("Overtraining is worst with as many samples as inputs: the ratio with the largest rise of the test "
              "loss", 1.0,
              float(ratios[np.argmax(rise)]), 0.0),
        Claim("There, late test loss is at least twice the best", 2.0, float(rise[one]), 0.0, "at least"),
        Claim(f"With {ratios[many]:g} samples per input it rises by less than a fifth", 1.2, float(rise[many]), 0.0,
        "at most",
              control=True),
        Claim(f"With {ratios[few]:g} samples per input a frozen subspace protects: late test loss rises less than "
              f"half as far "
              "as at 1", 0.5, float((rise[few] - 1) / (rise[one] - 1)), 0.0, "at most"),
        Claim("Stopping when the theory says is as good as the best time in hindsight (ratio of test losses)", 1.0,
              float(at_stop / test[one].min()), 0.03),
        Claim("The theory's stopping time is the measured one (logarithm of the ratio)", 0.0,
              float(np.log(stops[one] / measured_stop)), 0.35),
        Claim("Optimal ridge regression barely beats optimal stopping (ratio of test losses)", 1.0,
              float(ridge / test[one].min()), 0.05),
        Claim("Large initial weights cost what the theory says in the frozen subspace: excess of late test loss",
              kept[1] - kept[0], float(large.mean(axis=0)[-1] - test[few, -1]),
              0.1 * (kept[1] - kept[0]) + float(errors[few, -1])),
        Claim("Small initial weights cost less: the excess is more than a tenth of the late test loss", 0.1,
              float((large.mean(axis=0)[-1] - test[few, -1]) / test[few, -1]), 0.0, "at least", control=True),
    )  # fmt: skip
    coords = {"ratio": ratios, "time": ts}
    variables = {
        "test_loss": (("ratio", "time"), test),
        "training_loss": (("ratio", "time"), train),
        "predicted_test_loss": (("ratio", "time"), expected),
        "predicted_training_loss": (("ratio", "time"), np.stack([losses[0] for losses in predicted])),
        "stopping_time": (("ratio",), stops),
        "large_initial_test_loss": (("time",), large.mean(axis=0)),
        "predicted_large_initial_test_loss": (("time",), large_predicted),
    }
    figure = draw(
        "overtraining",
        "Test loss over time for several numbers of samples per input (left; dashed: theory) and the late test loss "
        "against "
        "the best one (right): the peak at one sample per input is gone if training stops in time.",
        lambda canvas: _plot(canvas, config, ts, ratios, test, expected),
        height=3.4,
    )
    return Findings(claims, (figure,), {"overtraining": xr.Dataset(variables, coords)})


def _stopping(config: Advani2020Overtraining, ratio: float) -> float:
    """The predicted stopping time."""
    return theory.optimal_stopping_time(
        lambda ts: jnp.asarray(_predict(config, ratio, 0.0, ts)[1]), LONG * config.inputs
    )


def _ridge(config: Advani2020Overtraining, ratio: float) -> float:
    """The expected test loss of ridge regression of the best strength, 1 / SNR, by the spectrum."""
    spectrum = theory.marchenko_pastur(config.inputs, ratio)
    samples = ratio * config.inputs
    signal, noise = config.snr / (1 + config.snr), 1 / (1 + config.snr)
    left = signal / (1 + config.snr * samples * np.asarray(spectrum.eigenvalues))
    return float(np.sum(np.asarray(spectrum.weights) * left) / config.inputs + noise) / 2


def _plot(canvas: Canvas, config: Advani2020Overtraining, ts: Any, ratios: Any, test: Any, expected: Any) -> None:
    left, right = canvas.subplots(1, 2)
    time = ts[1:] / config.inputs
    for ratio, colour, curve, line in zip(ratios, COLOURS * 3, test, expected, strict=False):
        left.plot(time, curve[1:], color=colour, linewidth=2.5, alpha=0.5, label=f"{ratio:g}")
        left.plot(time, line[1:], color=colour, linewidth=1, linestyle="--")
    left.set(xscale="log", xlabel="learning time / inputs", ylabel="test loss")
    left.legend(title="samples / inputs")
    fine = np.geomspace(ratios[0], ratios[-1], 41)
    curves = np.stack([_predict(config, ratio, 0.0, ts)[1] for ratio in fine])
    right.plot(fine, curves[:, -1], color=COLOURS[1], linestyle="--", linewidth=1)
    right.plot(fine, curves.min(axis=1), color=COLOURS[0], linestyle="--", linewidth=1)
    right.plot(ratios, test[:, -1], "o", color=COLOURS[1], label="late")
    right.plot(ratios, test.min(axis=1), "s", color=COLOURS[0], label="stopped at the best time")
    right.set(xscale="log", xlabel="samples / inputs", ylabel="test loss")
    right.set_ylim(0, 1.3 * max(curves.max(), test[:, -1].max()))  # room for the legend
    right.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])
    right.minorticks_off()
    right.legend(loc="upper left")
