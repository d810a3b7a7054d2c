"""What continual learning forgets: the formula of linear regression, and its signs in a small network on digits."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.stats
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure as Canvas

from .. import analyse, learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Lin2023Forgetting
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Four tasks of two kinds, in orders that differ in where the odd one is or how the kinds take turns; and all alike.
ORDERS = ("BAAA", "ABAA", "AABA", "AAAB", "AABB", "ABAB", "AAAA")

#: Draws whose samples are in memory at once.
BLOCK = 50


def cosine_teachers(pair: tuple[int, int], angle: float, inputs: int) -> np.ndarray:
    """Four orthogonal teachers of length one, of which the second of a pair is turned to an angle with the first."""
    found = np.eye(4, inputs)
    first, second = pair
    found[second] = np.cos(angle) * found[first] + np.sin(angle) * found[second]
    return found


def ordered_teachers(order: str, inputs: int) -> np.ndarray:
    """Teachers of two kinds, of length one and opposite, in an order such as "AABB"."""
    return np.array([1.0 if kind == "A" else -1.0 for kind in order])[:, None] * np.eye(1, inputs)


@eqx.filter_jit
def _errors(teachers: Array, samples: int, noise: Array, keys: Array) -> Array:
    """Squared distances to every teacher after every task, `"draw case time task"`; all cases have the same inputs."""

    def one(key: PRNGKey) -> Array:
        def case(each: Array) -> Array:
            maps = learn.minimum_norm(tasks.ContinualRegression(each, samples, noise).draw(key=key))[:, 0]
            return jnp.sum((maps[:, None] - each) ** 2, axis=-1)

        return jax.vmap(case)(teachers)

    return jax.lax.map(one, keys, batch_size=BLOCK)


def _regress(config: Lin2023Forgetting, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """Expected and measured forgetting and generalisation of all cases with many and with few samples."""
    inputs, angles = config.inputs, np.linspace(0, np.pi / 2, config.angles)
    drawn = [rng.normal(size=(4, 4)) @ np.linalg.qr(rng.normal(size=(inputs, 4)))[0].T
             for _ in range(config.geometries)]  # fmt: skip
    turned = [cosine_teachers(pair, angle, inputs) for pair in ((0, 1), (2, 3)) for angle in angles]
    ordered = [ordered_teachers(order, inputs) for order in ORDERS]
    teachers = jnp.asarray(np.stack([*drawn, *turned, *ordered]))
    # As if teachers were orthogonal, all else equal: what a formula without similarity would say.
    apart = [np.linalg.norm(each, axis=1)[:, None] * np.eye(4, inputs) for each in drawn]
    variables: dict[str, Any] = {}
    for samples, many in zip(config.samples, jr.split(key), strict=True):
        errors = _errors(teachers, samples, jnp.asarray(config.noise), jr.split(many, config.draws))
        measured = {"forgetting": analyse.forgetting(errors), "generalization": errors[:, :, -1].mean(-1)}
        formulas = [theory.expected_forgetting(tasks.ContinualRegression(each, samples, config.noise))
                    for each in (*teachers, *apart)]  # fmt: skip
        for name, values in measured.items():
            variables[f"{name}_{samples}"] = (("draw", "case"), np.asarray(values))
            expected = np.array([float(getattr(formula, name)) for formula in formulas])
            variables[f"expected_{name}_{samples}"] = (("case",), expected[: len(teachers)])
            variables[f"orthogonal_{name}_{samples}"] = (("geometry",), expected[len(teachers) :])
    names = [f"random {index}" for index in range(len(drawn))]
    names += [f"{pair} {np.rad2deg(angle):.0f}" for pair in ("early", "late") for angle in angles]
    return xr.Dataset(variables, {"case": [*names, *ORDERS]})


def score(values: np.ndarray, expected: float) -> float:
    """How far the mean of independent values is from a number, in standard errors of the mean."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return float((np.mean(values) - expected) / error)


