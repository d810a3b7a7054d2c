"""Learning to integrate white noise in continuous time: outliers, rich and lazy learning, oscillations, plateaus."""

import dataclasses
from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.optimize
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import analyse, learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Bordelon2025Integrate
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent

#: Members that are trained together: one, because the stiffest of several decides the steps of all.
TOGETHER = 1

#: The explicit solver of the reduced equations: no timescale here is so long that it would need another.
SOLVER = diffrax.Tsit5()


@dataclasses.dataclass(frozen=True)
class Members:
    """Networks before learning and their tasks, with the time that each is given.

    Args:
        groups: the name of each member's experiment.
        read_in: "member hidden".
        recurrent: "member hidden hidden".
        read_out: "member hidden".
        filters: decay, frequency and amplitude, "member 3".
        rates: of read-in, recurrent weights and read-out, "member 3".
        duration: "member".
    """

    groups: np.ndarray
    read_in: np.ndarray
    recurrent: np.ndarray
    read_out: np.ndarray
    filters: np.ndarray
    rates: np.ndarray
    duration: np.ndarray


def best_single_mode(decay: float, frequency: float) -> float:
    """The share of the loss that the best single real mode leaves of a target of amplitude 1, by SciPy."""

    def left(rate: float) -> float:
        # The best amplitude m of m e^{-k s} leaves the power less (overlap)^2 / (1 / 2k).
        overlap = (rate + decay) / ((rate + decay) ** 2 + frequency**2)
        return -2 * rate * overlap**2

    power = (1 / decay + decay / (decay**2 + frequency**2)) / 4
    found = min(
        scipy.optimize.minimize_scalar(left, bounds=bounds, method="bounded").fun for bounds in ((1e-6, 3), (1, 100))
    )
    return 1 + found / power


def solution_sharpness(decay: float) -> float:
    """The largest curvature at a single mode that has learned e^{-cs} with a read-in and read-out of norm 1."""
    c = decay
    hessian = [
        [1 / (2 * c), 1 / (4 * c**2), 1 / (2 * c)],
        [1 / (4 * c**2), 1 / (4 * c**3), 1 / (4 * c**2)],
        [1 / (2 * c), 1 / (4 * c**2), 1 / (2 * c)],
    ]
    return float(np.linalg.eigvalsh(hessian)[-1])


def passing(ts: np.ndarray, losses: np.ndarray, share: float) -> float:
    """When a share of the first loss is left, by linear interpolation; infinite if never."""
    below = np.flatnonzero(losses <= share * losses[0])
    if not below.size:
        return np.inf
    place = max(int(below[0]), 1)
    return float(np.interp(-share * losses[0], -losses[place - 1 : place + 1], ts[place - 1 : place + 1]))


def _members(config: Bordelon2025Integrate, rng: np.random.Generator) -> Members:
    """All networks of the study: integrators, oscillators, and those whose plateaus are measured."""
    num, rows = config.hidden, []

    def unit() -> np.ndarray:
        vector = rng.normal(size=num)
        return vector / np.linalg.norm(vector)

    for _ in range(config.seeds):
        u, v, bulk = unit(), config.scale * unit(), rng.normal(size=(num, num))
        bulk /= np.max(np.abs(np.linalg.eigvals(bulk)))
        leaky, wave = (config.decay, 0.0, 1.0), (config.decay, config.frequency, 1.0)
        learned, frozen = (1.0, 1.0, 1.0), (1.0, 0.0, 1.0)
        for name, gain in (("zero", 0.0), ("small", config.small), ("large", config.large)):
            rows += [(name, u, gain * bulk, v, leaky, learned, config.duration)]
        for name, gain in (("small, frozen", config.small), ("large, frozen", config.large)):
            rows += [(name, u, gain * bulk, v, leaky, frozen, config.duration)]
        long = 3 * config.duration
        rows += [("oscillation", u, 0 * bulk, v, wave, learned, long)]
        rows += [("oscillation, parallel", u, 0 * bulk, config.scale * u, wave, learned, long)]
    for timescale in config.timescales:
        decay = 1 / timescale
        for name, amplitude, duration in (
            ("plateau", 1.0, 3.0),
            ("plateau, unit power", np.sqrt(2 * decay), 3 + timescale / 4),
        ):
            rows += [(name, u, 0 * bulk, 0 * v, (decay, 0.0, amplitude), (0.0, 1.0, 1.0), duration)]
    rows.sort(key=lambda row: row[0])  # those of one experiment are as stiff as each other
    return Members(*(np.array(column) for column in zip(*rows, strict=True)))


