"""One ReLU filter: recovered from random weights, by closeness of patches, smoothness of inputs and two-stage rates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ..config import EasyFilter
from ..report import COLOURS, GUIDE, draw
from ._flat_weights import FlatWeights
from ._study import Claim, Findings, silent

#: Learning time on Gaussian patches and on clustered inputs; the rate of steps on samples.
DURATION, STEP = 100.0, 0.1

#: Inputs of clusters lie near the axes of so many dimensions, in both directions.
AXES = 4

#: A filter is recovered at this distance from its teacher, whose norm is 1; rates of stages are told apart later on.
NEAR, NEARER = 0.1, 1e-3


class Paced(tasks.AbstractSetting):
    """Patches that are descended with one rate first and with another later, in units of the rate of the rule."""

    task: tasks.FilterPatches
    first: Float[Array, ""]
    second: Float[Array, ""]
    switch: int

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        return self.task.applies(network, loss)

    def loss(self, network: Any) -> Float[Array, ""]:
        return self.task.loss(network)

    def loss_at(self, network: Any, time: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.where(time < self.switch - 0.5, self.first, self.second) * self.task.loss(network)


def units(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random vectors of length 1 along the last axis."""
    found = rng.normal(size=shape)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def angles(weights: np.ndarray, teacher: np.ndarray) -> np.ndarray:
    """The angles between filters and teachers."""
    one, two = (part / np.maximum(np.linalg.norm(part, axis=-1, keepdims=True), 1e-300) for part in (weights, teacher))
    return 2 * np.arctan2(np.linalg.norm(one - two, axis=-1), np.linalg.norm(one + two, axis=-1))


def last_rate(ts: np.ndarray, curve: np.ndarray, between: tuple[float, float]) -> float:
    """The rate at which a curve decays where it lies between two values."""
    shown = (curve > between[0]) & (curve < between[1])
    return float(-np.polyfit(ts[shown], np.log(curve[shown]), 1)[0]) if shown.sum() > 2 else np.nan


def predicted_rate(closeness: float) -> float:
    """The last rate across the teacher for two white Gaussian patches, <rho (pi - arccos rho)> / 2 pi."""
    return float(0.5 * 0.5 + 0.5 * closeness * (np.pi - np.arccos(closeness)) / (2 * np.pi))


def first_below(curves: np.ndarray, level: float) -> np.ndarray:
    """The place at which each curve (along the last axis) is first below a level, infinity if nowhere."""
    below = curves < level
    return np.where(below.any(axis=-1), below.argmax(axis=-1), np.inf)


