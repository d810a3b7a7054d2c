"""Larger and later is learned faster: recency of linear recurrent networks, and what it hangs on."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Key
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._trajectory import Trajectory, half_times
from .._types import PRNGKey
from ..config import Proca2025Recency
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: A step lengthens times by half of rate x growth rate: here by at most 1 %, for a mode with all importances at b = 1.
RATE = 0.005
#: Initial input and output strengths of aligned networks; their weak recurrence is as large.
WEAK = 0.1
#: (delta, lambda) of the paper's Appendix E, and the late one at half its strength; the strongest in total first.
APPENDIX = {"early": (0.5, 1.1), "late": (1.1, 0.5), "weak": (0.55, 0.5)}


def profile(window: int, delta: Any, rate: Any) -> np.ndarray:
    """The inverse-exponential importances delta lambda^(T - i), `"step *mode"`."""
    lags = window - 1 - np.arange(window)
    return np.asarray(delta) * np.asarray(rate) ** lags.reshape(-1, *[1] * np.ndim(rate))


def equal_strengths(window: int, rates: tuple[float, ...]) -> np.ndarray:
    """Modes of one total strength that differ in when they matter.

    They are a few per mille apart, in the order given, only so that every singular basis has them in this order.
    """
    values = profile(window, 1.0, np.asarray(rates))
    return values / np.linalg.norm(values, axis=0) * (1 - 0.002 * np.arange(len(rates)))


def frozen_half_time(importances: np.ndarray, recurrent: Any, initial: float) -> np.ndarray:
    r"""The half time $\ln(u^* / u_0 - 1) / 2A$ of modes with a frozen recurrence, $u^* = A / B$.

    $A = \sum_i b^{T-i} s_i$ and $B = \sum_i b^{2(T-i)}$: the time scale is $1 / A$, not one over the strength.

    Args:
        importances: `"step mode"`.
        recurrent: $b$ of each mode, or one for all.
        initial: $u_0$.
    """
    weights = profile(importances.shape[0], 1.0, np.broadcast_to(recurrent, importances.shape[1:]))
    drive, gram = np.sum(weights * importances, axis=0), np.sum(weights**2, axis=0)
    return np.log(drive / gram / initial - 1) / (2 * drive)


class _Member(eqx.Module):
    """What a network of the study starts from (or several, along a leading axis)."""

    importances: Float[Array, "*member step mode"]
    strength: Float[Array, "*member"]  # a = c, of an aligned network
    recurrent: Float[Array, "*member"]  # b
    learns: Float[Array, "*member"]  # 0: the recurrence is frozen
    scale: Float[Array, "*member"]  # of random weights in place of aligned ones, if not 0


@eqx.filter_jit
def _begin(members: _Member, keys: Key[Array, " member"], hidden: int) -> tuple[nn.LinearRNN, Any]:
    """The networks before training and their tasks, with a leading axis over members."""

    def one(member: _Member, key: PRNGKey) -> tuple[nn.LinearRNN, Any]:
        task_key, network_key = jr.split(key)
        modes = member.importances.shape[1]
        task = tasks.TaskDynamics.random(member.importances, inputs=modes, outputs=modes, key=task_key).moments()
        sizes = (modes, hidden, modes)
        given = member.strength, member.recurrent, member.strength
        aligned = nn.aligned(task, given)(nn.LinearRNN, sizes, key=network_key)
        random = nn.fan_in(member.scale)(nn.LinearRNN, sizes, key=network_key)
        return jtu.tree_map(lambda drawn, other: jnp.where(member.scale > 0, drawn, other), random, aligned), task

    return eqx.filter_vmap(one)(members, keys)


@eqx.filter_jit
def _predict(networks: nn.LinearRNN, moments: tasks.TemporalMoments, ts: Float[Array, " time"]) -> Array:
    """The mode strengths that the mode equations predict, `"member time mode"`.

    They begin at the components that grow; of aligned networks with a = c these are all there is.
    """
    solve = theory.SmallRecurrentInitialization().solve
    return eqx.filter_vmap(lambda network, task: solve(network, task, ts)["mode_strengths"])(networks, moments)


def _train(
    networks: nn.LinearRNN, moments: tasks.TemporalMoments, learns: Float[Array, " member"], ts: Array, key: PRNGKey
) -> Trajectory:
    """Trains all networks, each on its task."""
    ones = nn.LinearRNN(*(jnp.ones((1, 1)) for _ in range(3)))

    def make(key: PRNGKey, member: Any) -> tuple:
        network, task = jtu.tree_map(lambda leaf: leaf[member], (networks, moments))
        rates = eqx.tree_at(lambda n: n.recurrent_weights, ones, learns[member].reshape(1, 1))
        return network, task, learn.Descent(RATE, rates=rates)

    return learn.ensemble(make, ts, {"member": np.arange(learns.shape[0])}, key=key)


@cite("proca2025learning")
def proca2025_recency(config: Proca2025Recency, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Modes are learned in the order of their drive at the initial recurrence: weak, late ones are first.

    What the paper calls recency is a matter of the initial recurrent weights, and gone where these begin at 1.
    """
    window, start = config.window, WEAK**2
    appendix = profile(window, *np.array(list(APPENDIX.values())).T)
    equal = equal_strengths(window, config.rates)
    missing = equal.shape[1] - appendix.shape[1]
    appendix = np.pad(appendix, ((0, 0), (0, missing)))
    frozen = np.array([*config.recurrent, 1.0])
    orders = np.stack([equal, equal[::-1]])
    listed: list[tuple] = [(appendix, WEAK, b, 1.0, 0.0) for b in (WEAK, 1.0)]
    listed += [(equal, WEAK, b, 0.0, 0.0) for b in frozen]
    listed += [(order, 0.0, 0.0, 1.0, config.scale) for order in orders for _ in range(config.seeds)]
    members = _Member(*(jnp.asarray(np.array(column, float)) for column in zip(*listed, strict=True)))
    ts = jnp.concatenate([jnp.zeros(1), jnp.geomspace(4 * RATE, config.duration, config.times - 1)])
    progress("training aligned and random networks")
    draw_key, train_key = jr.split(key)
    networks, moments = _begin(members, jr.split(draw_key, len(listed)), config.hidden)
    trained = _train(networks, moments, members.learns, ts, train_key)
    times = np.asarray(trained.half_times())
    strengths = np.asarray(trained["mode_strengths"])
    progress("predicting them by the mode equations")
    use = np.flatnonzero(np.asarray(members.learns))
    predicted = _predict(*jtu.tree_map(lambda leaf: leaf[use], (networks, moments)), trained.ts)
    expected = np.stack([np.asarray(half_times(trained.ts, path)) for path in predicted])

    weak, strong = times[0], times[1]
    early, late, faint = range(3)
    first, last = 2 + frozen.size, len(listed)
    closed = np.stack([frozen_half_time(equal, b, start) for b in frozen])
    held = times[2:first]
    random = times[first:last].reshape(2, config.seeds, -1)
    theirs = expected[2:].reshape(2, config.seeds, -1)
    by_chance = np.median(random, axis=1) / np.median(theirs, axis=1)
    rises, falls = np.diff(random[0], axis=-1) > 0, np.diff(random[1], axis=-1) < 0
    claims = (
        Claim("Appendix E: the mode that matters late is learned before the stronger one that matters early; times "
              "apart by the factor of the mode equations", expected[0, early] / expected[0, late],
              weak[early] / weak[late], 0.02 * expected[0, early] / expected[0, late]),
        Claim("... a factor of at least 1.5", 1.5, weak[early] / weak[late], 0.0, "at least"),
        Claim("Of two modes with the same temporal profile the stronger is learned first", 1.5,
              weak[faint] / weak[late], 0.0, "at least"),
        Claim("Begun at a recurrence of 1, where late and early weigh alike, the order of Appendix E turns round",
              1.0, strong[early] / strong[late], 0.0, "at most", control=True),
        # half of rate x growth rate, and what is left of the step between two recordings
        Claim("With frozen recurrence all modes have the half time ln(u*/u0 - 1) / 2A: the largest relative error",
              0.0, float(np.max(np.abs(held / closed - 1))), 0.02, "at most"),
        Claim(f"Frozen at {frozen[0]:g}, modes of equal strength are apart by their drives A: early over late",
              closed[0, -1] / closed[0, 0], held[0, -1] / held[0, 0], 0.02 * closed[0, -1] / closed[0, 0]),
        Claim("Frozen at 1, modes of equal strength and opposite profile take the same time: recency is gone", 1.0,
              held[-1, -1] / held[-1, 0], 0.02, control=True),
        Claim("Random small weights learn modes of equal strength in order of recency: share of such pairs", 1.0,
              float(np.mean(rises)), 0.05, "at least"),
        Claim("With all importances reversed in time the same modes are learned in reversed order: share of pairs",
              1.0, float(np.mean(falls)), 0.05, "at least", control=True),
        # Growing components overlap among the hidden units, by about one over the root of their number.
        Claim("Medians of their half times are those of the mode equations begun at the growing components", 1.0,
              float(by_chance.flat[np.argmax(np.abs(by_chance - 1))]), 0.1),
    )  # fmt: skip
    coords = {"time": np.asarray(trained.ts), "begin": [WEAK, 1.0], "mode": np.arange(equal.shape[1]),
              "recurrent": frozen, "order": ["as given", "reversed"], "seed": np.arange(config.seeds)}  # fmt: skip
    data = xr.Dataset(
        {
            "appendix": (("begin", "time", "mode"), strengths[:2]),
            "appendix_predicted": (("begin", "time", "mode"), np.asarray(predicted[:2])),
            "frozen_half_time": (("recurrent", "mode"), held),
            "frozen_half_time_predicted": (("recurrent", "mode"), closed),
            "random_half_time": (("order", "seed", "mode"), random),
            "random_half_time_predicted": (("order", "seed", "mode"), theirs),
        },
        coords,
    )
    figure = draw(
        "recency",
        "Left: the two modes of Appendix E (dots: trained, lines: mode equations): begun with weak recurrence, the one "
        "that matters late is learned first; begun at 1 (dashed, crosses) the other. Right: half times of modes of "
        "equal strength, measured against predicted, for frozen recurrence and for random small weights.",
        lambda canvas: _plot(canvas, data),
        height=3.3,
    )
    return Findings(claims, (figure,), {"recency": data})


