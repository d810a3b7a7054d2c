"""What state spaces remember: the functions that HiPPO memories project on, and how far back their steps reach."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.linalg
import scipy.special
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import nn
from .._cite import cite
from .._types import PRNGKey
from ..config import Gu2023Hippo
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent

#: Memories of a window, and of all of the past.
WINDOWS = ("LegT", "FouT")


def legendre(order: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """Orthonormal Legendre polynomials on [-1, 1] by SciPy, "time order"."""
    return np.sqrt(2 * order + 1) * scipy.special.eval_legendre(order, xs[:, None])


def functions(kind: str, ts: np.ndarray, num: int) -> np.ndarray:
    """What is claimed of each memory, "time state"; written here from the paper."""
    order = np.arange(num)
    if kind == "LegS":
        return np.exp(-ts)[:, None] * legendre(order, 2 * np.exp(-ts) - 1)
    inside = ((ts >= 0) & (ts <= 1))[:, None]
    if kind == "LegT":
        return inside * (-1.0) ** order * legendre(order, 2 * ts - 1)
    angles = 2 * np.pi * ts[:, None] * ((order + 1) // 2)
    waves = np.sqrt(2) * np.where(order % 2, np.cos(angles), np.sin(angles))
    return inside * np.where(order == 0, 1.0, waves)


def responses(kind: str, size: int, ts: np.ndarray) -> np.ndarray:
    """The impulse responses of all states by SciPy's matrix exponential, "time state"."""
    matrix, inputs = nn.hippo(kind, size)
    return np.stack([scipy.linalg.expm(t * matrix) @ inputs for t in ts])


def kernels(kind: str, size: int, steps: np.ndarray, num: int) -> np.ndarray:
    """The kernels of all states of linnet's layer for several steps, "step lag state"."""
    layer = nn.LSSL(len(steps), size, output_channels=size, hippo=kind, key=jr.key(0))
    every = jnp.broadcast_to(jnp.eye(size), (len(steps), size, size))
    layer = eqx.tree_at(lambda found: (found.read_out, found.log_dt), layer, (every, jnp.log(jnp.asarray(steps))))
    return np.moveaxis(np.asarray(eqx.filter_jit(lambda layer: layer.kernel(num))(layer)), 1, 0)


def explained(kernel: np.ndarray) -> np.ndarray:
    """The share of the variance of a white input, by how many steps ago it was, that the best linear readout explains.

    Args:
        kernel: "lag state", the states' responses, which are also their covariance with the input of each lag.
    """
    values, vectors = np.linalg.eigh(kernel.T @ kernel)
    kept = values > 1e-12 * values[-1]
    return np.sum((kernel @ vectors[:, kept]) ** 2 / values[kept], axis=1)


def power(xs: Any, ys: Any) -> float:
    """The power of y in x by regression of logarithms."""
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def _bases(config: Gu2023Hippo) -> xr.Dataset:
    """The functions of all memories and what their systems respond with."""
    ts = np.linspace(0.05, 0.95, config.times)
    warped = np.linspace(0.05, 3.0, config.times)
    size = config.state_size
    values: dict[str, Any] = {
        "legs": (("time", "state"), responses("LegS", size, warped)),
        "legs_claimed": (("time", "state"), functions("LegS", warped, size)),
    }
    for kind in WINDOWS:
        # Odd numbers of states hold both waves of each frequency.
        found = [responses(kind, num + (kind == "FouT"), ts)[:, : config.waves] for num in config.fewer]
        after = [responses(kind, num + (kind == "FouT"), np.array([1.2]))[:, : config.waves] for num in config.fewer]
        values[kind.lower()] = (("size", "within", "wave"), np.stack(found))
        values[f"{kind.lower()}_claimed"] = (("within", "wave"), functions(kind, ts, config.waves))
        values[f"{kind.lower()}_after"] = (("size", "wave"), np.concatenate(after))
    # The bilinear rule gives the mean of the response over a step to second order: its middle.
    steps = np.array([0.02, 0.01, 0.005, 0.0025])
    gaps = []
    for step in steps:
        lags = int(round(1 / step))
        middle = (np.arange(lags) + 0.5) * step
        kernel = kernels("LegS", 4, np.array([step]), lags)[0] / step
        gaps.append(np.max(np.abs(kernel - functions("LegS", middle, 4))))
    values["step_gaps"] = ("dt", np.array(gaps))
    coords = {"time": warped, "within": ts, "size": np.array(config.fewer), "dt": steps}
    return xr.Dataset(values, coords)


