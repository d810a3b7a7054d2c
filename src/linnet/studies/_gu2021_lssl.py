"""Linear state space layers: three views of one system, and what they need to read images pixel by pixel."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import scipy.integrate
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks
from .._cite import cite
from .._loss import CrossEntropy
from .._types import PRNGKey
from ..config import Gu2021LSSL
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent

#: What is trained: the layer as it is, and with one thing taken from it.
VARIANTS = ("HiPPO", "random A", "Δ too large", "Δ too small")


def wave(ts: Any) -> Any:
    """A smooth input that begins at 0."""
    return np.sin(3 * np.asarray(ts)) + 0.5 * np.sin(11 * np.asarray(ts)) ** 2


def token_loop(layer: nn.LSSL, xs: np.ndarray) -> np.ndarray:
    """The recurrent view in NumPy, by inverses: "step channel", for one feature."""
    a, b, c, d = (np.asarray(part) for part in (layer.transition, layer.read_in, layer.read_out[0], layer.skip[0]))
    dt, one = float(jnp.exp(layer.log_dt[0])), np.eye(len(b))
    inverse = np.linalg.inv(one - dt / 2 * a)
    state, ys = np.zeros(len(b)), []
    for x in xs:
        state = inverse @ ((one + dt / 2 * a) @ state + dt * b * x)
        ys.append(c @ state + d * x)
    return np.array(ys)


def in_time(layer: nn.LSSL, ts: np.ndarray) -> np.ndarray:
    """The continuous view by SciPy: the states' part of the outputs at times, for the input `wave`."""
    a, b, c = (np.asarray(part) for part in (layer.transition, layer.read_in, layer.read_out[0]))
    found = scipy.integrate.solve_ivp(
        lambda t, x: a @ x + b * wave(t), (0, ts[-1]), np.zeros(len(b)), "DOP853", t_eval=ts, rtol=1e-11, atol=1e-12
    )
    return (c @ found.y).T


