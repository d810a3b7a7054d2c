"""Neural collapse by decay: free features under a linear head, and a ReLU backbone on digits."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Dang2023Collapse
from ._dang2023_collapse_figure import figure_of
from ._study import Claim, Findings, silent

#: Examples, and the part of them below which the smallest of the classes is to be given up.
TOTAL, PART = 60.0, 1 / 8

#: Class sizes over free features (all of them survive), as (name, parts of all examples, whether with a bias).
SETTINGS = (
    ("equal", (1 / 3, 1 / 3, 1 / 3), False),
    ("unequal", (0.5, 0.3, 0.2), False),
    ("equal, bias", (1 / 3, 1 / 3, 1 / 3), True),
    ("unequal, bias", (0.5, 0.3, 0.2), True),
)

#: Rows of features of each class over free features; each stands for a part of the examples.
ROWS = 2

#: How much every digit of a class counts: six classes, two and two. The last are so small that no state with them is a
#: minimum, not even a local one.
DIGITS = np.repeat([1.3, 0.9, 0.03], [6, 2, 2])

#: Digits are learned so, as (name, whether classes are unequal, whether there is decay).
RUNS = (("equal", False, True), ("unequal", True, True), ("no decay", False, False))


def weight_decay(depth: int) -> float:
    """The decay of each matrix at which classes of `PART` of all examples are given up, for $N \\lambda_H = 1$."""
    return PART * theory.collapse_threshold(depth) / depth


def numpy_means(features: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean features of each class."""
    return (y.T @ features) / np.sum(y, axis=0)[:, None]


def numpy_variability(features: np.ndarray, y: np.ndarray, middle: Callable = np.mean) -> float:
    """The mean squared distance of features from the mean of their class, over that of these means from their own."""
    means = numpy_means(features, y)
    apart = middle(np.sum((features - y @ means) ** 2, axis=1))
    return float(apart / np.mean(np.sum((means - np.mean(means, axis=0)) ** 2, axis=1)))


def frame_gap(matrix: np.ndarray, target: np.ndarray) -> float:
    """How far two matrices are apart, each at a norm of 1."""
    return float(np.linalg.norm(matrix / np.linalg.norm(matrix) - target / np.linalg.norm(target)))


def product_of(weights: list[np.ndarray]) -> np.ndarray:
    """The product of all matrices, the first of which acts first."""
    product = weights[0]
    for weight in weights[1:]:
        product = weight @ product
    return product


@eqx.filter_jit
def _solve(counts: Array, decay: Any, feature_decay: Any, depth: int, bias: bool) -> Any:
    """The predicted minima for many class sizes at once."""

    def one(counts: Array) -> Any:
        task = tasks.DecayedClasses(jnp.eye(counts.shape[0]), decay, feature_decay, weight=counts)
        return theory.collapse_solution(task, depth, bias=bias)

    return jax.vmap(one)(counts)


