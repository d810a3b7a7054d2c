"""Where the tangent kernel of a linear recurrent network moves: over steps in time, from small weights."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure as Canvas

from .. import analyse, learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Proca2025Kernel
from ..report import COLOURS, draw
from ._flat_weights import FlatWeights
from ._study import Claim, Findings, silent


class _Member(eqx.Module):
    """What one network begins from and learns; where `random`, the gain of its Gaussian weights is `recurrent`."""

    steps: Float[Array, "*member"]
    outer: Float[Array, "*member"]  # initial a = c
    recurrent: Float[Array, "*member"]  # initial b
    random: Float[Array, "*member"]
    spread: Float[Array, "*member"]  # of the modes' strengths about 1


def unpack(weights: Any, modes: int, hidden: int) -> tuple[Any, Any, Any]:
    """Input, recurrent and output weights from flat ones with any axes in front."""
    shapes = (hidden, modes), (hidden, hidden), (modes, hidden)
    ends = np.cumsum([0, *(a * b for a, b in shapes)])
    parts = (weights[..., first:last] for first, last in zip(ends[:-1], ends[1:], strict=True))
    first, second, third = (part.reshape(*part.shape[:-1], *s) for part, s in zip(parts, shapes, strict=True))
    return first, second, third


def unit_sequences(window: int, modes: int, steps: int) -> np.ndarray:
    """A pulse at each of the last steps in each channel, and silence before: white inputs of `steps` steps."""
    units = np.eye(window * modes).reshape(-1, window, modes)
    return units[(window - steps) * modes :]


def numpy_kernel(weights: np.ndarray, modes: int, hidden: int, steps: int) -> np.ndarray:
    r"""The tangent kernel on pulses, `"*batch row row"` with rows (step, channel, output), by definition.

    Every weight for itself by a complex step, $\partial_\theta f = \mathrm{Im} f(\theta + i h) / h$, which has no
    rounding error to speak of: neither automatic differentiation nor a formula for the kernel.
    """
    size, step = weights.shape[-1], 1e-30
    nearby = weights[..., None, :] + 1j * step * np.eye(size)
    entering, recurrent, leaving = unpack(nearby, modes, hidden)
    responses = []
    for _ in range(steps):
        responses.append(leaving @ entering)  # W_y W_h^lag W_x
        entering = recurrent @ entering
    found = np.stack(responses[::-1], axis=-3).imag / step  # "... parameter step out in"
    found = np.swapaxes(found, -1, -2).reshape(*found.shape[:-3], -1)
    return np.swapaxes(found, -1, -2) @ found


def printed_kernel(weights: np.ndarray, modes: int, hidden: int, steps: int) -> np.ndarray:
    """The same as the paper's equations (132) to (134) have it, with the misprints of indices and signs mended.

    They take the derivative of a power as if the change commuted with the matrix: (T - i) W_h^(T - i - 1) dW_h.
    """
    entering, recurrent, leaving = unpack(weights, modes, hidden)
    powers = [np.linalg.matrix_power(recurrent, k) for k in range(steps)]
    backs = np.stack([leaving @ powers[steps - 1 - i] for i in range(steps)])
    slopes = np.stack([(steps - 1 - i) * leaving @ powers[max(steps - 2 - i, 0)] for i in range(steps)])
    states = np.stack([powers[steps - 1 - i] @ entering for i in range(steps)])
    eye = np.eye(modes)
    kernel = np.einsum("iah,jbh,cd->icajdb", backs, backs, eye)
    kernel = kernel + np.einsum("iah,jbh,cd->icajdb", slopes, slopes, entering.T @ entering)
    kernel = kernel + np.einsum("ihc,jhd,ab->icajdb", states, states, eye)
    return kernel.reshape(steps * modes * modes, -1)


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 - <K, L> / (|K| |L|) for kernels with any axes in front."""
    first, second = (k / np.max(np.abs(k), axis=(-2, -1), keepdims=True) for k in (first, second))
    norms = np.sqrt(np.sum(first**2, axis=(-2, -1)) * np.sum(second**2, axis=(-2, -1)))
    return np.asarray(1 - np.sum(first * second, axis=(-2, -1)) / norms)


