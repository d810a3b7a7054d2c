"""Linear state space models: training in time against the frequency domain, and how their number speeds it up."""

import dataclasses
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
from .._loss import SquaredError
from .._types import PRNGKey
from ..config import Smekal2024SSM
from ..report import COLOURS, GUIDE, draw
from ._flat_weights import FlatWeights
from ._study import Claim, Findings, silent

#: Parametrisations whose time to half of the target is measured, and the power of the number of states that theory
#: gives it: states with weights of their own begin at equal weights, at an equal map, or with large input weights;
#: states that share one input and one output weight sum the gradients of all.
POWERS = {"own, equal weights": None, "own, equal map": 0, "shared": -1, "own, large": -1, "shared, large": -2}


@dataclasses.dataclass(frozen=True)
class Members:
    """State space models before learning; absent states have weights of zero, at which they stay.

    Args:
        groups: the name of each member's experiment.
        count: its number of states.
        poles: "member state".
        read_in: "member state".
        read_out: "member state".
        rates: of poles, input and output weights, "member 3", in units of time in which all members learn by 1.
    """

    groups: np.ndarray
    count: np.ndarray
    poles: np.ndarray
    read_in: np.ndarray
    read_out: np.ndarray
    rates: np.ndarray


def periodic_data(config: Smekal2024SSM, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of one period and the noisy steady-state outputs of the filter with the target's pole, step by step."""
    x = rng.normal(size=(config.sequences, config.steps))
    state, outputs = np.zeros(config.sequences), []
    for step in range(config.periods * config.steps):
        state = config.target * state + x[:, step % config.steps]
        outputs.append(state)
    return x, np.stack(outputs[-config.steps :], axis=1) + config.noise * rng.normal(size=x.shape)


def slopes_in_time(poles: np.ndarray, b: np.ndarray, c: np.ndarray, x: np.ndarray, y: np.ndarray, periods: int) -> Any:
    """The gradient of the loss of the last period by poles, input and output weights: forward in time, in NumPy."""
    steps, shape = x.shape[1], (len(x), len(poles))
    state, tangent, found = np.zeros(shape), np.zeros(shape), np.zeros((3, len(poles)))
    for step in range(periods * steps):
        tangent = poles * tangent + state
        state = poles * state + x[:, step % steps][:, None]
        if step >= (periods - 1) * steps:
            error = y[:, step % steps] - state @ (b * c)
            seen = np.mean(error[:, None] * state, axis=0)
            found -= np.stack([c * b * np.mean(error[:, None] * tangent, axis=0), c * seen, b * seen])
    return found


def statistics_in_time(pole: float, x: np.ndarray, y: np.ndarray, periods: int) -> tuple[float, float, float]:
    """The sufficient statistics sigma and eta and the power of the output, as sums over time."""
    steps = x.shape[1]
    state, sigma, eta = np.zeros(len(x)), 0.0, 0.0
    for step in range(periods * steps):
        state = pole * state + x[:, step % steps]
        if step >= (periods - 1) * steps:
            sigma, eta = sigma + np.mean(state * y[:, step % steps]), eta + np.mean(state**2)
    return float(sigma), float(eta), float(np.mean(np.sum(y**2, axis=1)))


def passing(ts: np.ndarray, curve: np.ndarray, level: float) -> float:
    """When a rising curve passes a level, by linear interpolation; infinite if never."""
    above = np.flatnonzero(curve >= level)
    if not above.size:
        return np.inf
    place = max(int(above[0]), 1)
    return float(np.interp(level, curve[place - 1 : place + 1], ts[place - 1 : place + 1]))


def half_time(name: str, num: int, sigma: float, eta: float, config: Smekal2024SSM) -> float:
    """The time to half of the target for N states, by the closed forms of the balanced and of the linear regime."""
    goal = sigma / eta
    if "large" in name:  # the output weights alone learn, at the rate of the input weights' power
        return np.log(2) / (eta * config.large**2 * num ** (2 if "shared" in name else 1))
    first = config.start * (num if name == "own, equal weights" else 1)
    return np.log(goal / first - 1) / (2 * sigma * (num if name == "shared" else 1))


def _members(config: Smekal2024SSM, statistics: tuple, rng: np.random.Generator) -> Members:
    """All models of the study."""
    sigma, eta, _ = statistics
    most, rows = config.states[-1], []

    def row(name: str, num: int, b: np.ndarray, c: np.ndarray, rates: tuple, poles: Any = None) -> None:
        pad = (0, most - num)
        poles = np.full(most, config.pole) if poles is None else np.pad(poles, pad, constant_values=config.pole)
        rows.append((name, num, poles, np.pad(b, pad), np.pad(c, pad), rates))

    middle = config.states[len(config.states) // 2]
    long = 2 * half_time("own, equal map", 1, sigma, eta, config)
    for _ in range(config.seeds):
        b, c = np.sqrt(config.start) * rng.normal(size=(2, middle))
        row("random", middle, b, c, (0.0, long, long))
        # Around the common pole, so that this is also their mean, and no slower than the target's.
        spread = rng.normal(size=middle)
        spread -= np.mean(spread)
        several = config.pole + abs(config.target - config.pole) * spread / np.max(np.abs(spread))
        row("several poles", middle, b, c, (0.0, long, long), several)
        row("learned poles", middle, b, c, (long * config.pole_rate, long, long))
    for num in config.states:
        equal = np.full(num, np.sqrt(config.start / num))
        row("learned poles, equal", num, equal, equal, (long * config.pole_rate, long, long))
        for name in POWERS:
            time = 2.5 * half_time(name, num, sigma, eta, config)
            # Shared weights have the sum of the gradients of their states.
            rate = time * (num if "shared" in name else 1)
            if "large" in name:
                first, last = np.full(num, config.large), np.zeros(num)
            else:
                first = last = np.full(num, np.sqrt(config.start)) if name == "own, equal weights" else equal
            row(name, num, first, last, (0.0, rate, rate))
    return Members(*(np.array(column) for column in zip(*rows, strict=True)))


def _network(members: Members, member: Any) -> tuple[nn.DiagonalSSM, Any]:
    poles, b, c, rates = (
        jnp.asarray(part)[member] for part in (members.poles, members.read_in, members.read_out, members.rates)
    )
    network = nn.DiagonalSSM(poles, b[:, None], c[None])
    return network, eqx.tree_at(jtu.tree_leaves, network, tuple(rates))


def _train(members: Members, batch: tasks.Batch, config: Smekal2024SSM, key: PRNGKey) -> xr.Dataset:
    """All models by gradient flow on sequences in time, and both predictions beside them."""
    ts, in_time = np.linspace(0.0, 1.0, config.times), tasks.unroll_periods(batch, config.periods)
    spectrum, places = tasks.Spectrum.of(batch), np.arange(len(members.groups))

    def make(key: PRNGKey, member: Any) -> tuple:
        network, rates = _network(members, member)
        return network, in_time, learn.GradientFlow(rates=rates)

    @eqx.filter_jit
    def predict(kind: Any, places: Any) -> Any:
        def one(place: Any) -> Any:
            network, rates = _network(members, place)
            return kind(rates).solve(network, spectrum, jnp.asarray(ts)).values

        return jax.vmap(one)(places)

    observe = [learn.StateStrengths(), learn.Poles()]
    trained = learn.ensemble(make, ts, {"member": places}, key=key, observe=observe)
    dims = {"loss": ("time",), "state_strengths": ("time", "state"), "poles": ("time", "state")}
    values: dict[str, Any] = {name: (("member", *axes), np.asarray(trained[name])) for name, axes in dims.items()}
    for prefix, kind in (("closed", theory.FrequencyModes), ("flow", theory.PoleFlow)):
        found = predict(kind, places)
        values |= {f"{prefix}_{name}": (("member", *axes), np.asarray(found[name])) for name, axes in dims.items()}
    values |= {
        "rates": (("member", "weight"), members.rates),
        "read_in": (("member", "state"), members.read_in),
        "read_out": (("member", "state"), members.read_out),
    }
    coords = {
        "experiment": ("member", members.groups.astype(str)),
        "states": ("member", members.count),
        "share": ("time", ts),
        "weight": ["poles", "input", "output"],
    }
    return xr.Dataset(values, coords)


def _train_layers(data: xr.Dataset, statistics: tuple, config: Smekal2024SSM, key: PRNGKey) -> np.ndarray:
    """Two-layer linear networks of one input and one output from the weights of the random models: c_n b_n."""
    sigma, eta, power = statistics
    random = _of(data, "random")
    first, last = (jnp.asarray(random[name].values) for name in ("read_in", "read_out"))
    moments = tasks.Moments(*(jnp.full((1, 1), part) for part in (eta, sigma, power)))
    rate = float(random["rates"].values[0, 1])

    def make(key: PRNGKey, member: Any) -> tuple:
        network = nn.DeepLinear((first[member][:, None], last[member][None]))
        rates = eqx.tree_at(jtu.tree_leaves, network, (jnp.asarray(rate), jnp.asarray(rate)))
        return network, moments, learn.GradientFlow(rates=rates)

    num = first.shape[1]
    axes = {"member": np.arange(len(first))}
    trained = learn.ensemble(make, data["share"].values, axes, key=key, observe=[FlatWeights(2 * num)])
    weights = np.asarray(trained["weights"])
    return weights[..., :num] * weights[..., num:]


def _gradients(batch: tasks.Batch, config: Smekal2024SSM, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One gradient in four ways, at random weights and poles: "way (pole, input, output) state"."""
    num = config.states[-1]
    poles, b, c = rng.uniform(-0.6, config.target, num), *rng.normal(size=(2, num)) / np.sqrt(num)
    network = nn.DiagonalSSM(jnp.asarray(poles), jnp.asarray(b)[:, None], jnp.asarray(c)[None])
    x, y = np.asarray(batch.x)[..., 0], np.asarray(batch.y)[..., 0]

    @eqx.filter_jit
    def ways(network: Any, batch: tasks.Batch) -> list[Any]:
        shown = [tasks.unroll_periods(batch, periods) for periods in (config.periods, 1)]
        losses = [tasks.Spectrum.of(batch).loss] + [lambda n, s=s: nn.sample_loss(n, s, SquaredError()) for s in shown]
        return [jnp.stack([leaf.ravel() for leaf in jtu.tree_leaves(jax.grad(loss)(network))]) for loss in losses]

    found = dict(zip(("fft", "scan", "at rest"), map(np.asarray, ways(network, batch)), strict=True))
    return found | {"numpy": slopes_in_time(poles, b, c, x, y, config.periods)}


def _of(data: xr.Dataset, experiment: str) -> xr.Dataset:
    return data.isel(member=np.flatnonzero(data["experiment"].values == experiment))


def _gap(data: xr.Dataset, name: str, other: str) -> float:
    """The largest gap between two quantities over time, over the largest value of the first."""
    first, second = data[name].values, data[other].values
    return float(np.max(np.abs(first - second)) / np.max(np.abs(first)))


def _half_times(data: xr.Dataset, goal: float) -> dict[str, np.ndarray]:
    """The times to half of the target by parametrisation, for each number of states."""
    found = {}
    for name in POWERS:
        part = _of(data, name)
        # Rates hold the time that a member was given, and for shared weights the number of states.
        clocks = part["rates"].values[:, 1] / (part["states"].values if "shared" in name else 1)
        totals = part["state_strengths"].values.sum(axis=2)
        ts = data["share"].values
        found[name] = np.array([passing(ts * clock, total, goal / 2) for clock, total in zip(clocks, totals)])
    return found


def _claims(
    data: xr.Dataset, layers: np.ndarray, slopes: dict, statistics: tuple, config: Smekal2024SSM
) -> tuple[Claim, ...]:
    random, several, learned = (_of(data, name) for name in ("random", "several poles", "learned poles"))
    strengths = random["state_strengths"].values
    scale = np.max(np.abs(slopes["numpy"]))
    gaps = {name: float(np.max(np.abs(slopes[name] - slopes["numpy"])) / scale) for name in ("fft", "scan", "at rest")}
    frozen = np.max(
        np.abs(learned["closed_loss"].values - learned["loss"].values)[:, -1] / learned["loss"].values[:, 0]
    )
    equal = _of(data, "learned poles, equal")
    moved = np.abs(equal["poles"].values[:, -1, 0] - config.pole)
    return (
        # The transient of the periods before is below 1e-7.
        Claim("The transform and the scan over time give one gradient, of poles, input and output weights, that of a "
              "loop over time in NumPy (largest gap over its largest entry)", 0.0, max(gaps["fft"], gaps["scan"]),
              1e-6, "at most"),
        Claim("Shown once from rest, without the steady state that the transform supposes, it is off by more than 1 %",
              0.01, gaps["at rest"], 0.0, "at least", control=True),
        # Flows are integrated to relative errors of 1e-8.
        Claim("One fixed pole, random weights, trained by scans over time: the strength of every state is the closed "
              "form at all times (largest gap over the largest strength)", 0.0,
              _gap(random, "state_strengths", "closed_state_strengths"), 1e-5, "at most"),
        Claim("... and that of a hidden unit of a two-layer linear network on inputs of variance eta and covariance "
              "sigma, trained on these moments", 0.0,
              float(np.max(np.abs(layers - strengths)) / np.max(np.abs(strengths))), 1e-5, "at most"),
        Claim("States with several poles, of the same mean, are no such network: the closed form is off by at least a "
              "tenth", 0.1, _gap(several, "state_strengths", "closed_state_strengths"), 0.0, "at least", control=True),
        Claim("... but follow the slopes written out in the frequency domain", 0.0,
              _gap(several, "state_strengths", "flow_state_strengths"), 1e-5, "at most"),
        Claim("Learned poles follow them, too (largest gap over the largest pole)", 0.0,
              _gap(learned, "poles", "flow_poles"), 1e-5, "at most"),
        Claim("The closed form for fixed poles is then off by at least 2 % of the first loss", 0.02, float(frozen), 0.0,
              "at least", control=True),
        Claim("Poles of many states that share the work move less: from equal maps those of "
              f"{config.states[-1]} states at most half as far as that of {config.states[0]}", 0.5,
              float(moved[-1] / moved[0]), 0.0, "at most"),
        *_speed_claims(data, statistics, config),
    )  # fmt: skip


def _speed_claims(data: xr.Dataset, statistics: tuple, config: Smekal2024SSM) -> tuple[Claim, ...]:
    sigma, eta, _ = statistics
    states, times = np.array(config.states), _half_times(data, sigma / eta)
    powers = {name: np.polyfit(np.log(states), np.log(found), 1)[0] for name, found in times.items()}
    logs = np.polyfit(np.log(states), times["own, equal weights"] * 2 * sigma, 1)[0]
    expected = [half_time("own, equal weights", int(num), sigma, eta, config) * 2 * sigma for num in states]
    closed = np.polyfit(np.log(states), expected, 1)[0]
    return (
        # Half-times are interpolated between recorded times.
        Claim("States with weights of their own, equal ones for every number N: the time to half of the target falls "
              "with ln N (slope in units of 1 / (2 sigma))", closed, logs, 0.02),
        Claim("... because their map begins at N times the strength: from equal maps it does not depend on N (power of "
              "N)", 0.0, powers["own, equal map"], 0.005, control=True),
        Claim("States that share one input and one output weight, from equal maps: it is proportional to 1 / (N sigma) "
              "(power of N)", -1.0, powers["shared"], 0.01),
        # The closed form neglects the output weights beside input weights of 10.
        Claim("Large input weights, own: the time is proportional to 1 / (N eta)", -1.0, powers["own, large"], 0.02),
        Claim("Large input weights, shared: to 1 / (N^2 eta)", -2.0, powers["shared, large"], 0.02),
    )  # fmt: skip


@cite("smekal2024towards")
def smekal2024_ssm(config: Smekal2024SSM, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Linear state space models learn as two-layer linear networks; their number matters by the parametrisation.

    Diagonal models trained by scans over sequences in time, against closed forms and slopes in the frequency domain.
    """
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    x, y = periodic_data(config, rng)
    batch = tasks.Batch(x[..., None], y[..., None])
    statistics = statistics_in_time(config.pole, x, y, config.periods)
    progress("comparing gradients")
    slopes = _gradients(batch, config, rng)
    progress("training state space models over time")
    data = _train(_members(config, statistics, rng), batch, config, jr.fold_in(key, 0))
    progress("training two-layer linear networks")
    layers = _train_layers(data, statistics, config, jr.fold_in(key, 1))
    figure = draw(
        "ssm",
        "Left: strengths of the states of one model over learning time (dots: trained over time, lines: closed form). "
        "Middle: poles that learn, of one and of many states (dots: trained, lines: slopes in the frequency domain; "
        "dashed: the target's). Right: the time to half of the target against the number of states, by "
        "parametrisation (dots: trained, lines: closed forms).",
        lambda canvas: _plot(canvas, data, statistics, config),
        height=3.2,
    )
    return Findings(_claims(data, layers, slopes, statistics, config), (figure,), {"models": data})


def _plot(canvas: Canvas, data: xr.Dataset, statistics: tuple, config: Smekal2024SSM) -> None:
    left, middle, right = canvas.subplots(1, 3)
    sigma, eta, _ = statistics
    random, ts = _of(data, "random").isel(member=0), data["share"].values
    every, clock = max(1, len(ts) // 25), float(random["rates"].values[1]) * 2 * sigma
    for state in range(min(int(random["states"]), 4)):
        measured, closed = (random[name].values[:, state] for name in ("state_strengths", "closed_state_strengths"))
        left.plot(ts[::every] * clock, measured[::every], "o", color=COLOURS[state], markersize=3)
        left.plot(ts * clock, closed, color=COLOURS[state], linewidth=1)
    left.set(xlabel="learning time × 2σ", ylabel="strength of a state", title="fixed pole")
    equal = _of(data, "learned poles, equal")
    for member, colour in zip((0, -1), COLOURS, strict=False):
        part = equal.isel(member=member)
        num = int(part["states"])
        label = f"{num} state{'s' if num > 1 else ''}"
        middle.plot(ts[::every] * clock, part["poles"].values[::every, 0], "o", color=colour, markersize=3, label=label)
        middle.plot(ts * clock, part["flow_poles"].values[:, 0], color=colour, linewidth=1)
    middle.axhline(config.target, color=GUIDE, linewidth=0.8, linestyle="--")
    middle.set(xlabel="learning time × 2σ", ylabel="pole", title="learned poles")
    middle.legend(loc="upper left", bbox_to_anchor=(0, 0.93))
    states, times = np.array(config.states), _half_times(data, sigma / eta)
    for (name, found), colour in zip(times.items(), COLOURS, strict=False):
        right.plot(states, found * 2 * sigma, "o", color=colour, markersize=4, label=name)
        closed = [half_time(name, int(num), sigma, eta, config) * 2 * sigma for num in states]
        right.plot(states, closed, color=colour, linewidth=1)
    right.set(xscale="log", yscale="log", xlabel="states", ylabel="time to half × 2σ", title="how states speed it up")
    right.set_xticks(states, [str(num) for num in states])
    right.minorticks_off()
    right.set_ylim(top=1e5)
    right.legend(loc="upper left", fontsize=7.5)