def _network(members: Members, member: Any, dt: float) -> tuple[Any, Any, Any]:
    """One network, its task, and its rates; time is measured in units of its duration."""
    read_in, recurrent, read_out, filters, rates, duration = (
        jnp.asarray(getattr(members, field.name)) for field in dataclasses.fields(members)[1:]
    )
    network = nn.LeakyLinearRNN(read_in[member][:, None], recurrent[member], read_out[member][None], dt)
    speeds = duration[member] * rates[member]
    speeds = eqx.tree_at(jax.tree_util.tree_leaves, network, tuple(speeds))
    return network, tasks.ContinuousIntegration(*filters[member]), speeds


def _train(members: Members, config: Bordelon2025Integrate, key: PRNGKey) -> xr.Dataset:
    """All members by gradient flow on the exact loss, and the reduced equations beside them."""
    ts, count = np.linspace(0.0, 1.0, config.times), len(members.groups)

    def make(key: PRNGKey, member: Any) -> tuple:
        network, task, rates = _network(members, member, config.dt)
        return network, task, learn.GradientFlow(rates=rates)

    @eqx.filter_jit
    def predict(places: Any) -> Any:
        def one(place: Any) -> Any:
            network, task, rates = _network(members, place, config.dt)
            return theory.IntegratorModes(2, rates, SOLVER).solve(network, task, jnp.asarray(ts)).values

        return jax.vmap(one)(places)

    observe = [learn.OutlierEigenvalues(2), learn.Overlaps()]
    trained = learn.ensemble(
        make, ts, {"member": np.arange(count)}, key=key, observe=observe, members_per_chunk=TOGETHER
    )
    found = predict(jnp.arange(count))
    moved = np.asarray(trained.network.recurrent_weights) - members.recurrent
    norms = [np.linalg.norm(matrix, axis=(1, 2)) for matrix in (moved, members.recurrent)]
    dims = {"loss": ("time",), "outlier_eigenvalues": ("time", "outlier", "part"), "overlaps": ("time", "overlap")}
    values: dict[str, Any] = {name: (("member", *axes), np.asarray(trained[name])) for name, axes in dims.items()}
    values |= {f"predicted_{name}": (("member", *axes), np.asarray(found[name])) for name, axes in dims.items()}
    values |= {
        "weights_moved": ("member", norms[0]),
        "initial_weights": ("member", norms[1]),
        "duration": ("member", members.duration),
        "filter": (("member", "parameter"), members.filters),
        "read_out": (("member", "hidden"), np.asarray(trained.network.output_weights)[:, 0]),
        "recurrent": (("member", "hidden", "from"), np.asarray(trained.network.recurrent_weights)),
    }
    coords = {
        "experiment": ("member", members.groups.astype(str)),
        "share": ("time", ts),
        "part": ["real", "imaginary"],
        "overlap": list(analyse.OVERLAPS),
        "parameter": ["decay", "frequency", "amplitude"],
    }
    return xr.Dataset(values, coords)


