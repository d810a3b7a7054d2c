"""What depth does to learning where the network is only a product: faster under higher powers, and of low rank."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure as Canvas

from .. import analyse, learn, nn, tasks, theory
from .._cite import cite
from .._loss import AbstractLoss, LpLoss
from .._types import PRNGKey
from ..config import Arora2018Acceleration
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Exponents of the regression's loss.
POWERS = (2, 4)

#: Learning rates at which the update of the layers is held against that of their product, and for how long.
RATES, LASTING = (0.08, 0.04, 0.02, 0.01), 4.0


class ObservedError(AbstractLoss):
    """Squared error on the entries of a column that are seen; the others are held as exact zeros."""

    def __call__(
        self, prediction: Float[Array, "*step out"], target: Float[Array, "*step out"]
    ) -> Float[Array, "*step"]:
        return 0.5 * jnp.sum(jnp.where(target != 0, prediction - target, 0) ** 2, axis=-1)


def least_power_loss(x: np.ndarray, y: np.ndarray, power: int) -> float:
    """The smallest mean of |y - x w|^p / p over all w, by damped Newton steps from least squares."""
    w = np.linalg.lstsq(x, y, rcond=None)[0]

    def value(w: np.ndarray) -> float:
        return float(np.mean(np.abs(y - x @ w) ** power) / power)

    for _ in range(60):
        error = x @ w - y
        gradient = x.T @ (np.sign(error) * np.abs(error) ** (power - 1))
        step = np.linalg.solve((power - 1) * (x.T * np.abs(error) ** (power - 2)) @ x, gradient)
        scale = 1.0
        while scale > 1e-8 and value(w - scale * step) > value(w):
            scale /= 2
        w = w - scale * step
    return value(w)


def step_of_layers(weights: list[np.ndarray], gradient: np.ndarray, rate: float) -> np.ndarray:
    """The product of all layers after one step of descent on each of them; `gradient` is that of the product."""
    moved, after = [], [np.eye(weights[-1].shape[0])]
    for weight in weights[:0:-1]:
        after.insert(0, after[0] @ weight)
    before = np.eye(weights[0].shape[1])
    for weight, rest in zip(weights, after, strict=True):
        moved.append(weight - rate * rest.T @ gradient @ before.T)
        before = weight @ before
    product = moved[0]
    for weight in moved[1:]:
        product = weight @ product
    return product


def steps_to(losses: np.ndarray, least: np.ndarray, done: float) -> np.ndarray:
    """The first step at which the excess loss is a part `done` of its start; `"seed rate step"` to `"seed rate"`."""
    excess = np.where(np.isfinite(losses), losses, np.inf) - least[:, None, None]
    below = excess < done * excess[..., :1]
    return np.where(below.any(axis=-1), below.argmax(axis=-1), np.inf)


@eqx.filter_jit
def _descend_product(linear_map: Array, form: Any, depth: int, rate: Array, num: Array) -> Array:
    def step(_: Any, linear_map: Array) -> Array:
        return linear_map - rate * theory.implicit_preconditioner(linear_map, jax.grad(form.excess)(linear_map), depth)

    return jax.lax.fori_loop(0, num, step, linear_map)


def _updates(config: Arora2018Acceleration, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """How far descent on the layers ends from descent on their product, and how far one step takes them apart."""
    depth, sizes = config.depths[-1], (5, *(4,) * (config.depths[-1] - 1), 3)
    x = rng.normal(size=(40, 5)) * np.linspace(0.5, 1.2, 5)
    task = tasks.Batch(x, x @ rng.normal(size=(5, 3)) / 2).moments()
    form = task.residual_form()
    even = nn.zero_balanced(nn.glorot())(nn.DeepLinear, sizes, key=key)
    factors = np.where(np.arange(depth) == 0, 1.5, np.where(np.arange(depth) == 1, 1 / 1.5, 1))
    starts = [even, nn.DeepLinear([f * w for f, w in zip(factors, even.weights, strict=True)])]
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)

    def make(key: PRNGKey, rate: Any, uneven: Any) -> tuple:
        return jax.tree.map(lambda leaf: leaf[uneven], both), task, learn.Descent(rate)

    axes = {"uneven": np.arange(2), "rate": np.array(RATES)}
    trained = learn.ensemble(make, jnp.array([0.0, LASTING]), axes, key=key)
    ends = np.asarray(jax.vmap(jax.vmap(lambda net: net.end_to_end()))(trained.network))
    start = even.end_to_end()
    products = [_descend_product(start, form, depth, jnp.asarray(r), jnp.asarray(round(LASTING / r))) for r in RATES]
    gaps = np.linalg.norm(ends - np.stack(products), axis=(-2, -1)) / np.linalg.norm(ends, axis=(-2, -1))
    slope = jax.grad(form.excess)(start)
    applied, single = np.asarray(theory.implicit_preconditioner(start, slope, depth)), []
    for network in starts:
        layers = [np.asarray(weight) for weight in network.weights]
        moved = [step_of_layers(layers, np.asarray(slope), rate) - (np.asarray(start) - rate * applied)
                 for rate in RATES]  # fmt: skip
        single.append(np.linalg.norm(moved, axis=(-2, -1)))
    dims = ("uneven", "rate")
    return xr.Dataset({"gap": (dims, gaps), "gap_of_one_step": (dims, np.array(single))}, {"rate": list(RATES)})


def _regress(config: Arora2018Acceleration, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """Steps until regression is done, for every power, depth, problem and learning rate."""
    spread = np.geomspace(1, config.condition**-0.5, config.inputs)
    xs, ys, directions = [], [], []
    for _ in range(config.seeds):
        basis = np.linalg.qr(rng.normal(size=(config.inputs, config.inputs)))[0]
        x = (rng.normal(size=(config.samples, config.inputs)) * spread) @ basis.T
        y = x @ rng.normal(size=config.inputs)
        y = y / np.std(y) + 0.1 * rng.normal(size=config.samples)
        xs.append(x)
        ys.append(y / np.std(y))
        direction = rng.normal(size=config.inputs)
        directions.append(direction / np.linalg.norm(direction))
    data = jnp.asarray(np.stack(xs)), jnp.asarray(np.stack(ys))[..., None]
    heads, start = jnp.asarray(np.stack(directions)), 1e-2  # the length of the initial map at any depth
    rates = np.geomspace(0.1, 10, config.rates)
    axes = {"problem": np.arange(config.seeds), "rate": rates}
    ts = jnp.arange(config.steps + 1.0)
    depths, found = (1, *config.depths), []
    for power in POWERS:
        least = np.array([least_power_loss(x, y, power) for x, y in zip(xs, ys, strict=True)])
        for depth in depths:

            def make(key: PRNGKey, problem: Any, rate: Any, depth: int = depth) -> tuple:
                each = start ** (1 / depth)
                weights = (each * heads[problem][None], *[jnp.full((1, 1), each)] * (depth - 1))
                task = tasks.Batch(data[0][problem], data[1][problem])
                # Time is counted in steps, so that all rates are recorded at each of them.
                return nn.DeepLinear(weights), task, learn.Descent(1.0, rates=rate)

            losses = learn.ensemble(make, ts, axes, key=key, loss=LpLoss(float(power)))["loss"]
            found.append(steps_to(np.asarray(losses), least, config.done))
    steps = np.stack(found).reshape(len(POWERS), len(depths), config.seeds, config.rates)
    coords = {"power": list(POWERS), "depth": list(depths), "rate": rates}
    return xr.Dataset({"steps": (("power", "depth", "problem", "rate"), steps)}, coords)


def _complete(config: Arora2018Acceleration, rng: np.random.Generator, key: PRNGKey) -> tuple[xr.Dataset, float]:
    """Completed matrices from weak and strong weights, and how far training is from the predicted mode strengths."""
    num, depths = config.size, (1, *config.depths)
    truth = np.stack([rng.normal(size=(num, config.rank)) @ rng.normal(size=(config.rank, num))
                      for _ in range(config.seeds)])  # fmt: skip
    truth /= np.linalg.norm(truth, ord=2, axis=(1, 2), keepdims=True)
    seen = rng.random(truth.shape) < config.observed
    shown = jnp.asarray(np.where(seen, truth, 0))
    strengths = np.array([config.strength, 1.0])
    # The mean over columns slows all learning down by their number.
    ts = num * config.duration * jnp.linspace(0, 1, 41) ** 2
    eye, loss = jnp.eye(num), ObservedError()

    def begin(depth: int, problem: Any, strength: Any) -> tuple[Any, Any]:
        # Column j is the output on the j-th unit vector.
        task = tasks.Batch(eye, jnp.swapaxes(shown[problem], -1, -2))
        return nn.DeepLinear([strength ** (1 / depth) * eye] * depth), task

    # One layer moves what is seen and nothing else.
    ends = [np.where(seen[:, None], truth[:, None], strengths[:, None, None] * np.eye(num))]
    gap = 0.0
    for depth in config.depths:

        def make(key: PRNGKey, problem: Any, strength: Any, depth: int = depth) -> tuple:
            return (*begin(depth, problem, strength), learn.GradientFlow())

        axes = {"problem": np.arange(config.seeds), "strength": strengths}
        trained = learn.ensemble(make, ts, axes, key=key, loss=loss)
        ends.append(np.asarray(jax.vmap(jax.vmap(lambda net: net.end_to_end()))(trained.network)))
        predicted = theory.predict(*begin(depth, 0, strengths[0]), ts, loss=loss, theory=theory.EndToEndFlow())
        simulated = trained["mode_strengths"][0, 0]
        apart = jnp.max(jnp.abs(predicted["mode_strengths"] - simulated)) / jnp.max(jnp.abs(simulated))
        gap = max(gap, float(apart))
    found = np.stack(ends)
    hidden = np.where(seen, 0, 1)[:, None]
    error = np.sqrt(np.sum(hidden * (found - truth[:, None]) ** 2, axis=(-2, -1)))
    error = error / np.sqrt(np.sum(hidden * truth[:, None] ** 2, axis=(-2, -1)))
    dims = ("depth", "problem", "strength")
    ranks, true_ranks = (np.asarray(analyse.effective_rank(jnp.asarray(matrices))) for matrices in (found, truth))
    variables = {"error": (dims, error), "effective_rank": (dims, ranks), "true_rank": (("problem",), true_ranks)}
    return xr.Dataset(variables, {"depth": list(depths), "strength": strengths}), gap


@cite("arora2018optimization", "arora2019implicit")
def arora2018_acceleration(
    config: Arora2018Acceleration, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Depth is a preconditioner: it speeds up regression under the fourth power, not the square, and favours low rank.

    Regression has one output and hidden layers of one unit, every depth with its own best learning rate. What depth
    gains under the fourth power it gains late, on ill-conditioned inputs with little noise: where a hundredth of the
    excess loss counts as done (`done`), or on noisy data (scikit-learn's diabetes), it gains little or nothing.
    Completion begins at multiples of the identity, so that all layers are balanced.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    progress("descending on layers and on their product")
    update = _updates(config, rng, key)
    progress("regression with every depth at every learning rate")
    regression = _regress(config, rng, key)
    progress("completing matrices")
    completion, gap = _complete(config, rng, key)

    (even, uneven), single = update.gap.values, update.gap_of_one_step.values
    order, order_of_one = (float(np.polyfit(np.log(RATES), np.log(row), 1)[0]) for row in (even, single[0]))
    tuned = regression.steps.min("rate").values  # power, depth, problem
    inside = regression.steps.argmin("rate").values
    inside = np.mean((inside > 0) & (inside < config.rates - 1))
    speed = np.median(tuned[:, :1] / tuned[:, 1:], axis=-1)  # power, depth
    rank, error = (completion[name].median("problem").values for name in ("effective_rank", "error"))
    deepest = config.depths[-1]
    claims = (
        Claim("One step of descent on all layers is that of the preconditioned gradient on their product, up to the "
              "rate squared (order of the gap in the rate)", 2.0, order_of_one, 0.1),
        Claim("... so that over a fixed time descent on both differs by the order of the rate", 1.0, order, 0.15),
        Claim(f"... and by little at the rate {RATES[-1]:g} (relative gap of the maps)", 0.0, float(even[-1]), 0.02,
              "at most"),
        Claim("Layers that are not balanced end elsewhere however small the rate (their gap over that of balanced "
              "ones, at the smallest rate)", 5.0, float(uneven[-1] / even[-1]), 0.0, "at least", control=True),
        Claim("Every best learning rate lies inside the range that was searched (part of all searches)", 1.0,
              float(inside), 0.0, "at least"),
        Claim("Regression under the fourth power: every depth beyond one needs at most two thirds of the steps, each "
              "at its best rate (smallest median speed-up)", 1.5, float(np.min(speed[1])), 0.0, "at least"),
        Claim("Under the square no depth speeds it up (largest median speed-up)", 1.0, float(np.max(speed[0])), 0.1,
              "at most", control=True),
        Claim("Matrix completion: the predicted flow of the product is the training of the layers (largest gap of mode "
              "strengths, relative to the largest)", 0.0, gap, 1e-4, "at most"),
        Claim("From weak weights every further layer lowers the effective rank (smallest fall of the median)", 0.0,
              float(np.min(-np.diff(rank[:, 0]))), 0.0, "at least"),
        Claim("... and the error on entries never seen", 0.0, float(np.min(-np.diff(error[:, 0]))), 0.0, "at least"),
        Claim(f"... so that {deepest} layers end near the effective rank of the matrix itself (ratio)", 1.0,
              float(rank[-1, 0] / completion.true_rank.median()), 0.25),
        Claim(f"From strong weights {deepest} layers do not find the matrix (median error on entries never seen)", 0.5,
              float(error[-1, 1]), 0.0, "at least", control=True),
    )  # fmt: skip
    figure = draw(
        "acceleration",
        "Left: how far descent on all layers ends from preconditioned descent on their product, against the learning "
        "rate. Middle: steps that regression takes at its best learning rate against depth, relative to one layer "
        "(median and range over problems). Right: effective rank of a completed matrix; the line is that of the true "
        "one. Deeper networks find it from weak weights only.",
        lambda canvas: _plot(canvas, update, tuned, completion),
        height=3.0,
    )
    return Findings(claims, (figure,), {"update": update, "regression": regression, "completion": completion})


def _plot(canvas: Canvas, update: xr.Dataset, tuned: np.ndarray, completion: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3)
    depths = completion.depth.values
    for row, label, colour, marker in zip(update.gap.values, ("balanced", "unbalanced"), COLOURS, "os", strict=False):
        left.plot(RATES, row, color=colour, marker=marker, markersize=4, label=label)
    left.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="relative gap", title="layers and product")
    left.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    left.minorticks_off()

    def bars(axes: Any, values: np.ndarray, label: str, index: int) -> None:
        centre, low, high = (f(values, axis=-1) for f in (np.median, np.min, np.max))
        axes.errorbar(depths + 0.06 * (index - 0.5), centre, [centre - low, high - centre], color=COLOURS[index],
                      marker="os"[index], markersize=4, label=label)  # fmt: skip

    for index, power in enumerate(POWERS):
        bars(middle, tuned[index] / tuned[index, :1], f"$p = {power}$", index)
    middle.set(xlabel="depth", ylabel="steps over those of one layer", title="regression", yscale="log")
    ticks = [0.1, 0.2, 0.5, 1, 2, 5]
    middle.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    middle.minorticks_off()
    for index, strength in enumerate(completion.strength.values):
        bars(right, completion.effective_rank.values[..., index], f"from {strength:g}", index)
    right.axhline(float(completion.true_rank.median()), color="0.4", linestyle="--", linewidth=1)
    right.set(xlabel="depth", ylabel="effective rank", title="completion", ylim=(0, None))
    for panel in (middle, right):
        panel.set_xticks(depths)
    left.legend(loc="center left", bbox_to_anchor=(0, 0.75))
    middle.legend(loc="lower left")
    right.legend(loc="center right", bbox_to_anchor=(1, 0.72))
