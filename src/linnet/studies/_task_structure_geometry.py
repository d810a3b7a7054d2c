"""Tanh units represent the targets, ReLU units keep the inputs: across how much of the inputs is the targets'."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure as Canvas

from .. import analyse, learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import TaskStructureGeometry
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu}

#: Eight conditions of three binary variables; the first is the target.
CONDITIONS = np.array(list(itertools.product([1.0, -1.0], repeat=3)))

#: Growth of the fastest tanh unit, in powers of e, at which the first geometry is held against the predicted one.
EARLY = 3.4


def inputs_of(share: float) -> np.ndarray:
    """Conditions whose inputs have all products of the variables as orthogonal directions, the target with a share.

    The mean square of an example is 7, of which `share` is the target's and the rest is even over the six others.
    """
    products = [np.prod(CONDITIONS[:, list(which)], axis=1)
                for num in (1, 2, 3) for which in itertools.combinations(range(3), num)]  # fmt: skip
    variances = 7 * np.array([share, *[(1 - share) / 6] * 6])
    return np.stack(products, axis=1) * np.sqrt(variances)


def own_regions(x: np.ndarray, y: np.ndarray) -> set[tuple[bool, ...]]:
    """All sets of examples that ask a unit, of either sign, to be active on just them; by enumeration."""
    found = set()
    for active in itertools.product([False, True], repeat=len(x)):
        for sign in (1, -1):
            direction = sign * (y * np.array(active)) @ x
            if any(active) and tuple(x @ direction > 1e-9) == active:
                found.add(active)
    return found


class HiddenAlignments(learn.AbstractObserver):
    """The kernel alignments of hidden units with the targets and with the inputs of the task."""

    @property
    def name(self) -> str:
        return "hidden_alignments"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("with",)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        hidden = network.activation(task.x @ network.weights[0].T)
        return jnp.stack([analyse.centred_kernel_alignment(hidden, other) for other in (task.y, task.x)])


def _train(config: TaskStructureGeometry, name: str, key: PRNGKey) -> tuple[xr.Dataset, float]:
    """The geometry of the hidden units of trained networks, and how far the first one is from the predicted."""
    x = jnp.asarray(np.stack([inputs_of(share) for share in config.shares]))
    y = jnp.asarray(CONDITIONS[:, :1])
    sizes, scales = (7, config.hidden, 1), jnp.array([config.small, config.large])
    early = EARLY / np.sqrt(7 * np.array(config.shares))
    ts = np.array([0.0, *sorted(early), max(config.duration, 1.5 * early.max())])
    initial, runs = jr.split(key)

    def make(key: PRNGKey, share: Any, start: Any, scale: Any) -> tuple:
        network = nn.MLP(sizes, ACTIVATIONS[name], use_bias=False, key=initial, dtype=x.dtype)
        network = nn.small(scales[scale])(network, key=jr.fold_in(initial, start))
        return network, tasks.Batch(x[share], y), learn.Descent(config.rate)

    axes = {"share": np.arange(len(config.shares)), "start": np.arange(config.seeds), "scale": np.arange(2)}
    trained = learn.ensemble(make, jnp.asarray(ts), axes, key=runs, observe=(learn.Loss(), HiddenAlignments()))
    aligned = np.asarray(trained["hidden_alignments"])
    gaps = []
    for index, time in enumerate(early):
        network, batch, _ = make(runs, index, 0, 0)
        predicted = theory.representational_geometry(network, batch, jnp.array([0.0, time]))
        pair = np.array([predicted.target_alignment[-1], predicted.input_alignment[-1]])
        gaps.append(np.abs(aligned[index, 0, 0, np.argmin(np.abs(ts - time))] - pair).max())
    weights = trained.network.weights[0]
    drive = jnp.einsum("slzhi,sni->slznh", weights, x)
    hidden = ACTIVATIONS[name](drive)
    flat = hidden.reshape(-1, *hidden.shape[3:])
    parallel = jax.vmap(lambda each: analyse.parallelism_score(each, CONDITIONS)[0])(flat)
    decoded = jax.vmap(lambda each: analyse.cross_condition_generalization(each, CONDITIONS, config.noise)[0])(flat)
    dims = ("share", "start", "scale")
    # Units that have grown, by the size of their weights.
    norms = np.linalg.norm(np.asarray(weights), axis=-1)
    grown = norms > 0.1 * norms.max(axis=-1, keepdims=True)
    variables = {
        "target_alignment": (dims, aligned[..., -1, 0]),
        "input_alignment": (dims, aligned[..., -1, 1]),
        "parallelism": (dims, np.asarray(parallel).reshape(hidden.shape[:3])),
        "generalization": (dims, np.asarray(decoded).reshape(hidden.shape[:3])),
        "loss": (dims, np.asarray(trained["loss"])[..., -1]),
        "active": ((*dims, "condition", "unit"), np.asarray(drive > 0)),
        "grown": ((*dims, "unit"), grown),
    }
    return xr.Dataset(variables, {"share": list(config.shares), "scale": ["small", "large"]}), float(max(gaps))


def _regions(found: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """For every share: the mean number of regions of grown ReLU units, and the part of units whose region is own."""
    numbers, own = [], []
    for share in found.share.values:
        allowed = own_regions(inputs_of(float(share)), CONDITIONS[:, 0])
        each = found.sel(share=share, scale="small")
        counts, right = [], []
        for start in range(each.sizes["start"]):
            one = each.isel(start=start)
            regions = [tuple(bool(v) for v in row) for row in one.active.values.T[one.grown.values]]
            counts.append(len(set(regions)))
            right += [region in allowed for region in regions]
        numbers.append(np.mean(counts))
        own.append(np.mean(right))
    return np.array(numbers), np.array(own)


@cite("alleman2024task", "bernardi2020geometry")
def task_structure_geometry(
    config: TaskStructureGeometry, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    r"""One hidden layer learns one of three binary variables from inputs with all products of them.

    With $P = 8$ conditions and the share $s$ of the target in the variance of the inputs, two conditions of one class
    have the inner product $7 (s - (1 - s) / 3)$. Below $s = 1/4$ it is negative, so that a ReLU unit which is active on
    some conditions of a class is not driven to be active on the others: their inputs stay apart. Above, only the whole
    class asks for itself.
    """
    found, gaps = {}, {}
    for index, name in enumerate(ACTIVATIONS):
        progress(f"networks of {name} units")
        found[name], gaps[name] = _train(config, name, jr.fold_in(key, index))
    shares = np.array(config.shares)
    between = np.array([analyse.centred_kernel_alignment(jnp.asarray(inputs_of(share)), jnp.asarray(CONDITIONS[:, :1]))
                        for share in shares])  # fmt: skip
    few, many = shares <= 0.15, shares > 0.25
    small, large = ({name: each.sel(scale=scale).median("start") for name, each in found.items()}
                    for scale in ("small", "large"))  # fmt: skip
    numbers, own = _regions(found["relu"])
    tanh, relu = small["tanh"], small["relu"]
    kept = relu.input_alignment.values - tanh.input_alignment.values
    lead = large["relu"].input_alignment - large["tanh"].input_alignment
    claims = (
        Claim("Networks have learned the task from small weights (largest loss)", 0.0,
              max(float(each.sel(scale="small").loss.max()) for each in found.values()), 1e-3, "at most"),
        Claim("The first geometry of tanh units is the predicted one (largest gap of their alignments with targets and "
              "with inputs)", 0.0, gaps["tanh"], 0.02, "at most"),
        Claim("... and that of ReLU units is theirs", 0.0, gaps["relu"], 0.02, "at most"),
        Claim("Tanh units end as the targets, whatever the inputs are (smallest median alignment)", 1.0,
              float(tanh.target_alignment.min()), 0.01),
        Claim("... and keep nothing else of the inputs (largest gap of their alignment with the inputs from that of "
              "the targets)", 0.0, float(np.max(np.abs(tanh.input_alignment - between))), 0.01, "at most"),
        Claim("ReLU units keep the inputs where little of these is the target's (smallest lead over tanh in alignment "
              "with the inputs, shares up to 0.15)", 0.2, float(np.min(kept[few])), 0.0, "at least"),
        Claim("... and are that much less like the targets (largest alignment at these shares)", 0.95,
              float(np.max(relu.target_alignment.values[few])), 0.0, "at most"),
        Claim("Above the share of a quarter, where only a whole class asks for itself, ReLU units are like the targets "
              "too (smallest alignment)", 1.0, float(np.min(relu.target_alignment.values[many])), 0.02, control=True),
        Claim("... as all of them are active on one class or the other (largest number of regions)", 2.0,
              float(np.max(numbers[many])), 0.0),
        Claim("Below they are in more regions (smallest mean number, shares up to 0.15)", 4.0,
              float(np.min(numbers[few])), 0.0, "at least"),
        Claim("... which are those that ask for themselves, by enumeration: 30 of 255 below a quarter, 2 above "
              "(smallest part of the units, all shares)", 0.9, float(np.min(own)), 0.0, "at least"),
        Claim("Tanh units code the target in parallel (smallest parallelism score)", 1.0,
              float(tanh.parallelism.min()), 0.01),
        Claim("... ReLU units do not where little of the inputs is the target's (largest score, shares up to 0.15)",
              0.8, float(np.max(relu.parallelism.values[few])), 0.0, "at most"),
        Claim("... so that a decoder carries over less well to conditions that it was not trained on (smallest lead of "
              "tanh in correct answers, at the smallest share)", 0.1,
              float(tanh.generalization[0] - relu.generalization[0]), 0.0, "at least"),
        Claim("From large weights tanh units do not end as the targets (largest lead of their alignment over that "
              "of the inputs)", 0.1, float(np.max(large["tanh"].target_alignment - between)), 0.0, "at most",
              control=True),
        Claim("... and ReLU units keep no more of the inputs than they do (largest lead in alignment with the inputs)",
              0.0, float(lead.max()), 0.02, "at most", control=True),
    )  # fmt: skip
    figure = draw(
        "geometry",
        "Alignment of hidden units with the targets (left) and with the inputs (middle), and how parallel they code "
        "the target (right), against the alignment of inputs and targets: medians, bands from the least to the "
        "largest; dashed: from large weights; grey: the inputs themselves. The vertical line is the share of a "
        "quarter.",
        lambda canvas: _plot(canvas, found, between),
        height=3.0,
    )
    datasets = {name: each.drop_vars(["active", "grown"]) for name, each in found.items()}
    return Findings(claims, (figure,), datasets)


def _plot(canvas: Canvas, found: dict[str, xr.Dataset], between: np.ndarray) -> None:
    panels = canvas.subplots(1, 3)
    quarter = 0.25 / np.sqrt(0.25**2 + 0.75**2 / 6)
    kinds = (("target_alignment", "alignment with targets"), ("input_alignment", "alignment with inputs"),
             ("parallelism", "parallelism score"))  # fmt: skip
    for panel, (name, label) in zip(panels, kinds, strict=True):
        for index, (activation, each) in enumerate(found.items()):
            values = each[name].sel(scale="small")
            panel.plot(between, values.median("start"), "o-", color=COLOURS[index], markersize=3, label=activation)
            panel.fill_between(between, values.min("start"), values.max("start"), color=COLOURS[index], alpha=0.2)
            panel.plot(between, each[name].sel(scale="large").median("start"), "--", color=COLOURS[index], linewidth=1)
        panel.axvline(quarter, color="0.7", linewidth=1)
        panel.set(xlabel="input-target alignment", ylabel=label)
    panels[0].plot(between, between, color="0.6", linewidth=1)
    panels[0].legend(loc="lower right")