def _gaussian(config: EasyFilter, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """Filters on two Gaussian patches of any closeness, trained on the population and predicted in the plane."""
    count, size = config.seeds, config.size
    teacher = units(rng, count, size)
    start = units(rng, count, size) * rng.uniform(0.3, 2.0, size=(count, 1))
    teachers, starts = jnp.asarray(teacher), jnp.asarray(start)
    ts = DURATION * np.linspace(0, 1, 201) ** 2

    def parts(closeness: Any, index: Any) -> tuple[Any, Any]:
        correlations = jnp.array([[1.0, 0.0], [0.0, 1.0]]) + closeness * jnp.array([[0.0, 1.0], [1.0, 0.0]])
        return nn.PatchFilter(starts[index]), tasks.FilterTeacher.correlated(teachers[index], correlations)

    def make(key: PRNGKey, closeness: Any, index: Any) -> tuple:
        return (*parts(closeness, index), learn.GradientFlow())

    axes = {"closeness": np.array(config.closeness), "index": np.arange(count)}
    weights = np.asarray(learn.ensemble(make, ts, axes, key=key, observe=[FlatWeights(size)])["weights"])

    @jax.jit
    def predict(closeness: Any) -> Any:
        def one(index: Any) -> Any:
            found = theory.FilterRecovery().solve(*parts(closeness, index), jnp.asarray(ts))
            return found["filter_distance"], found["filter_angle"]

        return jax.vmap(one)(jnp.arange(count))

    predicted = [np.stack(part) for part in zip(*[predict(c) for c in config.closeness])]
    dims = ("closeness", "index", "time")
    rates = np.array(
        [[last_rate(ts, curve, (1e-5, 1e-2)) for curve in row] for row in angles(weights, teacher[:, None])]
    )
    return xr.Dataset(
        {
            "distance": (dims, np.linalg.norm(weights - teacher[:, None], axis=-1)),
            "angle": (dims, angles(weights, teacher[:, None])),
            "predicted_distance": (dims, predicted[0]),
            "predicted_angle": (dims, predicted[1]),
            "rate": (dims[:2], rates),
        },
        {"closeness": list(config.closeness), "time": ts},
    )


def _sampled(config: EasyFilter, rng: np.random.Generator, key: PRNGKey) -> tuple[float, float]:
    """How far descent on sampled patches is from the predicted distance, and by how much sampling may move it."""
    teacher, start, closeness = units(rng, config.size), 0.7 * units(rng, config.size), 0.5
    common, own = rng.normal(size=(config.samples, 1, config.size)), rng.normal(size=(config.samples, 2, config.size))
    patches = np.sqrt(closeness) * common + np.sqrt(1 - closeness) * own
    ts = STEP * np.arange(0, 401, 10)
    network, task = nn.PatchFilter(jnp.asarray(start)), tasks.FilterPatches(jnp.asarray(teacher), jnp.asarray(patches))
    trained = learn.simulate(network, task, ts, rule=learn.Descent(STEP), observe=[FlatWeights(config.size)])
    correlations = jnp.array([[1.0, closeness], [closeness, 1.0]])
    exact = tasks.FilterTeacher.correlated(jnp.asarray(teacher), correlations)
    predicted = theory.predict(network, exact, ts, theory=theory.FilterRecovery())
    distance = np.linalg.norm(np.asarray(trained["weights"]) - teacher, axis=-1)
    return float(np.max(np.abs(distance - np.asarray(predicted["filter_distance"])))), 3 / np.sqrt(config.samples)


def clusters(rng: np.random.Generator, num: int, width: Any) -> np.ndarray:
    """Inputs around both ends of each axis, of the second moment I whatever the width; along `width`'s axes first."""
    place, side = rng.integers(AXES, size=num), rng.choice([-1.0, 1.0], size=num)
    atoms, noise = np.sqrt(AXES) * side[:, None] * np.eye(AXES)[place], rng.normal(size=(num, AXES))
    width = np.asarray(width)[..., None, None]
    return np.sqrt(1 - width**2) * atoms + width * noise


def _smooth(config: EasyFilter, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """Filters on one patch, of inputs in clusters of any width (0: only their centres), by descent."""
    widths = np.array([0.0, *config.widths])
    inputs = np.stack([clusters(rng, config.clustered, widths) for _ in range(config.starts)])[..., None, :]
    teacher, start = units(rng, config.starts, AXES), 0.5 * units(rng, config.starts, AXES)
    patches, teachers, starts = jnp.asarray(inputs), jnp.asarray(teacher), jnp.asarray(start)
    ts = np.arange(0, 401, 2) * STEP

    def make(key: PRNGKey, index: Any, width: Any) -> tuple:
        task = tasks.FilterPatches(teachers[index], patches[index, width])
        return nn.PatchFilter(starts[index]), task, learn.Descent(STEP)

    axes = {"index": np.arange(config.starts), "width": np.arange(len(widths))}
    weights = np.asarray(learn.ensemble(make, ts, axes, key=key, observe=[FlatWeights(AXES)])["weights"])
    distance = np.linalg.norm(weights - teacher[:, None, None], axis=-1)
    bounds = jax.jit(jax.vmap(jax.vmap(theory.recovery_bound, (0, None, None)), (0, 0, 0)))(patches, starts, teachers)
    drive = np.einsum("swnpi,si->swn", inputs, start)
    error = np.maximum(drive, 0) - np.maximum(np.einsum("swnpi,si->swn", inputs, teacher), 0)
    slope = np.einsum("swn,swnpi->swi", error * (drive > 0), inputs) / config.clustered
    away = start - teacher
    at_start = np.einsum("swi,si->sw", slope, away) / np.sum(away**2, axis=1)[:, None]
    # The wedge of a small angle holds the more of the inputs, the rougher they are.
    across = away - np.sum(away * teacher, axis=1, keepdims=True) * teacher
    turned = np.cos(0.2) * teacher + np.sin(0.2) * across / np.linalg.norm(across, axis=1, keepdims=True)
    wedge = jax.jit(jax.vmap(jax.vmap(theory.recovery_bound, (0, None, None)), (0, 0, 0)))(
        patches, jnp.asarray(turned), teachers
    )
    dims = ("index", "width")
    return xr.Dataset(
        {
            "distance": ((*dims, "time"), distance),
            "time_to_near": (dims, first_below(distance, NEAR) * (ts[1] - ts[0])),
            "bound": (dims, np.asarray(bounds.rate)),
            "rate_at_start": (dims, at_start),
            "roughness": (dims, np.asarray(wedge.exclusive) / 0.2),
            "left_at_points": ("index", np.linalg.norm(np.where(start * teacher < 0, teacher, 0), axis=1)),
        },
        {"width": widths, "time": ts},
    )


def _stages(config: EasyFilter, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """Steps that every pair of rates takes from the slowest of four starts, on shifted and on centred inputs."""
    rates, starts, num = np.geomspace(0.08, 2.5, config.rates), 4, 400
    axis = np.eye(AXES)[0]
    noise, level = rng.normal(size=(config.problems, num, AXES)), rng.normal(size=(config.problems, num, 1))
    inputs = np.stack([noise + config.shift * axis, noise + config.shift * level * axis], axis=1)[..., None, :]
    teacher = np.concatenate([np.full((config.problems, 1), -0.3), units(rng, config.problems, AXES - 1)], axis=1)
    start = units(rng, config.problems, starts, AXES)
    start[..., 0] = np.abs(start[..., 0])  # sees most of the shifted inputs
    patches, teachers, begins = jnp.asarray(inputs), jnp.asarray(teacher), jnp.asarray(start)

    def make(key: PRNGKey, problem: Any, shifted: Any, begin: Any, first: Any, second: Any) -> tuple:
        task = tasks.FilterPatches(teachers[problem], patches[problem, shifted])
        # A rate of 1: time is counted in steps.
        return nn.PatchFilter(begins[problem, begin]), Paced(task, first, second, config.switch), learn.Descent(1.0)

    axes = {"problem": np.arange(config.problems), "shifted": np.arange(2), "begin": np.arange(starts),
            "first": rates, "second": rates}  # fmt: skip
    ts = jnp.arange(config.steps + 1.0)
    weights = np.asarray(learn.ensemble(make, ts, axes, key=key, observe=[FlatWeights(AXES)])["weights"])
    # Rates that are too large overflow.
    weights = np.where(np.abs(weights) < 1e6, weights, 1e6)
    away = np.linalg.norm(weights - teacher.reshape(-1, 1, 1, 1, 1, 1, AXES), axis=-1)
    steps = first_below(away, NEARER)
    steps = np.max(steps, axis=2)
    return xr.Dataset(
        {"steps": (("problem", "inputs", "first", "second"), np.where(np.isfinite(steps), steps, config.steps))},
        {"inputs": ["shifted", "centred"], "first": rates, "second": rates},
    )


def best_pairs(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The fewest steps at one rate, the fewest at two, and these two rates' places: `"*problem first second"`."""
    one = np.min(np.diagonal(steps, axis1=-2, axis2=-1), axis=-1)
    flat = steps.reshape(*steps.shape[:-2], -1)
    places = np.stack(np.unravel_index(np.argmin(flat, axis=-1), steps.shape[-2:]), axis=-1)
    return one, np.min(flat, axis=-1), places


def _claims(gaussian: xr.Dataset, sampled: tuple[float, float], smooth: xr.Dataset, stages: xr.Dataset) -> tuple:
    near = gaussian["distance"].values[..., -1] < 1e-3
    closeness = gaussian["closeness"].values
    gap = float(np.max(np.abs(gaussian["distance"] - gaussian["predicted_distance"])))
    rates = np.nanmedian(gaussian["rate"].values, axis=1)
    expected = np.array([predicted_rate(c) for c in closeness])
    half = gaussian["angle"].values[0, :, 0] < np.pi / 2
    times, recovered = smooth["time_to_near"].values, smooth["distance"].values[..., -1] < NEAR
    median = np.median(times[:, 1:], axis=0)
    rough = np.max(smooth["roughness"].values, axis=0)[1:]
    gap_of_points = float(np.max(np.abs(smooth["distance"].values[:, 0, -1] - smooth["left_at_points"].values)))
    excess = smooth["rate_at_start"].values - smooth["bound"].values
    one, two, places = best_pairs(stages["steps"].values)
    gain = one / two
    fast = np.take_along_axis(np.diagonal(stages["steps"].values[:, 0], axis1=-2, axis2=-1), places[:, 0, 1:], axis=-1)[
        :, 0
    ]
    return (
        Claim("Gaussian patches, not opposed: every random filter is recovered to a thousandth (share)", 1.0,
              float(near[1:].mean()), 0.0, "at least"),
        Claim("Opposed patches (correlation -1): only those that begin within a right angle of the teacher are (share "
              "of filters for which this says what happens)", 1.0, float(np.mean(near[0] == half)), 0.0, "at least",
              control=True),
        # Both are integrated to relative errors of 1e-8.
        Claim("Two equations in the plane are the training of all weights (largest gap of distances, teachers have "
              "norm 1)", 0.0, gap, 1e-5, "at most"),
        Claim("... and of descent on sampled patches, but for what sampling does (gap, three over the root of the "
              "samples allowed)", 0.0, sampled[0], sampled[1], "at most"),
        Claim("The angle decays in the end at the predicted rates for every closeness (largest relative gap)", 0.0,
              float(np.max(np.abs(rates[1:] / expected[1:] - 1))), 0.03, "at most"),
        Claim("... which is the faster the closer patches are (smallest step of the measured rates)", 0.0,
              float(np.min(np.diff(rates[1:]))), 0.0, "at least"),
        Claim("... by a factor of two from independent to equal patches", 2.0,
              float(rates[-1] / rates[1]) if closeness[-1] == 1 and closeness[1] == 0 else np.nan, 0.06),
        Claim("Clustered inputs of one second moment: every filter is recovered (share)", 1.0,
              float(recovered[:, 1:].mean()), 0.02, "at least"),
        Claim("... the faster the smoother inputs are (smallest fall of the median time, from width to width)", 0.0,
              float(np.min(-np.diff(median))), 0.0, "at least"),
        Claim("... by a quarter or more over all widths (ratio of times)", 1.25, float(median[0] / median[-1]), 0.0,
              "at least"),
        Claim("... where roughness, the most that the filter alone sees within a small angle, over that angle, falls "
              "(smallest fall)", 0.0, float(np.min(-np.diff(rough))), 0.0, "at least"),
        Claim("No filter approaches its teacher more slowly than the bound at the start (least excess of the rate)",
              0.0, float(np.min(excess)), 1e-9, "at least"),
        # Every coordinate is learned on its own, and forgotten where its sign is wrong at first.
        Claim("Without any smoothness (inputs at the centres of clusters) coordinates of the wrong sign are not "
              "recovered (largest gap of the distance in the end from what is predicted of signs)", 0.0, gap_of_points,
              1e-4, "at most", control=True),
        Claim("... so that most filters are not (share that is recovered)", 0.5, float(recovered[:, 0].mean()), 0.0,
              "at most", control=True),
        Claim("Shifted inputs: two stages of learning rates need fewer steps than any one rate (median ratio of the "
              "best)", 1.4, float(np.median(gain[:, 0])), 0.0, "at least"),
        Claim("... the second rate the larger one (median ratio)", 1.2,
              float(np.median(stages["second"].values[places[:, 0, 1]] / stages["first"].values[places[:, 0, 0]])),
              0.0, "at least"),
        Claim("... with which to begin costs more steps (median ratio)", 1.4, float(np.median(fast / two[:, 0])), 0.0,
              "at least"),
        # Two rates are a little better than one on any ill-conditioned quadratic, so not quite 1.
        Claim("Centred inputs of the same second moment: two stages gain little (median ratio)", 1.0,
              float(np.median(gain[:, 1])), 0.25, "at most", control=True),
    )  # fmt: skip


@cite("du2018when")
def easy_filter(config: EasyFilter, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """A ReLU filter is recovered from random weights, faster on close patches and smooth inputs and by two-stage rates.

    Two Gaussian patches of any correlation on the exact population; inputs in clusters of any width with the same
    second moment; shifted inputs, of which a random filter sees more than its teacher, so that the safe rate is small
    at first. That two stages of rates are faster is decided for strongly shifted inputs, a setting found by trying
    several: with less shift, or stopping nearer, they gain less.
    """
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    progress("training filters on Gaussian patches")
    gaussian = _gaussian(config, rng, jr.fold_in(key, 0))
    sampled = _sampled(config, rng, jr.fold_in(key, 1))
    progress("training filters on clustered inputs")
    smooth = _smooth(config, rng, jr.fold_in(key, 2))
    progress("trying rates of two stages")
    stages = _stages(config, rng, jr.fold_in(key, 3))
    figure = draw(
        "recovery",
        "Left: the angle to the teacher over learning time on two Gaussian patches (medians; dots: trained, lines: "
        "predicted), by the correlation of the patches. Middle: the distance on inputs in clusters of one second "
        "moment (medians), by their width; at 0 they are points. Right: the steps at the best single rate and at the "
        "best two, on every problem with shifted and with centred inputs.",
        lambda canvas: _plot(canvas, gaussian, smooth, stages),
        height=3.0,
    )
    return Findings(
        _claims(gaussian, sampled, smooth, stages),
        (figure,),
        {"gaussian": gaussian, "smooth": smooth, "stages": stages},
    )


def _plot(canvas: Canvas, gaussian: xr.Dataset, smooth: xr.Dataset, stages: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3)
    time = gaussian["time"].values
    for index, colour in zip((0, 1, len(gaussian["closeness"]) // 2, -1), COLOURS, strict=False):
        one = gaussian.isel(closeness=index)
        left.plot(time, np.median(one["predicted_angle"], axis=0), color=colour,
                  label=f"{float(one['closeness']):g}")  # fmt: skip
        left.plot(time[::10], np.median(one["angle"], axis=0)[::10], "o", color=colour, markersize=3)
    left.set(yscale="log", xlabel="learning time", ylabel="angle to the teacher", title="closeness")
    left.set_xlim(0, 60)
    left.set_ylim(1e-4, 60)
    left.legend(loc="upper right", title="correlation", ncols=2, fontsize=7.5, columnspacing=1.0)
    clock = smooth["time"].values
    for index, colour in zip((0, 1, 2, len(smooth["width"]) - 1), COLOURS, strict=False):
        curve = np.median(smooth["distance"].values[:, index], axis=0)
        middle.plot(clock, curve, color=colour, label=f"{float(smooth['width'][index]):g}")
    middle.axhline(NEAR, color=GUIDE, linewidth=0.8, linestyle=":")
    middle.set(yscale="log", xlabel="learning time", ylabel="distance to the teacher", title="smoothness")
    middle.set_xlim(0, 25)
    middle.set_ylim(1e-3, 30)
    middle.legend(loc="upper right", title="width", ncols=2, fontsize=7.5, columnspacing=1.0)
    one, two, _ = best_pairs(stages["steps"].values)
    for place, (colour, marker) in enumerate(zip(COLOURS, "os", strict=False)):
        name = str(stages["inputs"].values[place])
        right.plot(one[:, place], two[:, place], marker, color=colour, markersize=5, label=name, alpha=0.8)
    top = 1.1 * float(one.max())
    right.plot([0, top], [0, top], color=GUIDE, linewidth=0.8)
    right.set(xlabel="steps at the best rate", ylabel="steps at the best two", title="two stages")
    right.set_xlim(0, top)
    right.set_ylim(0, top)
    right.legend(loc="upper left")
