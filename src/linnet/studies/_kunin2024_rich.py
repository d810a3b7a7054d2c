"""From lazy to rich by the rates of two layers: single neurons in closed form, and ReLU students."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Kunin2024Rich
from ..report import COLOURS, GUIDE, draw
from ._flat_weights import FlatWeights
from ._study import Claim, Findings, silent

#: Rates (of w, of a) of the single neurons that do not learn at equal ones. Not of the product 1: the map depends on
#: rates by delta and their product alone.
LAYERWISE = (4.0, 1.0)

#: |a| |w| of single neurons before learning; their targets have norm 1.
SIZE = 0.3

#: Students before learning, as (name, balance, whether large).
STARTS = (("downstream", -1.0, False), ("balanced", 0.0, False), ("upstream", 1.0, False), ("large", 0.0, True))


def split(size: float, balance: float, rates: tuple[float, float] = (1.0, 1.0)) -> tuple[float, float]:
    r"""$|w|$ and $|a|$ of $|a| |w| = $ `size` and $\eta_w a^2 - \eta_a |w|^2 = $ `balance`."""
    root = np.sqrt(balance**2 + 4 * rates[0] * rates[1] * size**2)
    first, last = (root - balance) / (2 * rates[1]), (root + balance) / (2 * rates[0])
    return float(np.sqrt(first)), float(np.sqrt(last))


def potential_slope(linear_map: np.ndarray, start: np.ndarray, balance: float) -> np.ndarray:
    r"""The gradient of the paper's $q_\delta(|\beta|) + z^\top \beta$, whose minimum among all that fit is learned."""

    def radial(beta: np.ndarray) -> np.ndarray:
        size = np.linalg.norm(beta)
        return 1.5 * np.sqrt(np.sqrt(size**2 + balance**2 / 4) - balance / 2) * beta / size

    return radial(linear_map) - radial(start)