def _minimiser(solution: Any, index: int, y: np.ndarray, width: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Features and matrices of a predicted minimum in random rotation."""
    values = np.asarray(solution.weight_singular_values)[index]
    depth, num = values.shape
    frames = [np.linalg.qr(rng.normal(size=(width, num)))[0] for _ in range(depth)]
    frames.append(np.asarray(solution.left)[index])
    means = (np.asarray(solution.right)[index] * np.asarray(solution.feature_singular_values)[index]) @ frames[0].T
    features = y @ (means / np.sqrt(np.asarray(solution.counts)[index])[:, None])
    return [features, *[(frames[j + 1] * values[j]) @ frames[j].T for j in range(depth)]]


def _members(config: Dang2023Collapse, depth: int, y: np.ndarray, rng: np.random.Generator) -> tuple[list[dict], Any]:
    """What is trained at one depth: settings from random weights, sizes of a minority from with and without it."""
    width, decay = config.width, weight_decay(depth)
    shapes = [(ROWS * 3, width), *[(width, width)] * (depth - 1), (3, width)]
    members = []
    for setting, (_, parts, bias) in enumerate(SETTINGS):
        for seed in range(config.seeds):
            start = [1.5 * rng.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes]
            members.append({"kind": "setting", "place": (setting, seed), "start": start, "parts": parts, "bias": bias})
    start = [1.5 * rng.normal(size=shape) / np.sqrt(shape[1]) for shape in shapes]
    parts = SETTINGS[0][1]
    members.append({"kind": "no decay", "place": (), "start": start, "parts": parts, "bias": False, "decay": 0.0})
    sizes = np.linspace(0.5, 1.5, config.sizes)
    ends = _solve(jnp.asarray(TOTAL * _with_minority(np.array([2.0, 0.3]))), decay, 1 / TOTAL, depth, False)
    for size, parts in zip(sizes, _with_minority(sizes)):
        for begins in (0, 1):
            start = [p + 0.01 * rng.normal(size=p.shape) for p in _minimiser(ends, begins, y, width, rng)]
            place = (int(np.searchsorted(sizes, size)), begins)
            members.append({"kind": "minority", "place": place, "start": start, "parts": parts, "bias": False})
    start = [p + 0.01 * rng.normal(size=p.shape) for p in _minimiser(ends, 0, y, width, rng)]
    parts = _with_minority(sizes[:1])[0]
    members.append({"kind": "weak decay", "place": (), "start": start, "parts": parts, "bias": False, "decay": 0.25})
    return members, sizes


def _with_minority(sizes: np.ndarray) -> np.ndarray:
    """The parts of three classes, the last of which has a size in units of the predicted smallest one."""
    last = PART * sizes
    return np.stack([0.6 * (1 - last), 0.4 * (1 - last), last], axis=1)


def _train_free(config: Dang2023Collapse, depth: int, rng: np.random.Generator, key: PRNGKey) -> dict[str, Any]:
    """All settings of one depth in one program: the ends of training, and the predicted minima."""
    y = np.repeat(np.eye(3), ROWS, axis=0)
    members, sizes = _members(config, depth, y, rng)
    starts = [jnp.asarray(np.stack(leaf)) for leaf in zip(*[m["start"] for m in members])]
    counts = TOTAL * np.array([m["parts"] for m in members])
    factors, biased = (jnp.asarray([float(m.get(n, d)) for m in members]) for n, d in (("decay", 1), ("bias", 0)))
    shares, targets, decay = jnp.asarray(counts) / ROWS, jnp.asarray(y), weight_decay(depth)

    def make(key: PRNGKey, member: Any) -> tuple:
        features, *weights = (start[member] for start in starts)
        network = nn.UnconstrainedFeatures(features, nn.DeepLinear(tuple(weights)), jnp.zeros(3))
        task = tasks.DecayedClasses(
            targets, decay * factors[member], factors[member] / TOTAL, weight=targets @ shares[member]
        )
        # A bias that does not move is none.
        rates = eqx.tree_at(lambda n: (n.features, n.head, n.bias), network, (1.0, 1.0, biased[member]))
        return network, task, learn.GradientFlow(rtol=1e-7, atol=1e-10, rates=rates)

    ts = jnp.array([0.0, config.duration])
    trained = learn.ensemble(make, ts, {"member": np.arange(len(members))}, key=key)
    network, loss = trained.network, np.asarray(trained["loss"])[:, -1]
    features, weights = np.asarray(network.features), [np.asarray(w) for w in network.head.weights]
    plain, bias = (_solve(jnp.asarray(counts), decay, 1 / TOTAL, depth, b) for b in (False, True))
    choose = np.asarray(biased) > 0

    def predicted(name: str) -> np.ndarray:
        first, second = (np.asarray(jax.vmap(lambda s: getattr(s, name))(s)) for s in (plain, bias))
        return np.where(choose.reshape(-1, *[1] * (first.ndim - 1)), second, first)

    means = np.stack([numpy_means(f, y) for f in features])
    heads = np.stack([product_of([w[i] for w in weights]) for i in range(len(members))])
    found = {
        "loss": loss,
        "gram": means @ np.swapaxes(means, 1, 2),
        "head": heads @ np.swapaxes(heads, 1, 2),
        "variability": np.array([numpy_variability(f, y) for f in features]),
        **{f"predicted_{n}": predicted(v)
           for n, v in (("loss", "loss"), ("gram", "feature_gram"), ("head", "classifier_gram"))},
    }  # fmt: skip
    return {"members": members, "sizes": sizes, **found}


def _settings_of(free: list[dict[str, Any]], config: Dang2023Collapse) -> xr.Dataset:
    """The settings from random weights, of each the seed of the least loss: depth and setting first."""
    names = ("loss", "gram", "head", "variability", "predicted_loss", "predicted_gram", "predicted_head")
    found: dict[str, list] = {name: [] for name in names}
    for one in free:
        rows: dict[str, list] = {name: [] for name in names}
        for setting in range(len(SETTINGS)):
            places = [i for i, m in enumerate(one["members"]) if m["kind"] == "setting" and m["place"][0] == setting]
            best = places[int(np.argmin(one["loss"][places]))]
            for name in names:
                rows[name].append(one[name][best])
        for name in names:
            found[name].append(np.stack(rows[name]))
    extra = {2: (), 4: ("class", "other")}
    variables = {n: (("depth", "setting", *extra[np.ndim(v)]), np.stack(v)) for n, v in found.items()}
    return xr.Dataset(variables, {"depth": list(config.depths), "setting": [name for name, _, _ in SETTINGS]})


def _minorities_of(free: list[dict[str, Any]], config: Dang2023Collapse) -> xr.Dataset:
    """The norm of the smallest class's features over its size, from with and without it."""
    shape = len(config.depths), config.sizes, 2
    norms, losses, least, predicted = (np.zeros(shape) for _ in range(4))
    for depth, one in enumerate(free):
        for index, member in enumerate(one["members"]):
            if member["kind"] == "minority":
                place = (depth, *member["place"])
                norms[place], losses[place] = np.sqrt(one["gram"][index, 2, 2]), one["loss"][index]
                least[place], predicted[place] = one["predicted_loss"][index], one["predicted_gram"][index, 2, 2]
    dims, begin = ("depth", "size", "begins"), {"begins": ["with it", "without it"]}
    others = {n: [float(np.sqrt(one["gram"][_only(one, n), 2, 2])) for one in free] for n in ("weak decay",)}
    still = [one["variability"][_only(one, "no decay")] for one in free]
    return xr.Dataset(
        {"norm": (dims, norms), "loss": (dims, losses), "predicted_loss": (dims[:2], least[..., 0]),
         "predicted_norm": (dims[:2], np.sqrt(predicted[..., 0])), "norm_weak_decay": ("depth", others["weak decay"]),
         "variability_no_decay": ("depth", still)},
        {"depth": list(config.depths), "size": free[0]["sizes"], **begin},
    )  # fmt: skip


def _only(one: dict[str, Any], kind: str) -> int:
    return next(index for index, member in enumerate(one["members"]) if member["kind"] == kind)


def _digits(config: Dang2023Collapse, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Digits of all classes in equal numbers, of a mean square of 1, and their classes."""
    from sklearn.datasets import load_digits

    loaded: Any = load_digits()
    order = [rng.permutation(np.flatnonzero(loaded.target == k))[: config.images] for k in range(10)]
    chosen = np.concatenate(order)
    x = loaded.data[chosen] - np.mean(loaded.data, axis=0)
    return x / np.sqrt(np.mean(x**2)), np.eye(10)[loaded.target[chosen]]


def _train_digits(config: Dang2023Collapse, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """A ReLU backbone with a linear head on digits of equal and unequal classes, and without decay."""
    x, y = _digits(config, rng)
    num, kind = len(y), jnp.float32
    decay, feature_decay = config.head_decay, config.feature_decay / num
    inputs, targets = jnp.asarray(x, kind), jnp.asarray(y, kind)
    factors = np.array([1.0 if decays else 0.0 for _, _, decays in RUNS])
    parts = np.stack([DIGITS / np.mean(DIGITS) if unequal else np.ones(10) for _, unequal, _ in RUNS])
    counts, weights = parts * num / 10, jnp.asarray(parts @ y.T, kind)
    scale = jnp.asarray(factors, kind)

    def make(key: PRNGKey, run: Any) -> tuple:
        first, last = jr.split(key)
        sizes = (x.shape[1], config.hidden, config.hidden, config.features)
        relu = nn.fan_in(np.sqrt(2))(nn.MLP, sizes, key=first, dtype=kind, activation=jax.nn.relu)
        head = nn.fan_in()(nn.DeepLinear, (*[config.features] * config.head, 10), key=last, dtype=kind)
        task = tasks.DecayedClasses(targets, decay * scale[run], feature_decay * scale[run], inputs, weights[run])
        network = nn.LinearHead(relu, head, None, jax.nn.relu)
        return network, task, learn.Descent(config.rate, transform=optax.scale_by_adam())

    steps = np.unique(np.round(np.geomspace(10, config.steps, 13)).astype(int))
    # One key: all runs begin at the same weights.
    axes = {"seed": 1, "run": np.arange(len(RUNS))}
    trained = learn.ensemble(make, config.rate * steps, axes, key=key, observe=[learn.NeuralCollapse()])
    network = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, trained.network)
    represent = eqx.filter_vmap(lambda net: jax.vmap(net.represent)(inputs))
    features = np.asarray(represent(network), float)
    heads = [np.asarray(weight, float) for weight in network.head.weights]
    solved = _solve(jnp.asarray(counts), decay, feature_decay, config.head, False)
    means = np.stack([numpy_means(f, y) for f in features])
    products = np.stack([product_of([w[i] for w in heads]) for i in range(len(RUNS))])
    alive = np.asarray(solved.active)
    kept = [y[:, a].any(axis=1) for a in alive]
    # Of the middle digit: the few that are still on their way when training stops say how long it was.
    variability = [numpy_variability(f[k], y[k][:, a], np.median) for f, k, a in zip(features, kept, alive)]
    grams = np.asarray(jax.vmap(lambda s: s.feature_gram)(solved))
    outputs = np.asarray(jax.vmap(lambda s: s.outputs)(solved))
    frames = [frame_gap(m @ m.T, g) for m, g in zip(means, grams)]
    duality = [frame_gap(m @ p.T, o) for m, p, o in zip(means, products, outputs)]
    dims = ("run", "class")
    return xr.Dataset(
        {
            "loss": (("run", "time"), np.asarray(trained["loss"], float)[0]),
            "collapse": (("run", "time", "measure"), np.asarray(trained["neural_collapse"], float)[0]),
            "predicted_loss": ("run", np.asarray(solved.loss)),
            "norm": (dims, np.linalg.norm(means, axis=2)),
            "predicted_norm": (dims, np.sqrt(np.einsum("rkk->rk", grams))),
            "variability": ("run", variability),
            "frame": ("run", frames),
            "duality": ("run", duality),
        },
        {"run": [name for name, _, _ in RUNS], "time": config.rate * steps, "measure": ["NC1", "NC2", "NC3", "NC4"]},
    )


def flips(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The sizes, in units of the predicted one, at which the smallest class is given up: at the least loss that was
    found, and by training that begins with it."""
    size, norm, loss = data["size"].values, data["norm"].values, data["loss"].values
    # Beyond a continuous transition what is given up still decays.
    there = norm**2 > 0.02 * norm[:, -1:, :1] ** 2
    best = np.take_along_axis(there, np.argmin(loss, axis=2)[..., None], axis=2)[..., 0]
    found = []
    for kept in (best, there[..., 0]):
        last = np.array([int(np.max(np.flatnonzero(~row), initial=0)) for row in kept])
        found.append((size[last] + size[np.minimum(last + 1, len(size) - 1)]) / 2)
    return found[0], found[1]


def _claims(settings: xr.Dataset, minority: xr.Dataset, digits: xr.Dataset) -> tuple[Claim, ...]:
    def relative(name: str) -> float:
        found, predicted = settings[name].values, settings[f"predicted_{name}"].values
        scale = np.max(np.abs(predicted), axis=tuple(range(2, predicted.ndim)), keepdims=True)
        return float(np.max(np.abs(found - predicted) / scale))

    depths, size = minority["depth"].values, minority["size"].values
    half = float(size[1] - size[0]) / 2
    given_up, kept_until = flips(minority)
    spinodal = np.array([theory.collapse_threshold(int(m)) / theory.collapse_spinodal(int(m)) for m in depths])
    gap = np.abs(minority["loss"] - minority["predicted_loss"]).values[:, size > 1.2].min(axis=2)
    grams = settings["gram"].values
    with_bias = frame_gap(grams[-1, 2], np.eye(3))
    heads = settings["head"].values[:, 1]
    loss, least = digits["loss"].values[:, -1], digits["predicted_loss"].values
    norms, predicted = digits["norm"].values[1], digits["predicted_norm"].values[1]
    gone = predicted == 0
    ratio = float(digits["variability"].values[2] / digits["variability"].values[0])
    return (
        # Flows end at relative errors of e^-20 or so, but for the slowest directions of a continuous transition.
        Claim("Free features: training ends at the predicted loss for equal and unequal classes, with and without a "
              "bias (largest relative gap)", 0.0, relative("loss"), 1e-5, "at most"),
        Claim("... at the predicted lengths and angles of class means (largest gap of their Gram matrix, relative to "
              "its largest entry)", 0.0, relative("gram"), 1e-3, "at most"),
        Claim("... and of the classifier", 0.0, relative("head"), 1e-3, "at most"),
        Claim("... with the features of a class all the same (largest variability within over that between)", 0.0,
              float(settings["variability"].max()), 1e-6, "at most"),
        Claim("Without decay features of a class stay apart (least variability)", 0.01,
              float(minority["variability_no_decay"].min()), 0.0, "at least", control=True),
        Claim("With a bias the frame is the simplex: its distance from the orthogonal one, which bias-free training "
              "reaches, is sqrt(2 - 2 sqrt(2/3))", float(np.sqrt(2 - 2 * np.sqrt(2 / 3))), with_bias, 1e-3,
              control=True),
        Claim("Small classes have the shorter classifier (largest ratio of squares, smallest over largest class)", 1.0,
              float(np.max(heads[:, 2, 2] / heads[:, 0, 0])), 0.0, "at most"),
        # Sizes are tried on a grid, of which the predicted one lies in the middle between two.
        *(Claim(f"{depth} matrices: at the least loss found, the class is given up at the predicted size (in units of "
                "it)", 1.0, float(found), half) for depth, found in zip(depths, given_up)),
        Claim("... and where it survives, the least loss found is the predicted one (largest gap)", 0.0,
              float(np.max(gap)), 1e-5, "at most"),
        # A step of the grid to either side: just beyond the edge training lingers where the minimum was.
        *(Claim(f"{depth} matrices: training that begins with the class loses it only at the predicted smaller size",
                float(edge), float(found), 2 * half)
          for depth, found, edge in zip(depths[1:], kept_until[1:], spinodal[1:])),
        Claim("With a quarter of the decay a class of half that size is kept (its least norm, over that of one and a "
              "half)", 0.5, float(np.min(minority["norm_weak_decay"] / minority["norm"][:, -1, 0])), 0.0, "at least",
              control=True),
        # A backbone cannot do better than free features; float32 and the last steps of Adam leave a little.
        Claim("ReLU layers with a linear head on digits end at the loss of free features (larger of the relative gaps, "
              "equal and unequal classes)", 0.0, float(np.max(loss[:2] / least[:2] - 1)), 0.05, "at most"),
        Claim("... and not below it (smaller of the gaps)", 0.0, float(np.min(loss[:2] / least[:2] - 1)), 1e-3,
              "at least"),
        Claim("... with class means near the predicted frame (larger distance, 0 to 2)", 0.0,
              float(digits["frame"].values[:2].max()), 0.15, "at most"),
        Claim("... the classifier near theirs", 0.0, float(digits["duality"].values[:2].max()), 0.15, "at most"),
        Claim("... and little variability within classes that survive (of the median digit, larger of the two, over "
              "that between)", 0.0, float(digits["variability"].values[:2].max()), 0.01, "at most"),
        Claim("The classes of digits that are predicted to be given up have no features (largest norm over the largest "
              "of all)", 0.0, float(np.max(norms[gone]) / np.max(norms)), 0.1, "at most"),
        Claim("... and the others the predicted norms (median relative gap)", 0.0,
              float(np.median(np.abs(norms[~gone] / predicted[~gone] - 1))), 0.05, "at most"),
        Claim("Without decay the same layers fit the digits without the frame (distance)", 0.3,
              float(digits["frame"].values[2]), 0.0, "at least", control=True),
        Claim("... and with more variability within classes (ratio to that with decay)", 10.0, ratio, 0.0, "at least",
              control=True),
    )  # fmt: skip


@cite("dang2023neural", "papyan2020prevalence")
def dang2023_collapse(config: Dang2023Collapse, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Decay collapses classifiers with a linear head to a frame that class sizes predict, and gives small classes up.

    Free features under heads of several depths, from random weights and around the size at which a class is given up;
    then ReLU layers under a head of three matrices on scikit-learn's digits, with decay on the features and the head.
    Digits of unequal classes are the same digits, counted differently.
    """
    rng = np.random.default_rng(np.asarray(jr.key_data(key)))
    free = []
    for index, depth in enumerate(config.depths):
        progress(f"training free features under {depth} matrices")
        free.append(_train_free(config, depth, rng, jr.fold_in(key, index)))
    progress("training ReLU layers on digits")
    digits = _train_digits(config, rng, jr.fold_in(key, 100))
    settings, minority = _settings_of(free, config), _minorities_of(free, config)
    figure = figure_of(minority, digits)
    datasets = {"settings": settings, "minority": minority, "digits": digits}
    return Findings(_claims(settings, minority, digits), (figure,), datasets)
