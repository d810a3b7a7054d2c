"""What matters early makes unstable networks, and importances counted from the beginning do not extrapolate."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks
from .._cite import cite
from .._types import PRNGKey
from ..config import Proca2025Stability
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: The learning rate of all networks, which decides which strengths are still stable.
RATE = 0.005
#: Initial strengths of aligned networks, a = b = c.
WEAK = 0.1
PROFILES = {"inverse-exponential": tasks.InverseExponential, "exponential": tasks.Exponential}
KINDS = ("constant", "inverse-exponential", "exponential", "other")


def importances(kind: str, window: int, rates: Any) -> np.ndarray:
    """The importances of one kind, one mode for each rate, `"step mode"`.

    "other" are four that no recurrence fits, each of norm 1: rising as i and as i^2, falling as 1/i and as T + 1 - i
    (in turn, if there are more modes); "late" and "early" those of the paper's Appendix L, i / 10 and 1 / i.
    """
    index, rates = np.arange(1.0, window + 1), np.asarray(rates)
    rows = {
        "constant": np.linspace(0.5, 1.5, rates.size) + 0 * index[:, None],
        "inverse-exponential": rates ** (window - index[:, None]),
        "exponential": rates ** index[:, None],
        "late": 0.1 * index[:, None] + 0 * rates,
        "early": 1 / index[:, None] + 0 * rates,
    }
    if kind in rows:
        return rows[kind]
    shapes = np.stack([index, index**2, 1 / index, window + 1 - index], axis=1)[:, np.arange(rates.size) % 4]
    return shapes / np.linalg.norm(shapes, axis=0)


def least_energy(values: np.ndarray, largest: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """The least energy of each mode and the recurrence at which it is taken, on a grid (u minimised out)."""
    b = np.linspace(0, largest, 40001)[:, None]
    lags = values.shape[0] - 1 - np.arange(values.shape[0])
    weights = b**lags
    energy = 0.5 * (np.sum(values**2, axis=0) - (weights @ values) ** 2 / np.sum(weights**2, axis=1, keepdims=True))
    best = np.argmin(energy, axis=0)
    return energy[best, np.arange(values.shape[1])], b[best, 0]


def largest_curvature(strength: float, window: int) -> float:
    """The largest eigenvalue of the Hessian at the solution for constant importances: b = 1 and a = c = sqrt(delta)."""
    lags, root = np.arange(window), np.sqrt(strength) * np.ones(window)
    jacobian = np.stack([root, strength * lags, root], axis=1)
    return float(np.linalg.eigvalsh(jacobian.T @ jacobian)[-1])


def fixed_output_loss(rates: np.ndarray, trained: int, length: int) -> float:
    r"""The loss at $T'$ of networks that learned exponential importances $\lambda^i$ at $T$.

    They have $b = 1/\lambda$, which holds at any length, and $u = \lambda^T$, which does not:
    $\frac12 \sum (\lambda^{T'} - \lambda^T)^2 \sum_{k<T'} \lambda^{-2k}$.
    """
    reads = np.sum(rates ** (-2.0 * np.arange(length)[:, None]), axis=0)
    return float(0.5 * np.sum((rates**length - rates**trained) ** 2 * reads))


def _train(
    values: np.ndarray, random: np.ndarray, config: Proca2025Stability, key: PRNGKey
) -> tuple[nn.LinearRNN, np.ndarray]:
    """Trained networks and their losses, for each of the importances `"member step mode"`, aligned or random before."""
    modes = values.shape[2]
    sizes, basis = (modes, config.hidden, modes), jnp.eye(modes)
    stacked, drawn = jnp.asarray(values), jnp.asarray(random)

    def make(key: PRNGKey, member: Any) -> tuple:
        task = tasks.TaskDynamics(basis, basis, stacked[member]).moments()
        key = jr.fold_in(key, member)
        aligned = nn.aligned(task, (WEAK, WEAK, WEAK))(nn.LinearRNN, sizes, key=key)
        small = nn.fan_in(config.scale)(nn.LinearRNN, sizes, key=key)
        network = jtu.tree_map(lambda a, b: jnp.where(drawn[member], a, b), small, aligned)
        return network, task, learn.Descent(RATE)

    ts = jnp.array([0.0, config.duration])
    trained = learn.ensemble(make, ts, {"member": np.arange(len(values))}, key=key)
    return trained.network, np.asarray(trained["loss"])[:, -1]


@eqx.filter_jit
def _losses(networks: nn.LinearRNN, moments: tasks.TemporalMoments) -> Float[Array, " member"]:
    """The exact losses of networks with a leading axis."""
    return eqx.filter_vmap(moments.loss)(networks)


def _modes(network: nn.LinearRNN) -> tuple[np.ndarray, np.ndarray]:
    """Recurrent and input-output strength of the modes of a network that is aligned with the unit vectors."""
    entering, recurrent = np.asarray(network.input_weights), np.asarray(network.recurrent_weights)
    rotation = entering / np.linalg.norm(entering, axis=0)
    product = np.asarray(network.output_weights) @ entering
    return np.diagonal(rotation.T @ recurrent @ rotation), np.diagonal(product)


@cite("proca2025learning")
def proca2025_stability(
    config: Proca2025Stability, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """A network is stable if what matters in its task matters late, and extrapolates if that is counted from the end.

    Departs from the paper's Appendix L (stimuli of NeuroGym) by white inputs.
    """
    window, rates, seeds = config.window, np.array(config.rates), config.seeds
    strengths = np.geomspace(config.weakest, config.strongest, config.points)
    shapes = {kind: importances(kind, window, rates) for kind in (*KINDS, "late", "early")}
    drawn = [kind for kind in shapes if kind != "constant"]
    fading = config.strongest * importances("inverse-exponential", window, np.full(rates.size, rates[0]))
    values = [shapes[kind] for kind in KINDS]
    values += [np.full((window, rates.size), strength) for strength in strengths]
    values += [fading, *(shapes[kind] for kind in drawn for _ in range(seeds))]
    random = np.arange(len(values)) > len(KINDS) + config.points
    progress("training aligned and random networks on all task dynamics")
    networks, losses = _train(np.stack(values), random, config, key)
    b, u = (np.array(found) for found in zip(*[_modes(_at(networks, i)) for i in range(len(KINDS))], strict=True))
    exact = {  # (b, u) of zero loss
        "constant": (np.ones(rates.size), shapes["constant"][-1]),
        "inverse-exponential": (rates, np.ones(rates.size)),
        "exponential": (1 / rates, rates**window),
    }
    first = len(KINDS) + config.points + 1
    members = {kind: first + seeds * i + np.arange(seeds) for i, kind in enumerate(drawn)}
    eigenvalues = {kind: _spectrum(_at(networks, members[kind]), rates.size) for kind in drawn}
    floor, best = least_energy(shapes["other"])
    power = {kind: 0.5 * float(np.sum(shape**2)) for kind, shape in shapes.items()}

    lengths = window * np.arange(1, config.extrapolate + 1)
    profiles = {kind: cls(jnp.ones(rates.size), jnp.asarray(rates)) for kind, cls in PROFILES.items()}
    longer = {kind: np.zeros((lengths.size, seeds)) for kind in PROFILES}
    closed, corrected = np.zeros(lengths.size), np.zeros(seeds)
    for n, length in enumerate(lengths):
        progress(f"testing them on sequences of {length} steps")
        for kind, profile in profiles.items():
            basis = jnp.eye(rates.size)
            moments = tasks.TaskDynamics(basis, basis, profile, int(length)).moments()
            size, those = 0.5 * np.trace(np.asarray(moments.yy)), _at(networks, members[kind])
            longer[kind][n] = np.asarray(_losses(those, moments)) / size
            if kind == "exponential":
                closed[n] = fixed_output_loss(rates, window, int(length)) / size
                factor = jnp.asarray(rates ** (length - window))[:, None]
                those = eqx.tree_at(lambda net: net.output_weights, those, factor * those.output_weights)
                corrected = np.asarray(_losses(those, moments)) / size

    final = losses[len(KINDS) : first - 1] / (0.5 * strengths**2 * window * rates.size)
    limits = np.array([2 / largest_curvature(strength, window) for strength in strengths])
    learned = final < 1e-6
    critical = float(np.interp(-RATE, -limits, strengths))
    reached = float(strengths[learned].max(initial=0))
    spacing = strengths[1] / strengths[0] - 1
    late = np.concatenate([b[1][rates < 1], b[2][rates > 1], b[3][best < 1]])
    early = np.concatenate([b[1][rates > 1], b[2][rates < 1], b[3][best > 1]])
    claims = []
    for i, (kind, (there, strength)) in enumerate(exact.items()):
        form = {"constant": "b = 1, ac = delta", "exponential": "b = 1/lambda, ac = lambda^T"}.get(
            kind, "b = lambda, ac = 1"
        )
        gap = max(np.max(np.abs(b[i] / there - 1)), np.max(np.abs(u[i] / strength - 1)))
        claims.append(Claim(f"{kind} importances are learned with {form}: largest relative error", 0.0, float(gap),
                            1e-3, "at most"))  # fmt: skip
    gaps = [np.abs(eigenvalues[kind] - np.sort(exact[kind][0])) for kind in PROFILES]
    claims += [
        # what the task does not use of the initial weights stays, and mixes in
        Claim("From small random weights, too: largest distance of the recurrent eigenvalues from these b", 0.0,
              float(np.max(gaps)), config.scale, "at most"),
        Claim("What matters late makes stable modes: the largest b of them", 1.0, float(np.max(late)), 0.0, "at most"),
        Claim("What matters early makes unstable modes: the smallest b of them", 1.0, float(np.min(early)), 0.0,
              "at least"),
        Claim("Appendix L, importances rising as i from random weights: the largest recurrent singular value", 1.0,
              float(np.max(_singular(_at(networks, members["late"]), rates.size))), 0.0, "at most"),
        Claim("Appendix L, importances falling as 1/i from random weights: the smallest singular value in use", 1.0,
              float(np.min(_singular(_at(networks, members["early"]), rates.size))), 0.0, "at least"),
        Claim("The same importances reversed in time turn every b into 1/b: b times b reversed", 1.0,
              _furthest(b[1] * b[2]), 1e-3, control=True),
        Claim("Constant and (inverse-)exponential importances are fitted: largest loss relative to the targets' power",
              0.0, float(max(losses[i] / power[kind] for i, kind in enumerate(exact))), 1e-6, "at most"),
        Claim("No others are: aligned networks end at the least energy that a search by brute force finds",
              float(np.sum(floor)), float(losses[3]), 0.01 * float(np.sum(floor))),
        Claim("... which takes one unit a mode: from random weights spare units go on below three quarters of it",
              0.75 * float(np.sum(floor)), float(np.max(losses[members["other"]])), 0.0, "at most", control=True),
        Claim(f"Inverse-exponential importances hold at {lengths[-1]} steps: their loss relative to the targets' power",
              0.0, float(np.max(longer["inverse-exponential"][-1])), 1e-3, "at most"),
        # An error of the recurrence is multiplied by the number of steps.
        Claim(f"Exponential ones do not: at {lengths[-1]} steps their loss is that of the output of {window} steps",
              float(closed[-1]), float(np.median(longer["exponential"][-1])), 0.03 * float(closed[-1])),
        Claim("... and of nothing else: with outputs times lambda^(T' - T) the same recurrence holds", 0.0,
              float(np.max(corrected)), 1e-3, "at most", control=True),
        Claim(f"Strong constant importances are unstable to learn: with rate {RATE:g} the strongest that is learned "
              "has the curvature 2 / rate", critical, reached, 1.5 * spacing * critical),
        Claim("The strongest is learned where it fades with lag: relative loss", 0.0,
              float(losses[first - 1] / (0.5 * np.sum(fading**2))), 1e-6, "at most", control=True),
    ]  # fmt: skip
    coords = {"rate": rates, "length": lengths, "strength": strengths, "kind": list(KINDS), "seed": np.arange(seeds)}
    data = xr.Dataset(
        {
            "recurrent": (("kind", "rate"), b),
            "input_output": (("kind", "rate"), u),
            "relative_loss": (("profile", "length", "seed"), np.stack(list(longer.values()))),
            "predicted_relative_loss": (("length",), closed),
            "final_loss": (("strength",), final),
            "largest_stable_rate": (("strength",), limits),
            **{f"eigenvalues_{kind}": (("seed", "mode"), found) for kind, found in eigenvalues.items()},
        },
        coords | {"profile": list(longer)},
    )
    figure = draw(
        "stability",
        "Left: the learned recurrence over lambda (dots: trained from random weights; lines: lambda and 1/lambda); "
        "above 1 the network is unstable. Middle: the loss on longer sequences than trained on, relative to the "
        "targets' power. "
        "Right: what is left of the loss for constant importances; dotted: where the curvature is 2 / learning rate.",
        lambda canvas: _plot(canvas, data, critical),
        height=2.9,
    )
    return Findings(tuple(claims), (figure,), {"stability": data})


def _at(networks: nn.LinearRNN, members: Any) -> nn.LinearRNN:
    return jtu.tree_map(lambda leaf: leaf[members], networks)


def _spectrum(networks: nn.LinearRNN, modes: int) -> np.ndarray:
    """The eigenvalues in use, `"member mode"`, ascending by their real part."""
    found = np.linalg.eigvals(np.asarray(networks.recurrent_weights))
    used = np.take_along_axis(found, np.argsort(-np.abs(found), axis=-1), axis=-1)[:, :modes]
    return np.sort(used.real, axis=-1)


def _singular(networks: nn.LinearRNN, modes: int) -> np.ndarray:
    return np.linalg.svd(np.asarray(networks.recurrent_weights), compute_uv=False)[:, :modes]


def _furthest(values: np.ndarray) -> float:
    """The value that is furthest from 1."""
    return float(values.flat[np.argmax(np.abs(values - 1))])


def _plot(canvas: Canvas, data: xr.Dataset, critical: float) -> None:
    left, middle, right = canvas.subplots(1, 3)
    rates = data.rate.values
    fine = np.linspace(rates[0], rates[-1], 100)
    for kind, colour, line, order in zip(
        PROFILES, COLOURS, (fine, 1 / fine), (slice(None), slice(None, None, -1)), strict=False
    ):
        found = data[f"eigenvalues_{kind}"].values[:, order]
        left.plot(fine, line, color=colour, linewidth=1)
        left.plot(rates, found.T, "o", color=colour, markersize=3.5)
        middle.plot(
            data.length, np.median(data.relative_loss.sel(profile=kind), axis=-1), "o", color=colour, label=kind
        )
    left.axhline(1, color="0.6", linestyle=":", zorder=0)
    left.text(rates[0], 1.0, "unstable", color="0.4", ha="left", va="bottom", fontsize=8)
    left.set(xlabel=r"$\lambda$ of the task", ylabel="learned recurrence")
    middle.plot(data.length[1:], data.predicted_relative_loss[1:], color=COLOURS[1], linewidth=1)
    middle.set(yscale="log", xlabel="steps of a sequence", ylabel="loss / power of the targets")
    middle.set_xticks(data.length)
    canvas.legend(*middle.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    right.plot(data.strength, np.clip(data.final_loss, 1e-30, 1e2), ".", color="black")
    right.axvline(critical, color="0.6", linestyle=":", zorder=0)
    right.set(yscale="log", xlabel=r"constant importance $\delta$", ylabel="final loss / power")