def _train_in_steps(members: Members, config: Bordelon2025Integrate, key: PRNGKey) -> np.ndarray:
    r"""The outliers of the integrators from zero recurrent weights, as a `LinearRNN` that learns in time steps.

    Euler's method for the network: $W_x = \sqrt\Delta\, u$ and $W_h = I + \Delta (W - I)$ follow the flow of $u$ and
    $W$ at the rates $\Delta$ and $\Delta^2$.
    """
    places, dt = np.flatnonzero(members.groups == "zero"), config.dt
    task = tasks.WhiteNoiseIntegration(config.decay, 0.0, round(5 / config.decay / dt), dt)
    identity = jnp.eye(config.hidden)

    def make(key: PRNGKey, member: Any) -> tuple:
        read_in, recurrent, read_out = (
            jnp.asarray(part)[member] for part in (members.read_in, members.recurrent, members.read_out)
        )
        network = nn.LinearRNN(np.sqrt(dt) * read_in[:, None], identity + dt * (recurrent - identity), read_out[None])
        rates = tuple(config.duration * jnp.array([dt, dt**2, 1.0]))
        rule = learn.GradientFlow(rates=eqx.tree_at(jax.tree_util.tree_leaves, network, rates))
        return network, task, rule

    ts = np.linspace(0.0, 1.0, config.times)
    observe = [learn.OutlierEigenvalues()]
    trained = learn.ensemble(make, ts, {"member": places}, key=key, observe=observe, members_per_chunk=TOGETHER)
    return 1 - (1 - np.asarray(trained["outlier_eigenvalues"])[:, :, 0, 0]) / dt


@eqx.filter_jit
def _sharpnesses(networks: Any, decays: Any) -> Any:
    # Three parameters matter, and Lanczos finds a largest curvature that stands far above all others at once.
    return jax.vmap(lambda n, c: analyse.sharpness(n, tasks.ContinuousIntegration(c), num_iterations=8))(
        networks, decays
    )


def _of(data: xr.Dataset, experiment: str) -> xr.Dataset:
    return data.isel(member=np.flatnonzero(data["experiment"].values == experiment))


def _gap(data: xr.Dataset) -> np.ndarray:
    """The largest gap between the outlier and its prediction over time, for every member."""
    pair = (data["outlier_eigenvalues"].values, data["predicted_outlier_eigenvalues"].values)
    return np.max(np.abs(pair[0] - pair[1])[:, :, 0], axis=(1, 2))


def _loss_gap(data: xr.Dataset) -> np.ndarray:
    """The largest gap between the loss and its prediction over time, over the first loss, for every member."""
    gap = np.max(np.abs(data["loss"].values - data["predicted_loss"].values), axis=1)
    return gap / data["loss"].values[:, 0]


def _left(data: xr.Dataset) -> np.ndarray:
    """The share of the loss of a silent network that is left at the end."""
    decay, frequency, amplitude = data["filter"].values.T
    power = amplitude**2 * (1 / decay + decay / (decay**2 + frequency**2)) / 4
    return data["loss"].values[:, -1] / (power / 2)