def closed_distance(steps: int, outer: float, recurrent: float) -> float:
    r"""How far the kernel moves from $a = c$ = `outer` and $b$ = `recurrent` to $a = b = c = 1$, all modes alike.

    The kernel is then that of a single unit, by lags $p, q$: $(a^2 + c^2) b^{p+q} + a^2 c^2 p q\, b^{p+q-2}$.
    """
    lag = np.arange(steps)
    pairs, sums = np.outer(lag, lag), lag[:, None] + lag
    slope = np.where(pairs > 0, pairs * recurrent ** np.maximum(sums - 2.0, 0), 0)
    return float(distance(2 * outer**2 * recurrent**sums + outer**4 * slope, 2.0 + pairs))


def _begin(members: _Member, config: Proca2025Kernel, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The task's singular vectors, `"2 out mode"`, and the initial weights of all networks, `"member parameter"`.

    Drawn in NumPy: compiling JAX's generators would take longer than all of the training.
    """
    modes, hidden = config.modes, config.hidden
    left, right = (np.linalg.qr(rng.normal(size=(modes, modes)))[0] for _ in range(2))
    rows = []
    for outer, recurrent, random in zip(members.outer, members.recurrent, members.random, strict=True):
        if random:
            shapes = (hidden, modes), (hidden, hidden), (modes, hidden)
            weights = [float(recurrent) * rng.normal(size=s) / np.sqrt(s[1]) for s in shapes]
        else:
            basis = np.linalg.qr(rng.normal(size=(hidden, hidden)))[0][:, :modes]
            weights = float(outer) * basis @ right.T, float(recurrent) * basis @ basis.T, float(outer) * left @ basis.T
        rows.append(np.concatenate([w.ravel() for w in weights]))
    return np.stack([left, right]), np.stack(rows)


def _train(members: _Member, config: Proca2025Kernel, key: PRNGKey) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, weights `"member time parameter"` and losses of the trained networks, all lengths in one program.

    Shorter sequences are those of the longest that are silent before: what cannot enter has neither loss nor gradient.
    """
    window, modes, hidden = config.steps[-1], config.modes, config.hidden
    basis, initial = map(jnp.asarray, _begin(members, config, np.random.default_rng(np.asarray(jr.key_data(key)))))
    tilt = jnp.linspace(0.5, -0.5, modes)

    def make(key: PRNGKey, member: Any) -> tuple:
        heard = (jnp.arange(window) >= window - members.steps[member]).astype(basis.dtype)
        strengths = heard[:, None] * (1 + members.spread[member] * tilt)
        yx = jnp.einsum("am,im,bm->iab", basis[0], strengths, basis[1])
        xx = jnp.einsum("i,ij,ab->ijab", heard, jnp.eye(window), jnp.eye(modes))
        task = tasks.TemporalMoments(xx, yx, jnp.einsum("iab,icb->ac", yx, yx))
        return nn.LinearRNN(*unpack(initial[member], modes, hidden)), task, learn.GradientFlow()

    ts = jnp.linspace(0.0, config.duration, config.times)
    axes = {"member": np.arange(members.steps.size)}
    trained = learn.ensemble(make, ts, axes, key=key, observe=[FlatWeights(initial.shape[1])])
    return np.asarray(ts), np.asarray(trained["weights"]), np.asarray(trained["loss"])


@eqx.filter_jit
def _kernels(weights: tuple[Array, Array, Array], xs: Array) -> tuple[Array, Array]:
    """The closed-form and the automatically differentiated kernel of networks with a leading axis."""

    def both(weights: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        network = nn.LinearRNN(*weights)
        return theory.linear_rnn_tangent_kernel(network, xs), analyse.tangent_kernel(network, xs, output=nn.apply_last)

    rows = xs.shape[0] * weights[2].shape[1]
    closed, automatic = jax.lax.map(both, weights)
    return closed.reshape(-1, rows, rows), automatic.reshape(-1, rows, rows)


def _members(config: Proca2025Kernel) -> tuple[_Member, dict[str, np.ndarray]]:
    """All networks, and which of them are which."""
    smallest, longest = config.scales[0], config.steps[-1]
    grid = [(t, x, x, 0, 0) for t in config.steps for x in config.scales]
    drawn = [(t, x, x, 1, 0) for t in config.steps for x in config.scales for _ in range(config.seeds)]
    others = [(1, smallest, smallest, 0, 1), (longest, smallest, 1, 0, 0), (longest, 1, smallest, 0, 0)]
    shape = len(config.steps), len(config.scales)
    index = np.arange(len(grid) + len(drawn) + len(others))
    which = {
        "aligned": index[: len(grid)].reshape(shape),
        "random": index[len(grid) : len(grid) + len(drawn)].reshape(*shape, config.seeds),
        "others": index[-len(others) :],
    }
    return _Member(*(jnp.asarray(column, float) for column in zip(*grid, *drawn, *others, strict=True))), which


@cite("proca2025learning", "fort2020deep")
def proca2025_kernel(config: Proca2025Kernel, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """The tangent kernel of a linear recurrent network moves further over longer sequences and from smaller weights.

    All modes have the constant importance 1, so that a = b = c = 1 solves the task. White inputs; the kernel is taken
    on all of them, by a pulse at each step in each channel.
    """
    modes, hidden, scales, lengths = config.modes, config.hidden, np.array(config.scales), np.array(config.steps)
    members, which = _members(config)
    progress("training aligned and random networks on sequences of all lengths")
    ts, weights, losses = _train(members, config, key)
    progress("differentiating by every weight")
    steps = np.asarray(members.steps).astype(int)
    moved = np.zeros(weights.shape[:2])
    for length in lengths:
        those = steps == length
        kernels = numpy_kernel(weights[those], modes, hidden, int(length))
        moved[those] = distance(kernels[:, :1], kernels)
    end = moved[:, -1]
    aligned, random = end[which["aligned"]], end[which["random"]]
    median = np.median(random, axis=2)

    progress("computing the same kernels in closed form")
    window = int(lengths[-1])
    xs = jnp.asarray(unit_sequences(window, modes, window))
    picked = [which["random"][-1, 0, 0], which["random"][-1, -1, 0], which["aligned"][-1, 0]]
    sampled = weights[picked][:, [0, len(ts) // 4, len(ts) // 2, -1]].reshape(-1, weights.shape[2])
    exact = numpy_kernel(sampled, modes, hidden, window)
    size = np.max(np.abs(exact), axis=(1, 2), keepdims=True)
    found = _kernels(tuple(map(jnp.asarray, unpack(sampled, modes, hidden))), xs)  # pyright: ignore[reportArgumentType]
    closed, automatic = (float(np.max(np.abs(np.asarray(kernel) - exact) / size)) for kernel in found)
    wrong = np.stack([printed_kernel(w, modes, hidden, window) for w in sampled[4:8]])  # from random weights of gain 1
    printed = float(np.max(np.abs(wrong - exact[4:8]) / size[4:8]))
    task = tasks.TaskDynamics(jnp.eye(modes), jnp.eye(modes), jnp.ones((window, modes))).moments()
    start = nn.aligned(task, (scales[0],) * 3)(nn.LinearRNN, (modes, hidden, modes), key=key)
    predicted = theory.predict(start, task, jnp.asarray(ts), theory=theory.LinearRNNTangentKernel())["kernel_distance"]
    along = moved[which["aligned"][-1, 0]]

    expected = np.array([[closed_distance(int(t), x, x) for x in scales] for t in lengths])
    modes_apart, outer, recurrent = end[which["others"]]
    apart = [closed_distance(window, *start) for start in ((scales[0], 1.0), (1.0, scales[0]))]
    farther, richer = np.diff(median[:, 0]), -np.diff(median[1:], axis=1)
    # Of a median over seeds, 1.25 times that of a mean; weak weights of any strength move the kernel about alike.
    variances = 1.25**2 * np.var(random[1:], axis=2, ddof=1) / config.seeds
    scores = richer / np.sqrt(variances[:, 1:] + variances[:, :-1])
    claims = (
        Claim("All networks learn: largest loss left, relative to the targets' power", 0.0,
              float(np.max(losses[:, -1] / (0.5 * steps * modes))), 1e-3, "at most"),
        Claim("The closed-form kernel is that of NumPy, weight by weight, all along training (largest relative error)",
              0.0, closed, 1e-10, "at most"),
        Claim("So is the kernel by automatic differentiation", 0.0, automatic, 1e-10, "at most"),
        Claim("The kernel as the paper prints it is off by more than a tenth along training from random weights", 0.1,
              printed, 0.0, "at least", control=True),
        # Both are exact; what is left of the loss keeps the trained kernel from its end.
        Claim("Aligned networks: the kernel moves as far as that of a single unit (largest gap over lengths and "
              "strengths)", 0.0, float(np.max(np.abs(aligned - expected))), 1e-3, "at most"),
        Claim(f"{window} steps, aligned: the predicted kernel distance is that of training at all times (largest gap)",
              0.0, float(np.max(np.abs(np.asarray(predicted) - along))), 1e-4, "at most"),
        Claim("Small random networks: the kernel moves further over every longer sequence (smallest gain)", 0.0,
              float(np.min(farther)), 0.0, "at least"),
        Claim(f"... over {lengths[1]} steps at least twice as far as over one", 2.0,
              float(median[1, 0] / median[0, 0]), 0.0, "at least"),
        Claim("One step, aligned, modes alike: the kernel is only rescaled, from any strength", 0.0,
              float(np.max(aligned[0])), 1e-12, "at most", control=True),
        Claim("... but not with modes of different strengths", 0.01, float(modes_apart), 0.0, "at least"),
        Claim("Random networks of more than one step: it moves further from the weakest weights than from the "
              "strongest (smallest gain)", 0.1, float(np.min(np.sum(richer, axis=1))), 0.0, "at least"),
        Claim("... and with no weaker weights less far, up to chance (smallest gain in standard errors)", 0.0,
              float(np.min(scores)), 3.0, "at least"),
        Claim("Aligned networks that begin at the target: it does not move at any length", 0.0,
              float(np.max(aligned[:, -1])), 1e-12, "at most", control=True),
        Claim(f"Random networks as large as the target: over {window} steps it moves all the same", 0.1,
              float(median[-1, -1]), 0.0, "at least"),
        Claim(f"{window} steps: only a and c small, it moves as far as that of a single unit", apart[0],
              float(outer), 1e-3),
        Claim(f"{window} steps: only b small, too, which is", apart[1], float(recurrent), 1e-3),
        Claim("... at least twice as far: the initial recurrence matters more", 2.0, float(recurrent / outer), 0.0,
              "at least"),
    )  # fmt: skip
    variables = {
        "kernel_distance_aligned": (("steps", "scale"), aligned),
        "predicted_kernel_distance": (("steps", "scale"), expected),
        "kernel_distance_random": (("steps", "scale", "seed"), random),
        "kernel_distance_over_time": (("steps", "time"), moved[which["aligned"][:, 0]]),
        "predicted_over_time": (("time",), np.asarray(predicted)),
        "final_loss_random": (("steps", "scale", "seed"), losses[which["random"], -1]),
    }
    coords = {"steps": lengths, "scale": scales, "seed": np.arange(config.seeds), "time": ts}
    data = xr.Dataset(variables, coords)
    figure = draw(
        "kernel",
        "How far the tangent kernel moves from the start to the end of training, against the initial strength (left: "
        "aligned networks, lines: a single unit in closed form; middle: random ones, median and range over seeds), "
        f"and over learning time from weights of {scales[0]:g} (right; dashed: the theory). Over one step an aligned "
        "kernel is only rescaled; random weights as large as the target still move it.",
        lambda canvas: _plot(canvas, data),
        height=3.0,
    )
    return Findings(claims, (figure,), {"kernel": data})


def _plot(canvas: Canvas, data: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3, sharey=True)
    scales, fine = data.scale.values, np.geomspace(data.scale.values[0], 1, 60)
    shift = np.geomspace(0.95, 1.05, len(data.steps))  # so that bars do not hide each other
    for length, colour, aside in zip(data.steps.values, COLOURS * 3, shift, strict=False):
        row = data.sel(steps=length)
        left.plot(scales, row.kernel_distance_aligned, "o", color=colour, markersize=4)
        left.plot(fine, [closed_distance(int(length), x, x) for x in fine], color=colour, linewidth=1)
        values = row.kernel_distance_random.values
        centre, low, high = (f(values, axis=1) for f in (np.median, np.min, np.max))
        label = "1 step" if length == 1 else f"{length} steps"
        bars = [centre - low, high - centre]
        middle.errorbar(aside * scales, centre, bars, fmt="o-", color=colour, markersize=4, label=label)
        right.plot(data.time, row.kernel_distance_over_time, color=colour, linewidth=1.6)
    right.plot(data.time, data.predicted_over_time, color="black", linestyle="--", linewidth=0.9)
    left.set(ylabel="kernel distance, start to end", title="aligned", ylim=(-0.03, 1.03))
    middle.set(title="random")
    right.set(title=f"aligned, from {scales[0]:g}", xlabel="learning time")
    for panel in (left, middle):
        panel.set(xscale="log", xlabel="initial strength")
        panel.set_xticks(scales, [f"{x:g}" for x in scales])
        panel.minorticks_off()
    canvas.legend(*middle.get_legend_handles_labels(), loc="outside upper center", ncols=len(data.steps))