def _digits(config: Lin2023Forgetting, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """Forgetting and generalisation of a network that learns odd from even digits, or the reverse, task by task."""
    split = tasks.digits(seed=int(rng.integers(1 << 30))).draw()
    train, test = split.train, split.test
    odd = [np.where(np.argmax(np.asarray(part.y + split.y_mean), axis=1) % 2 == 1, 1.0, -1.0) for part in (train, test)]
    chosen = np.stack([rng.permutation(train.num)[: 4 * config.images] for _ in range(config.networks)])
    chosen = chosen.reshape(config.networks, 4, config.images)
    x, y = train.x[chosen], jnp.asarray(odd[0][chosen])[..., None]
    test_x = jnp.broadcast_to(test.x, (4, *test.x.shape))
    test_y = jnp.broadcast_to(odd[1][:, None], (4, test.num, 1))
    kinds = jnp.asarray([[1.0 if kind == "A" else -1.0 for kind in order] for order in ORDERS])[..., None, None]
    duration = config.rate * config.steps
    sizes = (train.x.shape[1], config.hidden, 1)
    initial, runs = jr.split(key)

    def make(key: PRNGKey, order: Any, network: Any) -> tuple:
        kind = kinds[order]
        task = tasks.TaskSequence(x[network], kind * y[network], duration, test_x=test_x, test_y=kind * test_y)
        # One network for all orders of the same digits.
        started = nn.MLP(sizes, key=jr.fold_in(initial, network), dtype=x.dtype)
        return started, task, learn.Descent(config.rate)

    axes = {"order": np.arange(len(ORDERS)), "network": np.arange(config.networks)}
    ts = duration * np.arange(5)
    trained = learn.ensemble(make, ts, axes, key=runs, observe=(learn.Loss(), learn.TaskLosses()))
    errors = 2 * trained["task_losses"]
    variables = {"forgetting": analyse.forgetting(errors), "generalization": errors[..., -1, :].mean(-1),
                 "own": jnp.mean(jnp.stack([errors[..., t + 1, t] for t in range(4)], axis=-1), axis=-1)}  # fmt: skip
    return xr.Dataset({name: (("order", "network"), np.asarray(v)) for name, v in variables.items()},
                      {"order": list(ORDERS)})  # fmt: skip


@cite("lin2023theory")
def lin2023_forgetting(
    config: Lin2023Forgetting, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """What is forgotten in linear regression on four tasks in turn, and by a network on digits.

    Errors are squared distances to the teachers, means over draws of all samples; the same inputs are drawn for all
    geometries of the teachers, so that their differences are sharp. The network learns odd from even digits (A) or the
    reverse (B), from other digits in each task; the formula is asked about its orders only, not about its size.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    first, second = jr.split(key)
    progress("regression on random samples")
    found = _regress(config, rng, first)
    progress("a network on digits")
    digits = _digits(config, rng, second)

    many, few = config.samples
    random = [name for name in found.case.values if name.startswith("random")]

    def pooled(name: str) -> float:
        """The distance of the mean over geometries and both numbers of samples, whose draws are independent."""
        values = sum(found[f"{name}_{n}"].sel(case=random).mean("case").values for n in (many, few))
        return score(values, sum(float(found[f"expected_{name}_{n}"].sel(case=random).mean()) for n in (many, few)))

    def contrast(a: str, b: str, samples: int, name: str = "forgetting") -> tuple[np.ndarray, float]:
        """The difference of two cases in every draw, and the expected one."""
        values, expected = found[f"{name}_{samples}"], found[f"expected_{name}_{samples}"]
        return (values.sel(case=a) - values.sel(case=b)).values, float(expected.sel(case=a) - expected.sel(case=b))

    names = ("forgetting", "generalization")
    scores = [pooled(name) for name in names]
    spread = max(float((found[f"{name}_{n}"].std("draw") / found[f"generalization_{n}"].mean("draw")).max())
                 for name in names for n in (many, few)) / np.sqrt(config.draws)  # fmt: skip
    wrong = [score(found[f"{name}_{many}"].sel(case=case).values, float(found[f"orthogonal_{name}_{many}"][index]))
             for name in names for index, case in enumerate(random)]  # fmt: skip
    early, late = (contrast(f"{pair} 0", f"{pair} 90", many) for pair in ("early", "late"))
    other = contrast("early 0", "early 90", few)
    last, turns = contrast("AAAB", "BAAA", many), contrast("AABB", "ABAB", many)
    order_scores = [score(*each) for each in (last, turns)]
    measured = found[f"forgetting_{many}"].sel(case=list(ORDERS)[:4]).mean("draw").values
    expected = found[f"expected_forgetting_{many}"].sel(case=list(ORDERS)).values
    lost = digits.forgetting.values
    agreement = float(scipy.stats.spearmanr(expected, lost.mean(1)).statistic)
    to_last, to_turns = lost[ORDERS.index("AAAB")] - lost[0], lost[ORDERS.index("AABB")] - lost[ORDERS.index("ABAB")]
    known = digits.generalization.values
    worse = known[ORDERS.index("AAAB")] - known[0]
    alike = lost[-1].mean() / lost[ORDERS.index("AAAB")].mean()
    claims = (
        Claim("Forgetting and generalisation are those of the formula for random geometries of the teachers, with many "
              "and with few samples (larger distance of the two pooled means, in standard errors)", 0.0,
              float(np.max(np.abs(scores))), 3.0, "at most"),
        Claim("... and standard errors are small (largest, as a part of the mean error of its case)", 0.0, spread, 0.03,
              "at most"),
        Claim("A formula that takes the teachers to be orthogonal is refuted by the same means (median distance over "
              "geometries, in standard errors)", 10.0, float(np.median(np.abs(wrong))), 0.0, "at least", control=True),
        Claim("Similarity is not monotone: two early tasks are forgotten more if they are alike than if they are "
              "orthogonal (mean difference, in standard errors)", 3.0, score(early[0], 0.0), 0.0, "at least"),
        Claim("... while two late ones are forgotten less", -3.0, score(late[0], 0.0), 0.0, "at most"),
        Claim("With few samples (a small part of the inputs) two early tasks too are forgotten less if they are alike",
              -3.0, score(other[0], 0.0), 0.0, "at most", control=True),
        Claim("Order matters as predicted: the odd task last instead of first, and kinds in two blocks instead of in "
              "turns (largest distance of the differences from those of the formula, in standard errors)", 0.0,
              float(np.max(np.abs(order_scores))), 3.0, "at most"),
        Claim("... both of which raise forgetting (smallest difference, in standard errors)", 10.0,
              min(score(last[0], 0.0), score(turns[0], 0.0)), 0.0, "at least"),
        Claim("... and forgetting is least with the odd task at the place that the formula names (from 0)",
              float(np.argmin(expected[:4])), float(np.argmin(measured)), 0.0),
        Claim("A network on digits forgets more with the odd task last than first (part of all draws)", 1.0,
              float(np.mean(to_last > 0)), 0.0, "at least"),
        Claim("... is worse on all tasks (part of all draws)", 1.0, float(np.mean(worse > 0)), 0.0, "at least"),
        Claim("... and forgets more in two blocks than in turns (mean difference, in standard errors)", 3.0,
              score(to_turns, 0.0), 0.0, "at least"),
        Claim("The formula orders all orders as the network does (rank correlation of forgetting)", 0.85, agreement,
              0.0, "at least"),
        Claim("If all tasks are alike the network forgets nothing (forgetting, below 0 where it gains, as a part of "
              "that with the odd task last)", 0.0, float(alike), 0.1, "at most", control=True),
    )  # fmt: skip
    figure = draw(
        "forgetting",
        "Left: measured against expected forgetting (circles) and generalisation (squares) of all cases, with many and "
        "few samples. Middle: forgetting against the angle between two early and two late teachers, with many samples "
        "(lines: expected; points: measured with standard errors). Right: forgetting of a network on digits in "
        "different orders of two kinds of tasks (bars: mean and standard error) and what the formula says (line).",
        lambda canvas: _plot(canvas, config, found, digits),
        height=3.0,
    )
    means = found.mean("draw")
    return Findings(claims, (figure,), {"regression": means, "digits": digits})


def _plot(canvas: Canvas, config: Lin2023Forgetting, found: xr.Dataset, digits: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3)
    for index, samples in enumerate(config.samples):
        for name, marker in (("forgetting", "o"), ("generalization", "s")):
            left.plot(found[f"expected_{name}_{samples}"], found[f"{name}_{samples}"].mean("draw"), marker,
                      color=COLOURS[index], markersize=3,
                      label=f"{samples} samples" if marker == "o" else None)  # fmt: skip
    ends = np.array(left.get_xlim())
    left.plot(ends, ends, color="0.7", linewidth=1, zorder=0)
    left.set(xlabel="expected", ylabel="measured", title="regression")
    many = config.samples[0]
    angles = np.linspace(0, 90, config.angles)
    for index, pair in enumerate(("early", "late")):
        cases = [f"{pair} {angle:.0f}" for angle in angles]
        values = found[f"forgetting_{many}"].sel(case=cases)
        middle.plot(angles, found[f"expected_forgetting_{many}"].sel(case=cases), color=COLOURS[index])
        middle.errorbar(angles, values.mean("draw"), values.std("draw") / np.sqrt(config.draws), fmt="o",
                        color=COLOURS[index], markersize=4, label=f"{pair} pair")  # fmt: skip
    middle.set(xlabel="angle (degrees)", ylabel="forgetting", title="similarity")
    places = np.arange(len(ORDERS))
    right.bar(places, digits.forgetting.mean("network"), color=COLOURS[0], alpha=0.7, label="network",
              yerr=digits.forgetting.std("network") / np.sqrt(config.networks))  # fmt: skip
    right.plot(places, found[f"expected_forgetting_{many}"].sel(case=list(ORDERS)), "o-", color=COLOURS[1],
               markersize=4, label="formula")  # fmt: skip
    right.set_xticks(places, list(ORDERS), rotation=60)
    right.set(ylabel="forgetting", title="digits")
    for panel in (left, middle, right):
        panel.legend(fontsize=7)