def _claims(data: xr.Dataset, in_steps: np.ndarray, sharp: np.ndarray, config: Bordelon2025Integrate) -> tuple:
    zero, small, large = (_of(data, name) for name in ("zero", "small", "large"))
    wave, parallel = _of(data, "oscillation"), _of(data, "oscillation, parallel")
    frozen_small, frozen_large = _of(data, "small, frozen"), _of(data, "large, frozen")
    exact = xr.concat([zero, wave, parallel], "member")
    gaps = [np.max(np.abs(exact[name].values - exact[f"predicted_{name}"].values)) for name in ("loss", "overlaps")]
    discrete = np.max(np.abs(in_steps - np.max(zero["predicted_outlier_eigenvalues"].values[..., 0], axis=2)))
    rich, lazy = (part["weights_moved"].values / part["initial_weights"].values for part in (small, large))
    outliers, c = small["outlier_eigenvalues"].values[:, -1, 0, 0], config.decay
    alone = 1 - 4 * c / (1 + c) ** 2
    pairs = wave["outlier_eigenvalues"].values
    goal = np.array([[1 - c, config.frequency], [1 - c, -config.frequency]])
    pair_gap = np.max(np.abs(pairs - wave["predicted_outlier_eigenvalues"].values))
    single = best_single_mode(c, config.frequency)
    return (
        # The flow is integrated to relative errors of 1e-8; slopes multiply them.
        Claim("From zero recurrent weights, learning in time: losses and overlaps of networks of "
              f"{config.hidden} units are those of two units at all times (largest gap)", 0.0, float(max(gaps)), 1e-5,
              "at most"),
        # Random weights of radius g add terms of order g to the two-dimensional equations.
        Claim(f"From small random recurrent weights (radius {config.small:g}) the outlier eigenvalue tracks the "
              "reduced equations at all times (largest gap)", 0.0, float(np.max(_gap(small))), 3 * config.small,
              "at most"),
        Claim("... and so does the loss (largest gap over the first loss)", 0.0, float(np.max(_loss_gap(small))),
              3 * config.small, "at most"),
        Claim(f"From large ones (radius {config.large:g}), among which there is no outlier, the largest eigenvalue is "
              "at least 0.2 away from them at some time", 0.2, float(np.min(_gap(large))), 0.0, "at least",
              control=True),
        # Euler's method and a Riemann sum: the error is of order dt.
        Claim(f"Trained in time steps of {config.dt:g}, as a discrete network and without Lyapunov equations, the "
              "outlier is the same (largest gap)", 0.0, float(discrete), config.dt, "at most"),
        Claim("The outlier ends at 1 less the target's decay (small random weights; largest gap)", 0.0,
              float(np.max(np.abs(outliers - (1 - c)))), config.small, "at most"),
        Claim("Small weights are rich: recurrent weights change by at least 3 times their size", 3.0,
              float(np.min(rich)), 0.0, "at least"),
        Claim("Large ones are lazy: by at most a fifth of it", 0.2, float(np.max(lazy)), 0.0, "at most"),
        Claim("... although both have learned (at most 1 % of the loss is left)", 0.01,
              float(max(np.max(_left(small)), np.max(_left(large)))), 0.0, "at most"),
        Claim("Frozen recurrent weights: the lazy network learns all the same, by its read-out (at most 10 % left)",
              0.1, float(np.max(_left(frozen_large))), 0.0, "at most"),
        Claim("... and the rich one cannot: what a filter of the units' own timescale leaves is left, 1 - 4 c / (1 + "
              "c)^2", alone, float(np.mean(_left(frozen_small))), 2 * config.small, control=True),
        Claim("An oscillation is learned by a conjugate pair, 1 - c +- i omega (largest gap at the end)", 0.0,
              float(np.max(np.abs(pairs[:, -1] - goal))), 1e-2, "at most"),
        # Where two real eigenvalues meet they move as a square root, so that errors of 1e-8 become 1e-4.
        Claim("... which tracks the equations of the pair at all times", 0.0, float(pair_gap), 1e-3, "at most"),
        Claim("A read-out along the read-in never forms one (largest imaginary part)", 0.0,
              float(np.max(np.abs(parallel["outlier_eigenvalues"].values[..., 1]))), 1e-6, "at most", control=True),
        # Flow stops at a stationary point of one mode, the best one where it is the only minimum.
        Claim("... and is left with what the best single mode leaves", single, float(np.max(_left(parallel))), 1e-3,
              control=True),
        Claim("Without an oscillation in the target there is no pair: both outliers are real when it is learned", 0.0,
              float(np.max(np.abs(zero["outlier_eigenvalues"].values[:, -1, :, 1]))), 1e-6, "at most", control=True),
        *_plateau_claims(data, sharp, config),
    )  # fmt: skip