def _plot(canvas: Canvas, data: xr.Dataset) -> None:
    left, right = canvas.subplots(1, 2)
    ts = data.time.values
    shown = (ts > 0.05) & (ts < 10)
    dots = np.flatnonzero(shown)[::4]
    for mode, (name, colour) in enumerate(zip(("early", "late"), COLOURS)):
        for begin, (line, dot) in enumerate([("-", "o"), ("--", "x")]):
            path, theirs = (data[which].values[begin, :, mode] for which in ("appendix", "appendix_predicted"))
            label = f"matters {name}, $b(0) = {data.begin.values[begin]:g}$"
            left.plot(ts[shown], theirs[shown] / theirs[-1], line, color=colour, label=label)
            left.plot(ts[dots], path[dots] / path[-1], dot, color=colour, markersize=3.5)
    left.set(xscale="log", xlabel="learning time", ylabel="learned share of a mode", ylim=(0, 1.55))
    left.legend(loc="upper left")
    for b, colour, there, here in zip(
        data.recurrent.values, COLOURS * 3, data.frozen_half_time_predicted.values, data.frozen_half_time.values
    ):
        right.plot(there, here, "o", color=colour, label=f"$b = {b:g}$ frozen")
    there, here = (data[name].values for name in ("random_half_time_predicted", "random_half_time"))
    right.plot(there.ravel(), here.ravel(), ".", color="0.7", zorder=0, label="random, small")
    ends = np.array([min(here.min(), 0.9 * data.frozen_half_time.values.min()), here.max()])
    right.plot(ends, ends, color="black", linestyle=":", zorder=0)
    right.set(xscale="log", yscale="log", xlabel="predicted half time", ylabel="measured half time")
    right.legend(loc="upper left")
