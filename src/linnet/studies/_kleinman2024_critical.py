"""Critical periods: an early deficit decides which pathway learns, and what was learned first decides what can be."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.integrate
import scipy.optimize
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Kleinman2024Critical
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Layers of a pathway all alike and small, or one small among large ones.
WEIGHTS, GAPS = ("small", "large"), (0.0, 1.0)

#: Pairs of matrices: different ones; the first of rank one; nearly all entries seen; the first is the second.
CASES = ("different", "rank one first", "many entries", "the same")


class HiddenError(learn.AbstractObserver):
    """How far a completed matrix is from the second one on its entries that are never seen, relative to those."""

    @property
    def name(self) -> str:
        return "hidden_error"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        hidden = ~task.seen_later
        gap = jnp.where(hidden, network.end_to_end() - task.second, 0)
        return jnp.linalg.norm(gap) / jnp.linalg.norm(jnp.where(hidden, task.second, 0))


def time_to_half(value: float, start: float, depth: int, gap: float) -> float:
    """The time in which two equal pathways without a deficit learn half of a mode together, as an integral."""

    def strength(p: float) -> float:
        return p * (p * p + gap) ** ((depth - 1) / 2)

    def smallest(wanted: float) -> float:
        return scipy.optimize.brentq(lambda p: strength(p) - wanted, 0, wanted + wanted ** (1 / depth))

    def slowness(log_p: float) -> float:
        p = np.exp(log_p)
        return p / ((p * p + gap) ** ((depth - 1) / 2) * (value - 2 * strength(p)))

    return scipy.integrate.quad(slowness, np.log(smallest(start)), np.log(smallest(value / 4)))[0]


def _pathways(config: Kleinman2024Critical, depth: int, key: PRNGKey) -> tuple[xr.Dataset, float]:
    """The strongest mode in both pathways, with deficits at all onsets; and how far all modes are from the theory."""
    task = tasks.HierarchicalTree.canonical().moments()
    modes = task.singular_modes()
    num = modes.singular_values.shape[0]
    sizes = (task.xx.shape[0], *[config.hidden] * (depth - 1), task.yx.shape[0])
    half = np.array([time_to_half(float(modes.singular_values[0]), config.start, depth, gap) for gap in GAPS])
    onsets = np.array([*config.onsets, config.duration])  # the last one never comes
    begins = jnp.asarray(half[:, None] * np.where(onsets < config.duration, onsets, 2 * config.duration))
    ends = begins + config.length * jnp.asarray(half)[:, None]
    # Every deficit's end is a recorded time, and so is the end of all for both kinds of weights.
    moments = np.unique([0.0, config.length, *np.add(config.onsets, config.length), config.duration])
    ts = np.unique(np.outer(half, moments))
    initial, runs = jr.split(key)

    def make(key: PRNGKey, weights: Any, start: Any, onset: Any) -> tuple:
        drawn, *keys = jr.split(jr.fold_in(initial, start), 3)
        strengths = config.start * (1 + config.spread * jr.uniform(drawn, (2, num), minval=-1.0))
        each = strengths ** (1 / depth)
        pathways = []
        for k, small, single in zip(keys, each, strengths, strict=True):
            large = [single, *[jnp.sqrt(single**2 + 1)] * (depth - 1)]
            layers = tuple(jnp.where(weights == 0, small, one) for one in large)
            pathways.append(nn.aligned(task, layers)(nn.DeepLinear, sizes, key=k))
        deficit = tasks.PathwayDeficit(task, begins[weights, onset], ends[weights, onset])
        return nn.Pathways(pathways), deficit, learn.GradientFlow()

    axes = {"weights": np.arange(2), "start": np.arange(config.seeds), "onset": np.arange(len(onsets))}
    trained = learn.ensemble(make, jnp.asarray(ts), axes, key=runs, observe=(learn.Loss(), learn.PathwayStrengths()))
    simulated = np.asarray(trained["pathway_strengths"])
    gap = np.nan
    if depth == config.depths[-1]:
        network, deficit, _ = make(runs, 0, 0, 1)
        predicted = theory.predict(network, deficit, jnp.asarray(ts))["pathway_strengths"]
        gap = float(np.max(np.abs(simulated[0, 0, 1] - predicted)) / np.max(np.abs(predicted)))
    strongest = simulated[..., 0]
    # The strengths when each deficit is over, and when all is.
    places = np.array([[np.argmin(np.abs(ts - float(end))) for end in row] for row in ends])
    after = np.stack([np.stack([strongest[w, :, o, places[w, o]] for o in range(len(onsets))], 1) for w in range(2)])
    ended = np.stack([strongest[w, :, :, np.argmin(np.abs(ts - config.duration * half[w]))] for w in range(2)])
    value = float(modes.singular_values[0])
    outcome = jax.vmap(jax.vmap(lambda k: theory.race_outcome(value, k, depth)))(jnp.asarray(after[0]))
    dims = ("weights", "start", "onset", "pathway")
    variables = {
        "after": (dims, after / value),
        "final": (dims, ended / value),
        "outcome": (dims[1:], np.asarray(outcome) / value),
        "half": (("weights",), half),
    }
    return xr.Dataset(variables, {"onset": onsets, "weights": list(WEIGHTS)}), gap


def _paths(config: Kleinman2024Critical, onset: float, depth: int, silent: bool = False) -> np.ndarray:
    """The strongest mode in two equal pathways over time, as a part of it, by the reduced equation."""
    value = float(tasks.HierarchicalTree.canonical().moments().singular_modes().singular_values[0])
    half = time_to_half(value, config.start, depth, 0.0)
    ts = half * np.linspace(0, config.duration, 241)
    start = jnp.full(2, config.start ** (1 / depth))
    deficit = onset * half, (onset + config.length) * half
    return np.asarray(theory.race(ts, value, start, depth, deficit=deficit, silent=silent)) / value


def _transfer(config: Kleinman2024Critical, rng: np.random.Generator, key: PRNGKey) -> tuple[xr.Dataset, float]:
    """Errors on entries never seen, for every depth, case, pair and time spent on the first matrix."""
    size, num = config.size, config.problems

    def matrices(rank: int) -> np.ndarray:
        drawn = rng.normal(size=(num, size, rank)) @ rng.normal(size=(num, rank, size))
        return drawn / np.linalg.norm(drawn, ord=2, axis=(1, 2), keepdims=True)

    second, first, simple = (matrices(rank) for rank in (config.rank, config.first_rank, 1))
    order = rng.random((num, size, size))
    few, many = order < config.observed, order < 0.9
    firsts, seens = jnp.asarray([first, simple, first, second]), jnp.asarray([few, few, many, few])
    seconds = jnp.asarray(second)
    # The mean over entries slows all learning down by their number.
    unit = size * size * config.observed
    stages = np.array(config.stages)
    ts = unit * np.array([0.0, *(stages + config.later)])
    found, gap = [], 0.0
    for depth in config.layers:

        def make(key: PRNGKey, case: Any, problem: Any, stage: Any, depth: int = depth) -> tuple:
            task = tasks.EntryTransfer(firsts[case, problem], seconds[problem], seens[case, problem], unit * stage)
            network = nn.DeepLinear([config.strength ** (1 / depth) * jnp.eye(size)] * depth)
            return network, task, learn.GradientFlow(rtol=1e-6, atol=1e-9)

        axes = {"case": np.arange(len(CASES)), "problem": np.arange(num), "stage": stages}
        observe = (learn.Loss(), HiddenError(), learn.SingularValues())
        trained = learn.ensemble(make, jnp.asarray(ts), axes, key=key, observe=observe)
        errors = np.asarray(trained["hidden_error"])
        # Every member has the same time on the second matrix.
        found.append(np.stack([errors[:, :, index, index + 1] for index in range(len(stages))], axis=-1))
        if depth == config.layers[-1]:
            network, task, _ = make(key, 0, 0, stages[1])
            predicted = theory.predict(network, task, jnp.asarray(ts))["singular_values"]
            gap = float(jnp.max(jnp.abs(predicted - trained["singular_values"][0, 0, 1])) / jnp.max(predicted))
    dims = ("depth", "case", "problem", "stage")
    coords = {"depth": list(config.layers), "case": list(CASES), "stage": stages}
    return xr.Dataset({"error": (dims, np.stack(found))}, coords), gap


@cite("kleinman2024critical", "shi2022learning")
def kleinman2024_critical(
    config: Kleinman2024Critical, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Critical periods in linear networks: a race between pathways, and matrices completed one after the other.

    Two pathways learn the canonical tree from weights aligned with its modes, up to random differences of a tenth. One
    of them does not learn for a quarter of the time that half of the strongest mode takes, from some onset on. As in
    the paper's networks its output stays. That deficits are harmless late depends on this: if the pathway falls silent
    there is something to learn meanwhile at any time. One layer is not free of early effects: the pathway that learned
    keeps what it learned during the deficit, and nothing more.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    found, race_gap = [], np.nan
    for index, depth in enumerate(config.depths):
        progress(f"two pathways of depth {depth}")
        races, gap = _pathways(config, depth, jr.fold_in(key, index))
        found.append(races)
        race_gap = gap if np.isfinite(gap) else race_gap
    races = xr.concat(found, "depth").assign_coords(depth=list(config.depths))
    progress("completing one matrix and then another")
    transfer, transfer_gap = _transfer(config, rng, key)

    share = races.final.isel(pathway=0) - races.final.isel(pathway=1)  # 1: all of the mode is the open pathway's
    effect = (share - share.isel(onset=-1)).median("start").isel(onset=slice(0, -1))
    early, late = effect.isel(onset=0), effect.isel(onset=-1)
    ahead = races.after.isel(pathway=0) - races.after.isel(pathway=1)
    gain = (share.isel(onset=0) / ahead.isel(onset=0)).median("start")
    small, large = early.sel(weights="small").values, early.sel(weights="large").values
    none = share.sel(weights="small").isel(depth=-1, onset=-1).values
    started_ahead = races.after.sel(weights="small").isel(depth=-1, onset=-1)
    deepest = config.depths[-1]
    outcome_gap = float(np.abs(races.outcome - races.final.sel(weights="small")).max())
    paths = {depth: _paths(config, 0.0, depth) for depth in config.depths}
    silenced = float(np.diff(_paths(config, config.onsets[-1], deepest, silent=True)[-1])[0])
    error = transfer.error.median("problem")
    harm = (error.isel(stage=-1) / error.isel(stage=0)).values  # depth, case
    rising = error.isel(case=0).values[1:]
    claims = (
        Claim(f"The predicted race is the training of all weights of two pathways of depth {deepest} with a deficit "
              "(largest gap of pathway strengths, relative to the largest)", 0.0, race_gap, 1e-5, "at most"),
        Claim("What each depth conserves predicts how the race ends from how it stands when a deficit is over (largest "
              "gap, as a part of the mode)", 0.0, outcome_gap, 1e-3, "at most"),
        Claim(f"Depth {deepest}: an early deficit gives nearly all of the strongest mode to the other pathway (median "
              "difference of the pathways, as a part of the mode)", 0.75, float(share.sel(weights="small").isel(
                  depth=-1, onset=0).median()), 0.0, "at least"),
        Claim("... in every initialisation (part of them)", 1.0, float((share.sel(weights="small").isel(
            depth=-1, onset=0) > 0.5).mean()), 0.0, "at least"),
        Claim("... and without a deficit the mode is the pathway's that began ahead (part of all initialisations)", 1.0,
              float(np.mean(np.sign(none) == np.sign(started_ahead.isel(pathway=0) - started_ahead.isel(pathway=1)))),
              0.0, "at least", control=True),
        Claim("A late deficit of the same length changes nothing (largest shift at any depth, as a part of the mode)",
              0.0, float(np.max(np.abs(late.sel(weights="small")))), 1e-3, "at most"),
        Claim("... because nothing is left to learn: one that silences its pathway shifts the mode, late as it is "
              f"(predicted, depth {deepest})", 0.05, -silenced, 0.0, "at least", control=True),
        Claim("The shift by an early deficit, a quarter of the time to learn half, grows with every layer (smallest "
              "rise, as a part of the mode)", 0.0, float(np.min(np.diff(small))), 0.0, "at least"),
        Claim("... and falls the later the deficit begins (largest rise from one onset to the next, two and more "
              "layers)", 0.0, float(np.max(np.diff(effect.sel(weights="small").values[1:], axis=-1))), 1e-3, "at most"),
        Claim("Two and more layers amplify the lead that the deficit gives (smallest ratio of the final lead to that "
              "at its end)", 10.0, float(np.min(gain.sel(weights="small").values[1:])), 0.0, "at least"),
        Claim("One layer has no critical period: it keeps the lead as it is (the same ratio)", 1.0,
              float(gain.sel(weights="small").values[0]), 1e-3, control=True),
        Claim("Large weights, which learn without a plateau, leave less to an early deficit (largest shift over that "
              "from small weights, two and more layers)", 0.75, float(np.max(large[1:] / small[1:])), 0.0, "at most",
              control=True),
        Claim("Transfer: the predicted flow of the product over the switch is the training of the layers (largest gap "
              "of singular values, relative to the largest)", 0.0, transfer_gap, 1e-4, "at most"),
        Claim("Completing another matrix first harms (smallest ratio of the median errors on entries never seen after "
              "the longest and without such training, two and more layers)", 1.5, float(np.min(harm[1:, 0])), 0.0,
              "at least"),
        Claim("... and the more the longer it lasted (largest fall of the median error from one duration to the next)",
              0.0, float(np.max(-np.diff(rising, axis=-1))), 0.01, "at most"),
        Claim("... and less if the first matrix has rank one (largest ratio of these errors to the others)", 1.0,
              float(np.max(error.isel(stage=-1, case=1).values[1:] / error.isel(stage=-1, case=0).values[1:])), 0.0,
              "at most"),
        Claim("... or if nine in ten entries are seen (largest error after the longest such training)", 0.3,
              float(np.max(error.isel(stage=-1, case=2).values[1:])), 0.0, "at most"),
        Claim("One layer is not harmed: what is never seen is never moved (ratio of the errors)", 1.0,
              float(harm[0, 0]), 1e-9, control=True),
        Claim("Completing the same matrix for longer does not harm (largest such ratio)", 1.0,
              float(np.max(harm[:, 3])), 0.02, "at most", control=True),
    )  # fmt: skip
    figure = draw(
        "critical",
        "Left: the strongest mode in both pathways, one of which has an early deficit, as parts of the mode (lines: "
        "predicted for equal pathways; points: where trained ones end; grey: the mode is learned). Middle: how far a "
        "deficit shifts the mode to the other pathway, against its onset in units of the time to learn half; squares: "
        "from large weights. Right: error on entries never seen of a second matrix, against the time spent on a first "
        "one (median and range over pairs).",
        lambda canvas: _plot(canvas, paths, races, effect, transfer),
        height=3.0,
    )
    return Findings(claims, (figure,), {"races": races, "transfer": transfer})


def _plot(
    canvas: Canvas, paths: dict[int, np.ndarray], races: xr.Dataset, effect: xr.DataArray, transfer: xr.Dataset
) -> None:
    left, middle, right = canvas.subplots(1, 3)
    left.plot([0, 1], [1, 0], color="0.7", linewidth=1)
    ends = races.final.sel(weights="small").isel(onset=0)
    for index, (depth, path) in enumerate(paths.items()):
        left.plot(*path.T, color=COLOURS[index], label=f"depth {depth}")
        left.plot(*ends.isel(depth=index).values.T, "o", color=COLOURS[index], markersize=3)
    left.set(
        xlabel="open pathway", ylabel="pathway with deficit", title="early deficit", xlim=(0, 1.02), ylim=(0, 1.02)
    )
    for index, depth in enumerate(paths):
        colour = COLOURS[index]
        middle.plot(effect.sel(weights="small").isel(depth=index), "o-", color=colour, markersize=4,
                    label=f"depth {depth}")  # fmt: skip
        middle.plot([0], effect.sel(weights="large").isel(depth=index)[:1], "s", color=colour, markersize=4)
    middle.set_xticks(np.arange(len(effect.onset)), [f"{onset:g}" for onset in effect.onset.values])
    middle.set(xlabel="onset of the deficit", ylabel="shift to the open pathway", title="critical period")
    for index, depth in enumerate(transfer.depth.values):
        values = transfer.error.isel(depth=index, case=0)
        centre, low, high = values.median("problem"), values.min("problem"), values.max("problem")
        right.errorbar(np.arange(len(values.stage)), centre, [centre - low, high - centre], color=COLOURS[index],
                       marker="o", markersize=4, label=f"depth {depth}")  # fmt: skip
    right.set_xticks(np.arange(len(transfer.stage)), [f"{stage:g}" for stage in transfer.stage.values])
    right.set(xlabel="time on the first matrix", ylabel="error on hidden entries", title="transfer", ylim=(0, None))
    for panel in (left, middle, right):
        panel.legend(fontsize=7)