def _half_times(data: xr.Dataset, losses: str = "loss") -> dict[str, np.ndarray]:
    """When 90, 50 and 10 % of the loss are left, "target timescale share" in learning time."""
    found = {}
    for name in ("plateau", "plateau, unit power"):
        part = _of(data, name)
        part = part.isel(member=np.argsort(1 / part["filter"].values[:, 0]))
        clock = part["duration"].values[:, None] * data["share"].values
        found[name] = np.array(
            [
                [passing(ts, curve, share) for share in (0.9, 0.5, 0.1)]
                for ts, curve in zip(clock, part[losses].values, strict=True)
            ]
        )
    return found


def _plateau_claims(data: xr.Dataset, sharp: np.ndarray, config: Bordelon2025Integrate) -> tuple[Claim, ...]:
    scales, times = np.array(config.timescales), _half_times(data)
    plain, unit = times["plateau"], times["plateau, unit power"]
    closed = np.array([float(theory.plateau_length(1 / t, amplitude=np.sqrt(2 / t))) for t in scales])
    drop = (plain[:, 2] - plain[:, 1]) / plain[:, 1]
    predicted = np.array([solution_sharpness(1 / t) for t in scales])
    slope = (unit[-1, 1] - unit[-2, 1]) / (scales[-1] - scales[-2])
    closed_slope = (closed[-1] - closed[-2]) / (scales[-1] - scales[-2])
    return (
        Claim("Plateaus of targets e^{-s / timescale} do not lengthen with the timescale: half of the loss is learned "
              f"at {scales[-1]:g} by at most 1.2 times the time of {scales[0]:g}", 1.2, plain[-1, 1] / plain[0, 1],
              0.0, "at most"),
        Claim("... but end more abruptly: the time from 50 to 10 % of the loss, in units of that to 50 %, is at the "
              "longest timescale at most a fifth of that at the shortest", 0.2, drop[-1] / drop[0], 0.0, "at most"),
        # The closed form leaves out that the read-out lags behind by about one unit of time.
        Claim("Plateaus of targets of unit power lengthen with the timescale as the closed form says (time units per "
              "unit of timescale, between the two longest)", closed_slope, slope, 0.15 * closed_slope),
        Claim("The same targets without unit power lengthen at most a fifth as fast", 0.2,
              (plain[-1, 1] - plain[-2, 1]) / (unit[-1, 1] - unit[-2, 1]), 0.0, "at most", control=True),
        Claim("What lengthens is descent: the curvature at the solution is that of a single mode (largest relative "
              "gap)", 0.0, float(np.max(np.abs(sharp / predicted - 1))), 0.01, "at most"),
        Claim("... and grows with the cube of the timescale (exponent between the two longest)", 3.0,
              float(np.log(sharp[-1] / sharp[-2]) / np.log(scales[-1] / scales[-2])), 0.1),
    )  # fmt: skip