def patterns_changed(xs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of (neuron, example) pairs whose activity is not that of the beginning, over the leading time."""
    active = np.einsum("thi,ni->thn", weights, xs) > 0
    return np.mean(active != active[:1], axis=(1, 2))


def numpy_kernel(xs: np.ndarray, weights: np.ndarray, readout: np.ndarray, kinked: bool) -> np.ndarray:
    """The tangent kernel of sum_h a_h phi(w_h x), of ReLU or linear phi."""
    drive = xs @ weights.T
    slope = (drive > 0).astype(float) if kinked else np.ones_like(drive)
    return ((slope * readout) @ (slope * readout).T) * (xs @ xs.T) + (slope * drive) @ (slope * drive).T


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """1 - cos of two kernels."""
    first, second = (kernel / np.max(np.abs(kernel)) for kernel in (first, second))
    return float(1 - np.sum(first * second) / np.linalg.norm(first) / np.linalg.norm(second))


def first_passing(ts: np.ndarray, curve: np.ndarray, level: float) -> tuple[float, int]:
    """The time and the record at which a falling curve is first below a level (the last one if it never is)."""
    below = np.flatnonzero(curve < level)
    place = int(below[0]) if below.size else len(ts) - 1
    return (float(ts[place]) if below.size else np.inf), place


def _neurons(config: Kunin2024Rich, rng: np.random.Generator) -> xr.Dataset:
    """Single neurons (seed, inputs, rates, balance) before learning, and their tasks."""
    num, kinds = config.inputs, ("white", "skewed", "low rank")
    rates = np.array([(1.0, 1.0), LAYERWISE])
    shape = config.seeds, len(kinds), len(rates), len(config.balances)
    xx, target = np.zeros((config.seeds, len(kinds), num, num)), np.zeros((config.seeds, len(kinds), num))
    first, last = np.zeros((*shape, num)), np.zeros(shape)
    for seed in range(config.seeds):
        basis = np.linalg.qr(rng.normal(size=(num, num)))[0]
        spectrum, direction, true = np.geomspace(0.5, 2.0, num), rng.normal(size=num), rng.normal(size=num)
        low = np.where(np.arange(num) < num // 2, 0, spectrum)
        for kind, variances in enumerate((np.ones(num), spectrum, low)):
            xx[seed, kind] = (basis * variances) @ basis.T
            fit = basis @ np.where(variances > 0, basis.T @ true, 0)
            target[seed, kind] = xx[seed, kind] @ fit / np.linalg.norm(fit)
            towards = direction * np.sign(direction @ target[seed, kind]) / np.linalg.norm(direction)
            for place, pair in enumerate(rates):
                for index, balance in enumerate(config.balances):
                    size, last[seed, kind, place, index] = split(SIZE, balance, tuple(pair))
                    first[seed, kind, place, index] = size * towards
    axes = ("seed", "inputs", "rates", "balance")
    return xr.Dataset(
        {
            "xx": (("seed", "inputs", "row", "in"), xx),
            "yx": (("seed", "inputs", "in"), target),
            "first": ((*axes, "in"), first),
            "last": (axes, last),
            "layer_rates": (("rates", "layer"), rates),
        },
        {"seed": np.arange(config.seeds), "inputs": list(kinds), "balance": np.array(config.balances)},
    )


def _train_neurons(data: xr.Dataset, config: Kunin2024Rich, key: PRNGKey) -> xr.Dataset:
    """All neurons in one program: their weights over time, and the closed form beside them."""
    ts = config.duration * np.linspace(0.0, 1.0, config.times) ** 2
    shape = data["last"].shape
    places = jnp.asarray(np.indices(shape).reshape(4, -1).T)
    xx, yx, first, last, rates = (jnp.asarray(data[n].values) for n in ("xx", "yx", "first", "last", "layer_rates"))

    def parts(place: Any) -> tuple[Any, Any, Any]:
        seed, kind, pair, balance = place
        network = nn.DeepLinear((first[seed, kind, pair, balance][None], last[seed, kind, pair, balance][None, None]))
        # The output has more power than can be learned, so that losses have a floor.
        moments = tasks.Moments(xx[seed, kind], yx[seed, kind][None], 3 * jnp.ones((1, 1), yx.dtype))
        return network, moments, rates[pair]

    def make(key: PRNGKey, member: Any) -> tuple:
        network, moments, pair = parts(places[member])
        return network, moments, learn.GradientFlow(rates=eqx.tree_at(jtu.tree_leaves, network, (pair[0], pair[1])))

    @eqx.filter_jit
    def predict(places: Any) -> Any:
        def one(place: Any) -> Any:
            network, moments, pair = parts(place)
            solved = theory.single_neuron(network, moments, jnp.asarray(ts), rates=(pair[0], pair[1]))
            kept = theory.implicit_bias(network, moments, rates=(pair[0], pair[1]))
            return jnp.concatenate([solved.weights, solved.readout[:, None]], axis=1), kept

        return jax.vmap(one)(places)

    trained = learn.ensemble(make, ts, {"member": np.arange(len(places))}, key=key,
                             observe=[FlatWeights(config.inputs + 1)])  # fmt: skip
    predicted, kept = predict(places)
    axes = tuple(data["last"].dims)
    found = {
        "weights": ((*axes, "time", "parameter"), np.asarray(trained["weights"]).reshape(*shape, len(ts), -1)),
        "predicted": ((*axes, "time", "parameter"), np.asarray(predicted).reshape(*shape, len(ts), -1)),
        "implicit_bias": ((*axes, "in"), np.asarray(kept).reshape(*shape, -1)),
    }
    return data.assign(found).assign_coords(time=ts)


def _train_students(config: Kunin2024Rich, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """ReLU and linear students of a ReLU teacher, by descent: losses, activation patterns, kernels, weights moved."""
    count, dim, hidden = config.students, config.dimension, config.hidden
    xs, teacher = rng.normal(size=(count, config.samples, dim)), rng.normal(size=(count, config.teachers, dim))
    xs *= np.sqrt(dim) / np.linalg.norm(xs, axis=2, keepdims=True)
    teacher /= np.linalg.norm(teacher, axis=2, keepdims=True)
    signs = np.where(np.arange(config.teachers) % 2, -1.0, 1.0)
    ys = np.einsum("sno,o->sn", np.maximum(np.einsum("sni,soi->sno", xs, teacher), 0), signs)
    rows = rng.normal(size=(count, hidden // 2, dim))
    rows = np.tile(rows / np.linalg.norm(rows, axis=2, keepdims=True), (1, 2, 1))
    ones = np.repeat([1.0, -1.0], hidden // 2)
    sizes = [split((config.large if large else config.scale) ** 2, balance) for _, balance, large in STARTS]
    first = np.stack([size * rows for size, _ in sizes], axis=1)  # seed start hidden in
    last = np.array([readout for _, readout in sizes])[:, None] * ones  # start hidden
    inputs, targets, begin, end = (jnp.asarray(part) for part in (xs, ys[..., None], first, last))
    steps = np.unique(np.round(np.concatenate([[0], np.geomspace(1, config.steps, 60)])).astype(int))

    def train(kinked: bool) -> Any:
        def make(key: PRNGKey, student: Any, start: Any) -> tuple:
            network: Any = nn.DeepLinear((begin[student, start], end[start][None]))
            if kinked:
                blank = nn.MLP((dim, hidden, 1), jax.nn.relu, use_bias=False, dtype=begin.dtype, key=key)
                network = eqx.tree_at(lambda n: n.weights, blank, network.weights)
            return network, tasks.Batch(inputs[student], targets[student]), learn.Descent(config.rate)

        axes = {"student": np.arange(count), "start": np.arange(len(STARTS))}
        observe = [FlatWeights(hidden * (dim + 1))]
        return learn.ensemble(make, config.rate * steps, axes, key=key, observe=observe)

    axes, found = ("network", "student", "start"), {}
    shape = 2, count, len(STARTS)
    loss, changed = np.zeros((*shape, len(steps))), np.zeros((*shape, len(steps)))
    moved, distance = np.zeros((*shape, len(steps))), np.zeros(shape)
    for network, kinked in enumerate((True, False)):
        trained = train(kinked)
        weights = np.asarray(trained["weights"])
        for student in range(count):
            map_ = np.linalg.lstsq(xs[student], ys[student], rcond=None)[0]
            floor = 0.0 if kinked else 0.5 * np.mean((ys[student] - xs[student] @ map_) ** 2)
            start_loss = 0.5 * np.mean(ys[student] ** 2) - floor  # the students begin at the zero map
            for start in range(len(STARTS)):
                place, flat = (network, student, start), weights[student, start]
                rows_over_time = flat[:, : hidden * dim].reshape(-1, hidden, dim)
                readouts = flat[:, hidden * dim :]
                loss[place] = (np.asarray(trained["loss"])[student, start] - floor) / start_loss
                changed[place] = patterns_changed(xs[student], rows_over_time)
                moved[place] = np.linalg.norm(flat - flat[0], axis=1) / np.linalg.norm(flat[0])
                kernels = [numpy_kernel(xs[student], rows_over_time[t], readouts[t], kinked) for t in (0, -1)]
                distance[place] = kernel_distance(*kernels)
    found["relative_loss"] = ((*axes, "time"), loss)
    found["patterns_changed"] = ((*axes, "time"), changed)
    found["weights_moved"] = ((*axes, "time"), moved)
    found["kernel_distance"] = (axes, distance)
    names = {"network": ["ReLU", "linear"], "start": [name for name, _, _ in STARTS], "time": config.rate * steps}
    return xr.Dataset(found, names)


def _at_a_tenth(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Time, patterns changed and weights moved when a tenth of the loss is left: "network student start"."""
    shape = data["kernel_distance"].shape
    names = ("time", "patterns_changed", "weights_moved")
    found = {name: np.zeros(shape) for name in names}
    for place in np.ndindex(shape):
        time, record = first_passing(data["time"].values, data["relative_loss"].values[place], 0.1)
        found["time"][place] = time
        for name in names[1:]:
            found[name][place] = data[name].values[place][record]
    return found


def _neuron_claims(data: xr.Dataset, config: Kunin2024Rich) -> tuple[Claim, ...]:
    num, balances = config.inputs, np.array(config.balances)
    weights, predicted = data["weights"].values, data["predicted"].values
    gap = np.max(np.abs(weights - predicted), axis=(-2, -1)) / np.max(np.abs(weights), axis=(-2, -1))
    first, last = weights[..., :num], weights[..., num]
    square, squares = last**2, np.sum(first**2, axis=-1)
    rates = data["layer_rates"].values[None, None, :, None, :, None]
    conserved = rates[..., 0, :] * square - rates[..., 1, :] * squares
    size = np.max(rates[..., 0, :] * square + rates[..., 1, :] * squares, axis=-1)
    drift = np.max(np.abs(conserved - balances[:, None]), axis=-1) / size
    wrong = (square - squares)[:, :, 1]
    wrong_drift = np.ptp(wrong, axis=-1) / np.max(square + squares, axis=-1)[:, :, 1]

    maps = last[..., None] * first
    learned, closed = maps[:, 2, :, :, -1], data["implicit_bias"].values[:, 2]  # low rank
    bias_gap = float(np.max(np.abs(learned - closed)))
    slopes, kept = [], np.zeros(learned.shape[:-1])
    for seed in range(config.seeds):
        values, vectors = np.linalg.eigh(data["xx"].values[seed, 2])
        unseen = vectors[:, values < 1e-9]
        before, after = (np.linalg.norm(m @ unseen, axis=-1) for m in (maps[seed, 2, :, :, 0], learned[seed]))
        kept[seed] = after / before
        for index, balance in enumerate(balances):
            slope = potential_slope(learned[seed, 0, index], maps[seed, 2, 0, index, 0], balance)
            scale = np.linalg.norm(potential_slope(2 * learned[seed, 0, index], learned[seed, 0, index], balance))
            slopes.append(np.linalg.norm(unseen.T @ slope) / scale)
    middle = int(np.flatnonzero(balances == 0)[0])
    kernels = rates[..., 0, :, None, None] * square[..., None, None] * np.eye(num)
    kernels = kernels + rates[..., 1, :, None, None] * first[..., :, None] * first[..., None, :]
    white = kernels[:, 0, 0]
    moved = np.median([[kernel_distance(k[0], k[-1]) for k in row] for row in white], axis=0)
    return (
        # The simulated flow is integrated to relative errors of 1e-8.
        Claim("White inputs, equal and layer-wise rates: trained weights lie on the closed form at all times (largest "
              "gap over largest weight)", 0.0, float(np.max(gap[:, 0])), 1e-6, "at most"),
        Claim("On inputs of variances from 0.5 to 2 the same closed form is off by more than 1 %", 0.01,
              float(np.max(gap[:, 1])), 0.0, "at least", control=True),
        Claim("delta = eta_w a^2 - eta_a |w|^2 is conserved on white, skewed and low-rank inputs (largest change over "
              "eta_w a^2 + eta_a |w|^2)", 0.0, float(np.max(drift)), 1e-6, "at most"),
        Claim("a^2 - |w|^2 without the rates is not, where they differ: it moves by more than a tenth", 0.1,
              float(np.max(wrong_drift)), 0.0, "at least", control=True),
        # The most negative delta learns slowest, at an eighth of the smallest variance or so, for 200 units of time.
        Claim(f"Low-rank skewed inputs: the learned maps are the closed-form implicit bias for delta from "
              f"{balances[0]:g} to {balances[-1]:g} (largest gap; targets have norm 1)", 0.0, bias_gap, 1e-5,
              "at most"),
        Claim("They minimise the paper's q(|beta|) + z beta among the maps that fit (its slope along what inputs leave "
              "open, relative to that between beta and 2 beta)", 0.0, float(np.max(slopes)), 1e-3, "at most"),
        Claim("The map of smallest norm is not what is learned: at least half as much is outside the inputs' span as "
              "at the start", 0.5, float(np.min(kept)), 0.0, "at least", control=True),
        Claim(f"... and how much depends on delta: from the same map at least twice as much at {balances[0]:g} as at "
              f"{balances[-1]:g}", 2.0, float(np.min(kept[:, :, 0] / kept[:, :, -1])), 0.0, "at least"),
        Claim(f"White inputs: the kernel moves at least 3 times as far at delta 0 as at {balances[-1]:g}, where the "
              "neuron is lazy", 3.0, float(moved[middle] / moved[-1]), 0.0, "at least"),
    )  # fmt: skip


def _student_claims(data: xr.Dataset) -> tuple[Claim, ...]:
    tenth = {name: np.median(values, axis=1) for name, values in _at_a_tenth(data).items()}
    moved = np.median(data["kernel_distance"].values, axis=1)
    down, balanced, up, large = range(len(STARTS))
    time, changed, weights = tenth["time"], tenth["patterns_changed"], tenth["weights_moved"]
    return (
        Claim("ReLU students, upstream (delta 1) are rich: when a tenth of the loss is left, at least a quarter of the "
              "activation patterns have changed (chance: a half)", 0.25, changed[0, up], 0.0, "at least"),
        Claim("... and rapid: at least 3 times as early as balanced ones (delta 0)", 3.0, time[0, balanced] /
              time[0, up], 0.0, "at least"),
        Claim("... while their weights have moved by at most 0.3 of their size", 0.3, weights[0, up], 0.0, "at most"),
        Claim("Balanced students are rich, too (at least a fifth of the patterns)", 0.2, changed[0, balanced], 0.0,
              "at least"),
        Claim("... but their weights move by more than their size", 1.0, weights[0, balanced], 0.0, "at least"),
        Claim("Downstream (delta -1) at most half as many patterns have changed by then as upstream", 0.5,
              changed[0, down] / changed[0, up], 0.0, "at most", control=True),
        Claim("Large balanced students are lazy: at most a third as many", 1 / 3, changed[0, large] / changed[0, up],
              0.0, "at most", control=True),
        Claim("The kernel of upstream ReLU students moves by at least 0.1", 0.1, moved[0, up], 0.0, "at least"),
        Claim("Linear students, upstream: their neurons turn across as many examples (at least a quarter)", 0.25,
              changed[1, up], 0.0, "at least"),
        Claim("... but the kernel moves by less than 0.01: without kinks upstream is lazy", 0.01, moved[1, up], 0.0,
              "at most", control=True),
        Claim("... at most a fifth of what it does for balanced linear students", 0.2, moved[1, up] /
              moved[1, balanced], 0.0, "at most"),
    )  # fmt: skip


@cite("kunin2024get")
def kunin2024_rich(config: Kunin2024Rich, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """The balance of two layers decides between lazy and rich learning, and upstream is rapid and rich with kinks.

    Single linear neurons with a rate for each layer, against their closed forms; then ReLU and linear students of a
    ReLU teacher whose first layer is faster (upstream), as fast, or slower (downstream) than the last.
    """
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    progress("training single neurons")
    neurons = _train_neurons(_neurons(config, rng), config, jr.fold_in(key, 0))
    progress("training ReLU and linear students")
    students = _train_students(config, rng, jr.fold_in(key, 1))
    claims = (*_neuron_claims(neurons, config), *_student_claims(students))
    figure = draw(
        "rich",
        "Left: how much of what inputs leave open is in the learned map of a single neuron, against delta (dots: "
        "trained, line: closed form; all begin at maps of the same size). Middle: the direction of a neuron on white "
        "inputs over learning time (dots: trained, lines: closed form). Right: activation patterns of ReLU students "
        "that have changed (median over seeds; a diamond where a tenth of the loss is left; dotted: chance).",
        lambda canvas: _plot(canvas, neurons, students, config),
        height=3.0,
    )
    return Findings(claims, (figure,), {"neurons": neurons, "students": students})


def _plot(canvas: Canvas, neurons: xr.Dataset, students: xr.Dataset, config: Kunin2024Rich) -> None:
    left, middle, right = canvas.subplots(1, 3)
    balances, num = np.array(config.balances), config.inputs
    values, vectors = np.linalg.eigh(neurons["xx"].values[0, 2])
    unseen = vectors[:, values < 1e-9]
    weights, predicted = neurons["weights"].values, neurons["predicted"].values
    trained = weights[0, 2, :, :, -1, :num] * weights[0, 2, :, :, -1, num:]
    labels = "equal rates", f"rates {LAYERWISE[0]:g} and {LAYERWISE[1]:g}"
    direction = neurons["first"].values[0, 2, 0, 0] / np.linalg.norm(neurons["first"].values[0, 2, 0, 0])
    fine = np.linspace(balances[0], balances[-1], 65)
    for place, (colour, label) in enumerate(zip(COLOURS, labels, strict=False)):
        closed = _bias_curve(neurons, direction, fine, tuple(neurons["layer_rates"].values[place]))
        left.plot(fine, np.linalg.norm(closed @ unseen, axis=-1), color=colour, linewidth=1)
        dots = np.linalg.norm(trained[place] @ unseen, axis=-1)
        left.plot(balances, dots, "o", color=colour, markersize=4, label=label)
    left.set_xticks([balances[0], balances[0] / 2, 0, balances[-1] / 2, balances[-1]])
    left.set(xlabel="δ", ylabel="outside the inputs' span", title="implicit bias")
    left.set_ylim(bottom=0)
    left.legend(loc="upper right")
    target = neurons["yx"].values[0, 0] / np.linalg.norm(neurons["yx"].values[0, 0])
    time = neurons["time"].values
    shown = time > 0
    for index, colour in zip((0, int(np.flatnonzero(balances == 0)[0]), -1), COLOURS, strict=False):
        for source, style in ((weights, "o"), (predicted, "-")):
            first = source[0, 0, 0, index, :, :num]
            cosine = first @ target / np.linalg.norm(first, axis=-1)
            label = f"δ = {balances[index]:g}" if style == "o" else None
            middle.plot(time[shown], cosine[shown], style, color=colour, markersize=3, linewidth=1, label=label)
    middle.set(xscale="log", xlabel="learning time", ylabel="φ", title="direction")
    middle.legend(loc="lower right")
    curves = np.median(students["patterns_changed"].values[0], axis=0)
    losses = np.median(students["relative_loss"].values[0], axis=0)
    clock = students["time"].values
    for (name, _, _), curve, loss, colour in zip(STARTS, curves, losses, COLOURS, strict=False):
        right.plot(clock[1:], curve[1:], color=colour, linewidth=1.4, label=name)
        passed, record = first_passing(clock, loss, 0.1)
        if np.isfinite(passed):
            right.plot(passed, curve[record], "D", color=colour, markersize=5)
    right.axhline(0.5, color=GUIDE, linewidth=0.8, linestyle=":")
    right.set(
        xscale="log", xlabel="learning time", ylabel="patterns changed", title="ReLU students", ylim=(-0.01, 0.62)
    )
    right.legend(loc="upper left", ncols=2, fontsize=7.5, columnspacing=1.0)


def _bias_curve(neurons: xr.Dataset, direction: np.ndarray, balances: np.ndarray, rates: Any) -> np.ndarray:
    """The closed-form implicit bias of the first seed on low-rank inputs for any balances: "balance in"."""
    yx = jnp.asarray(neurons["yx"].values[0, 2])
    moments = tasks.Moments(jnp.asarray(neurons["xx"].values[0, 2]), yx[None], 3 * jnp.ones((1, 1), yx.dtype))
    found = []
    for balance in balances:
        first, last = split(SIZE, balance, rates)
        network = nn.DeepLinear((jnp.asarray(first * direction)[None], jnp.asarray([[last]])))
        found.append(np.asarray(theory.implicit_bias(network, moments, rates=rates)))
    return np.stack(found)