def _memory(config: Gu2023Hippo) -> xr.Dataset:
    """What is recovered of white inputs by delay, for memories and steps from a tenth to four times 1 / L."""
    longest, lengths = config.lengths[-1], np.array(config.lengths)
    first = int(np.ceil(np.log2(10) * config.per_octave))
    last = first + int(np.ceil(np.log2(4 * longest / lengths[0]) * config.per_octave))
    steps = 2.0 ** (np.arange(-first, last + 1) / config.per_octave) / longest
    # The longest window three times over; at 1 / L the slowest memory is gone by e^-30.
    lags = int(np.ceil(3 / steps[0]))
    recalled, white = [], []
    for kind in (*WINDOWS, "LegS"):
        # With an even number of states one of FouT is never written.
        size = config.state_size + (kind == "FouT")
        shares = np.array([explained(kernel) for kernel in kernels(kind, size, steps, lags)])
        recalled.append([[np.mean(share[length * 4 // 5 : length]) for share in shares] for length in lengths])
        white.append(shares[first] / size)
    return xr.Dataset(
        {"recalled": (("kind", "length", "dt"), np.array(recalled)), "white": (("kind", "delay"), np.array(white))},
        {"kind": [*WINDOWS, "LegS"], "length": lengths, "dt": steps, "delay": np.arange(lags)},
    )


def best_steps(memory: xr.Dataset) -> np.ndarray:
    """The step with which most is recalled, "kind length"; between the tried ones by a parabola over logarithms."""
    logs = np.log(memory["dt"].values)
    found = np.zeros(memory["recalled"].shape[:2])
    for place in np.ndindex(found.shape):
        curve = memory["recalled"].values[place]
        most = int(np.clip(np.argmax(curve), 1, len(logs) - 2))
        a, b, _ = np.polyfit(logs[most - 1 : most + 2] - logs[most], curve[most - 1 : most + 2], 2)
        found[place] = np.exp(logs[most] - b / (2 * a))
    return found


def _claims(bases: xr.Dataset, memory: xr.Dataset, config: Gu2023Hippo) -> tuple[Claim, ...]:
    def gap(name: str) -> np.ndarray:
        return np.sqrt(np.mean((bases[name].values - bases[f"{name}_claimed"].values) ** 2, axis=(1, 2)))

    legs = np.max(np.abs(bases["legs"].values - bases["legs_claimed"].values))
    truncated = np.max(
        np.abs(bases["legs"].values[:, 1:] - functions("LegT", bases["time"].values, config.state_size)[:, 1:])
    )
    best, lengths = best_steps(memory)[: len(WINDOWS)], memory["length"].values
    recalled = memory["recalled"].values[: len(WINDOWS)]
    logs = np.log(memory["dt"].values)
    far = np.array([
        [np.interp(np.log(factor / length), logs, row / np.max(row)) for factor in (0.1, 3)]
        for rows in recalled for length, row in zip(lengths, rows)
    ])  # fmt: skip
    capacity = memory["white"].sum("delay").values
    inside = memory["white"].sel(delay=slice(0, int(lengths[-1]) - 1)).sum("delay").values / capacity
    return (
        Claim(f"LegS projects on Legendre polynomials in e^-t: the responses of {config.state_size} states, by SciPy's "
              "exponential, are e^-t sqrt(2n+1) P_n(2 e^-t - 1) (largest gap)", 0.0, float(legs), 1e-10, "at most"),
        Claim("... and not the polynomials in t itself, from which they are more than 0.5 away", 0.5, float(truncated),
              0.0, "at least", control=True),
        Claim("The kernel of linnet's layer is this function in the middle of each step, to second order in the step "
              "(power)", 2.0, power(bases["dt"].values, bases["step_gaps"].values), 0.1),
        Claim(f"LegT approaches Legendre polynomials on [0, 1]: the root mean square gap of the first {config.waves} "
              "falls at least with the root of the number of states (power)", -0.5,
              power(config.fewer, gap("legt")), 0.0, "at most"),
        Claim("FouT approaches sines and cosines there, in the same way", -0.5, power(config.fewer, gap("fout")), 0.0,
              "at most"),
        Claim("Both have forgotten by t = 1.2: what is left with most states is at most 0.05", 0.05,
              float(max(np.max(np.abs(bases[f"{kind.lower()}_after"].values[-1])) for kind in WINDOWS)), 0.0,
              "at most"),
        Claim("To remember white inputs of nearly L steps ago, the best step is proportional to 1 / L: LegT (power)",
              -1.0, power(lengths, best[0]), 0.05),
        Claim("... FouT (power)", -1.0, power(lengths, best[1]), 0.05),
        Claim("... and close to 1 / L itself, within a factor of 1.5 for all lengths and both memories", 1.5,
              float(np.exp(np.max(np.abs(np.log(best * lengths))))), 0.0, "at most"),
        Claim("Steps of 3 / L have forgotten: at most a tenth of it is recalled", 0.1, float(np.max(far[:, 1])), 0.0,
              "at most", control=True),
        Claim("Steps of 0.1 / L spread the states over ten times the past: at most a third of it is recalled", 1 / 3,
              float(np.max(far[:, 0])), 0.0, "at most", control=True),
        # Jaeger's theorem on the memory of linear systems.
        Claim("Explained variances of all delays sum to the number of states, for all three memories (largest gap over "
              "the number)", 0.0, float(np.max(np.abs(capacity - 1))), 1e-6, "at most"),
        Claim("... of which the windows keep at least 0.9 within 1 / Δ steps", 0.9,
              float(np.min(inside[: len(WINDOWS)])), 0.0, "at least"),
        Claim("LegS, which has no window, keeps less than 0.8 there", 0.8, float(inside[-1]), 0.0, "at most",
              control=True),
    )  # fmt: skip


@cite("gu2023train", "gu2020hippo")
def gu2023_hippo(config: Gu2023Hippo, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """State spaces remember by projection on known functions, over 1 / Δ steps.

    Impulse responses against closed forms, and what the best linear readout recovers of the past, without training.
    """
    progress("comparing responses with their functions")
    bases = _bases(config)
    progress("measuring what is remembered")
    memory = _memory(config)
    figures = (
        draw(
            "bases",
            "What each memory projects the past on (dots: the responses of its system, lines: the functions claimed).",
            lambda canvas: _plot_bases(canvas, bases, config),
            height=2.8,
        ),
        draw(
            "timescale",
            "Left: the variance that LegT recalls of white inputs of nearly L steps ago, against the step times L. "
            "Middle: the best step times L for each length (dashed: 1). Right: the variance recalled by delay.",
            lambda canvas: _plot_memory(canvas, memory),
            height=2.8,
        ),
    )
    return Findings(_claims(bases, memory, config), figures, {"bases": bases, "memory": memory})


def _plot_bases(canvas: Canvas, bases: xr.Dataset, config: Gu2023Hippo) -> None:
    axes = canvas.subplots(1, 3)
    named = (("legs", "time", "LegS"), ("legt", "within", "LegT"), ("fout", "within", "FouT"))
    for axis, (name, time, title) in zip(axes, named, strict=True):
        ts, claimed, found = bases[time].values, bases[f"{name}_claimed"].values, bases[name].values
        found = found if name == "legs" else found[-1]
        every = max(1, len(ts) // 16)
        for wave in range(min(3, config.waves)):
            axis.plot(ts, claimed[:, wave], color=COLOURS[wave], linewidth=1, label=f"state {wave}")
            axis.plot(ts[::every], found[::every, wave], "o", color=COLOURS[wave], markersize=3)
        suffix = "" if name == "legs" else f", {config.fewer[-1]} states"
        axis.set(xlabel="time passed", title=f"{title}{suffix}")
    axes[0].set_ylabel("response to an impulse")
    axes[0].legend(fontsize=8)


def _plot_memory(canvas: Canvas, memory: xr.Dataset) -> None:
    left, middle, right = canvas.subplots(1, 3)
    lengths = memory["length"].values
    for row, length in enumerate(lengths):
        curve = memory["recalled"].values[0, row]
        colour = COLOURS[row % len(COLOURS)]
        left.plot(memory["dt"] * length, curve, "o-", color=colour, markersize=2, linewidth=1, label=f"L = {length}")
    left.axvline(1, color=GUIDE, linewidth=0.8, linestyle="--")
    left.set(xscale="log", xlim=(0.08, 5), xlabel="step × L", ylabel="variance recalled", title="LegT")
    left.legend(fontsize=7.5)
    left.set_xticks([0.1, 0.3, 1, 3], ["0.1", "0.3", "1", "3"])
    for kind, steps, colour, size in zip(WINDOWS, best_steps(memory), COLOURS, (8, 4), strict=False):
        middle.plot(lengths, steps * lengths, "o", color=colour, markersize=size, label=kind)
    middle.axhline(1, color=GUIDE, linewidth=0.8, linestyle="--", label="1 / L")
    middle.set(xscale="log", ylim=(0, 1.5), xlabel="L", ylabel="best step × L", title="timescale rule")
    middle.minorticks_off()
    middle.set_xticks(lengths, [str(length) for length in lengths])
    middle.legend(fontsize=8, loc="lower right")
    ages = memory["delay"].values / lengths[-1]
    for kind, share, colour in zip(memory["kind"].values, memory["white"].values, COLOURS, strict=False):
        right.plot(ages, share * lengths[-1], color=colour, linewidth=1, label=str(kind))
    right.axvline(1, color=GUIDE, linewidth=0.8, linestyle="--")
    right.set(xlim=(0, 2.5), ylim=(0, 3), xlabel="delay × step", ylabel="share of memory", title="step 1 / L")
    right.legend(fontsize=8)