@cite("bordelon2025dynamically")
def bordelon2025_integrate(
    config: Bordelon2025Integrate, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Learning to integrate white noise: one outlier eigenvalue, a conjugate pair for an oscillation, and how long.

    Gradient flow on the exact loss in continuous time, against the reduced equations in closed form, from zero, small
    and large recurrent weights, with trained and with frozen ones.
    """
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    members = _members(config, rng)
    progress("training integrators and oscillators in continuous time")
    data = _train(members, config, jr.fold_in(key, 0))
    progress("training integrators in time steps")
    in_steps = _train_in_steps(members, config, jr.fold_in(key, 1))
    trained = _of(data, "plateau")
    trained = trained.isel(member=np.argsort(1 / trained["filter"].values[:, 0]))
    read_in = members.read_in[members.groups == "plateau"]
    networks = jax.vmap(lambda u, w, v: nn.LeakyLinearRNN(u[:, None], w, v[None]))(
        *(jnp.asarray(part) for part in (read_in, trained["recurrent"].values, trained["read_out"].values))
    )
    sharp = np.asarray(_sharpnesses(networks, jnp.asarray(trained["filter"].values[:, 0])))
    figure = draw(
        "integrate",
        "Dots: networks, lines: reduced equations. Top left: the outlier eigenvalue of an integrator (dashed: what the "
        "target needs). Top right: how much recurrent weights change, and what is left of the loss where they are "
        "frozen (dashed: by a filter of the units' own timescale). Bottom left: the outliers of an oscillator as it "
        "learns (crosses: what the target needs). Bottom right: when half of the loss is learned (dotted: the closed "
        "form, without the read-out's lag).",
        lambda canvas: _plot(canvas, data, config),
        height=5.4,
    )
    return Findings(_claims(data, in_steps, sharp, config), (figure,), {"integrators": data})


def _plot(canvas: Canvas, data: xr.Dataset, config: Bordelon2025Integrate) -> None:
    (outlier, regimes), (plane, plateau) = canvas.subplots(2, 2)
    c, small = config.decay, _of(data, "small")
    ts = data["share"].values * config.duration
    shown = ts <= 0.4 * config.duration
    measured, predicted = (
        small[n].values[0, :, 0, 0] for n in ("outlier_eigenvalues", "predicted_outlier_eigenvalues")
    )
    outlier.plot(ts[shown], measured[shown], "o", color=COLOURS[0], markersize=3)
    outlier.plot(ts[shown], predicted[shown], color=COLOURS[0], linewidth=1)
    outlier.axhline(1 - c, color=GUIDE, linewidth=0.8, linestyle="--")
    outlier.set(xlabel="learning time", ylabel="outlier eigenvalue", title="an integrator, small weights")
    for name, colour in zip(("small", "large"), COLOURS, strict=False):
        part, frozen = _of(data, name), _of(data, f"{name}, frozen")
        moved = part["weights_moved"].values / part["initial_weights"].values
        regimes.plot(moved, _left(frozen), "o", color=colour, markersize=5, label=f"radius {getattr(config, name):g}")
    regimes.axhline(1 - 4 * c / (1 + c) ** 2, color=GUIDE, linewidth=0.8, linestyle="--")
    regimes.set(xscale="log", xlabel="change of recurrent weights / their size", title="rich and lazy")
    regimes.set(ylabel="loss left if frozen", ylim=(0, None))
    regimes.legend(loc="center")
    wave = _of(data, "oscillation")
    measured, predicted = (wave[n].values[0] for n in ("outlier_eigenvalues", "predicted_outlier_eigenvalues"))
    for part in (0, 1):
        plane.plot(*measured[:, part].T, "o", color=COLOURS[0], markersize=3)
        # Two real eigenvalues change places where their moduli cross, which is no line.
        line = np.where(np.abs(measured[:, part, 1:]) > 0, predicted[:, part], np.nan)
        plane.plot(*line.T, color=COLOURS[0], linewidth=1)
    plane.plot([1 - c, 1 - c], [config.frequency, -config.frequency], "x", color=COLOURS[1], markersize=8)
    plane.set(xlabel="real part", ylabel="imaginary part", title="outliers of an oscillator")
    times, reduced, scales = _half_times(data), _half_times(data, "predicted_loss"), np.array(config.timescales)
    fine = np.geomspace(scales[0], scales[-1], 50)
    names = {"plateau": "amplitude 1", "plateau, unit power": "unit power"}
    for (name, label), colour in zip(names.items(), COLOURS, strict=False):
        plateau.plot(scales, times[name][:, 1], "o", color=colour, markersize=5, label=label)
        plateau.plot(scales, reduced[name][:, 1], color=colour, linewidth=1)
        amplitude = np.sqrt(2 / fine) if "unit" in name else np.ones_like(fine)
        closed = theory.plateau_length(1 / fine, amplitude=amplitude)
        plateau.plot(fine, np.asarray(closed), color=colour, linewidth=1, linestyle=":")
    plateau.set(xlabel="timescale of the target", ylabel="time to half of the loss", title="plateaus", ylim=(0, None))
    plateau.set_xticks(scales)
    plateau.legend(loc="upper left")