def _views(config: Gu2021LSSL, key: PRNGKey) -> xr.Dataset:
    """One layer in its three views, by the number of steps in a unit of time."""
    made = nn.LSSL(1, 16, output_channels=8, key=key)
    gaps = {name: [] for name in ("scan", "fft", "middle", "end")}
    curves = {}
    for num in config.view_steps:
        dt = 1 / num
        layer = eqx.tree_at(lambda layer: layer.log_dt, made, jnp.full(1, np.log(dt)))
        ends = dt * np.arange(1, num + 1)
        exact = in_time(layer, ends)
        for sampled, shift in (("middle", dt / 2), ("end", 0.0)):
            xs = wave(ends - shift)
            loop = token_loop(layer, xs)
            if sampled == "middle":
                for mode in ("scan", "fft"):
                    ys = _run(layer, mode, xs)
                    gaps[mode].append(np.max(np.abs(ys - loop)) / np.max(np.abs(loop)))
            states = loop - np.asarray(layer.skip[0]) * xs[:, None]
            # At the times that all numbers of steps share, over several outputs: one of them may cross zero.
            shared = slice(num // config.view_steps[0] - 1, None, num // config.view_steps[0])
            gaps[sampled].append(np.linalg.norm((states - exact)[shared]) / np.linalg.norm(exact[shared]))
            if sampled == "middle" and num == config.view_steps[0]:
                curves = {"time": ends, "recurrent": states[:, 0], "continuous": exact[:, 0]}
    values: dict[str, Any] = {name: ("steps", np.array(found)) for name, found in gaps.items()}
    values |= {name: ("time", curves[name]) for name in ("recurrent", "continuous")}
    return xr.Dataset(values, {"steps": np.array(config.view_steps), "time": curves["time"]})


def _run(layer: nn.LSSL, mode: str, xs: np.ndarray) -> np.ndarray:
    """The layer's outputs in a mode, before they are mixed."""
    num = layer.read_out.shape[1]
    pulses = jnp.asarray(xs)[:, None]
    columns = []
    for channel in range(num):  # one channel at a time, so that nothing comes after the state space
        plain = nn.LSSL(1, layer.read_in.shape[0], output="none", mode=mode, key=jr.key(0))
        parts = layer.transition, layer.read_in, layer.log_dt, layer.read_out[:, [channel]], layer.skip[:, [channel]]
        plain = eqx.tree_at(lambda l: (l.transition, l.read_in, l.log_dt, l.read_out, l.skip), plain, parts)
        columns.append(np.asarray(plain(pulses)[0])[:, 0])
    return np.stack(columns, axis=1)


def memories(size: int, misfit: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """$A$, $B$ and the factor of $\\Delta$ of each variant; the random matrix is stable and of the same speed."""
    matrix, inputs = nn.hippo("LegS", size)
    random = rng.normal(size=(size, size)) / np.sqrt(size) - np.eye(size)
    matrices = np.stack([matrix, random, matrix, matrix])
    return matrices, np.stack([inputs, rng.normal(size=size), inputs, inputs]), np.array([1, 1, misfit, 1 / misfit])


def _train(config: Gu2021LSSL, key: PRNGKey) -> xr.Dataset:
    """All variants on digits read pixel by pixel; their states are read at the last pixel."""
    kind = jnp.float32
    task = tasks.SequentialDigits.load(dtype=kind)
    train = tasks.Batch(task.images[:, :, None], task.labels)
    test = tasks.Batch(task.test_images[:, :, None], task.test_labels)
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    matrices, inputs, factors = memories(config.state_size, config.misfit, rng)
    dt_min, dt_max = nn.timescale_range(config.shortest, config.longest)
    size = config.hidden_size

    def make(key: PRNGKey, variant: Any) -> tuple:
        first, second, third = jr.split(key, 3)
        layer = nn.LSSL(size, config.state_size, dt_min=dt_min, dt_max=dt_max, dtype=kind, key=first)
        log_dt = layer.log_dt + jnp.log(jnp.asarray(factors, kind))[variant]
        memory = jnp.asarray(matrices, kind)[variant], jnp.asarray(inputs, kind)[variant], log_dt
        layer = eqx.tree_at(lambda layer: (layer.transition, layer.read_in, layer.log_dt), layer, memory)
        block = nn.Block(layer, eqx.nn.RMSNorm(size, use_bias=False, dtype=kind))
        head = nn.Head(jr.normal(third, (task.num_classes, size), kind) / size**0.5, jnp.zeros(task.num_classes, kind))
        network = nn.SequenceModel(nn.LinearEmbedding(1, size, dtype=kind, key=second), (block,), head)
        rule = learn.Descent(config.learning_rate, optax.scale_by_adam(), batch_size=config.batch_size)
        return network, train, rule

    ts = np.linspace(0, config.updates * config.learning_rate, config.records)
    axes = {"seed": config.seeds, "variant": np.arange(len(VARIANTS))}
    observe = [learn.Accuracy(), learn.Accuracy("test", test)]
    trained = learn.ensemble(make, ts, axes, key=key, observe=observe, loss=CrossEntropy())
    names = ("loss", "accuracy", "test_accuracy")
    values = {name: (("seed", "variant", "time"), np.asarray(trained[name])) for name in names}
    updates = np.rint(ts / config.learning_rate).astype(int)
    return xr.Dataset(values, {"variant": list(VARIANTS), "update": ("time", updates)})


def _claims(views: xr.Dataset, trained: xr.Dataset, config: Gu2021LSSL) -> tuple[Claim, ...]:
    def order(name: str) -> float:
        # Between the two finest: an order is what is left for small steps.
        rise = np.diff(np.log(views[name].values[-2:])) / np.diff(np.log(views["steps"].values[-2:]))
        return float(rise[0])

    final = trained["test_accuracy"].isel(time=-1).mean("seed").values
    return (
        Claim("The recurrent view is the token loop in NumPy (largest gap over the largest output)", 0.0,
              float(np.max(views["scan"])), 1e-10, "at most"),
        Claim("... and so is the convolution with the Krylov kernel", 0.0, float(np.max(views["fft"])), 1e-10,
              "at most"),
        Claim("The continuous view, integrated by SciPy, is approached with the square of the step where inputs are "
              "those of the middle of each step (power of the number of steps)", -2.0, order("middle"), 0.1),
        Claim("... only with the step itself where they are those of its end", -1.0, order("end"), 0.1, control=True),
        Claim(f"Digits read pixel by pixel: with HiPPO and steps between 1/{config.longest:g} and 1/{config.shortest:g}"
              ", at least half of those held out are right after training (chance: a tenth)", 0.5, float(final[0]), 0.0,
              "at least"),
        Claim("A random stable matrix of the same speed falls behind it by at least 0.05", 0.05,
              float(final[0] - final[1]), 0.0, "at least", control=True),
        Claim(f"Steps that are {config.misfit:g} times too large fall behind by at least 0.1", 0.1,
              float(final[0] - final[2]), 0.0, "at least", control=True),
        Claim(f"Steps that are {config.misfit:g} times too small fall behind by at least 0.05: the fastest of the "
              "slowed states still move within a sequence", 0.05, float(final[0] - final[3]), 0.0, "at least",
              control=True),
    )  # fmt: skip


@cite("gu2021combining", "alpaydin1998optical")
def gu2021_lssl(config: Gu2021LSSL, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """A linear state space layer has three views that agree; it needs its memory and its timescale.

    The paper's ablations, on scikit-learn's digits in place of permuted MNIST and CIFAR.
    """
    progress("comparing the three views")
    views = _views(config, key)
    progress("training on sequences of pixels")
    trained = _train(config, key)
    figure = draw(
        "lssl",
        "Left: one output over time (dots: recurrent, line: integrated in continuous time). Middle: the gap between "
        "them by the number of steps, for inputs from the middle or the end of each step. Right: the share of held-out "
        "digits that are right, by updates (dashed: chance).",
        lambda canvas: _plot(canvas, views, trained),
        height=2.9,
    )
    return Findings(_claims(views, trained, config), (figure,), {"views": views, "trained": trained})


def _plot(canvas: Canvas, views: xr.Dataset, trained: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3)
    left.plot(views["time"], views["continuous"], color=COLOURS[0], linewidth=1, label="continuous")
    left.plot(views["time"], views["recurrent"], "o", color=COLOURS[0], markersize=3, label="recurrent")
    left.set(xlabel="time", ylabel="output", title=f"two views, {len(views['time'])} steps")
    left.legend(fontsize=8)
    steps = views["steps"].values
    for name, power, colour in (("end", 1, COLOURS[1]), ("middle", 2, COLOURS[0])):
        gap = views[name].values
        middle.plot(steps, gap, "o", color=colour, markersize=4, label=f"input at the {name}")
        middle.plot(steps, gap[0] * (steps[0] / steps) ** power, color=GUIDE, linewidth=0.8, linestyle="--")
    middle.set(xscale="log", yscale="log", xlabel="steps", ylabel="gap", title="orders 1 and 2")
    middle.minorticks_off()
    middle.set_xticks(steps[::2], [str(num) for num in steps[::2]])
    middle.set_ylim(top=10 * max(views["end"].values))
    middle.legend(fontsize=8, loc="upper right")
    for variant, colour in zip(trained["variant"].values, COLOURS, strict=False):
        curves = trained["test_accuracy"].sel(variant=variant).values
        right.plot(
            trained["update"], curves.mean(axis=0), "o-", color=colour, markersize=2.5, linewidth=1, label=variant
        )
        if len(curves) > 1:
            right.fill_between(trained["update"], curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15)
    right.axhline(0.1, color=GUIDE, linewidth=0.8, linestyle="--")
    right.set(ylim=(0, 1.25), yticks=(0, 0.5, 1), xlabel="updates", ylabel="accuracy", title="held-out digits")
    right.legend(fontsize=7.5, loc="upper left", ncols=2)
