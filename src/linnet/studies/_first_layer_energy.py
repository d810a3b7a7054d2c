"""What the first layer of a convolutional network learns from photographs, with true and with random labels."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import FirstLayerEnergy
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent

#: What is learned from: which photograph a crop is of, labels drawn at random, and noise instead of crops.
KINDS = ("true labels", "random labels", "white images")

#: Classes of random labels, so that chance averages out; linear networks learn the first two of them.
CLASSES = 8

#: Random labels over which profiles of linear networks are averaged.
DRAWS = 400

#: Members that are prepared at once. JAX spreads decompositions with an axis of members over the threads that also wait
#: for them, and two such at a time have been seen to wait for each other for ever on two cores.
ONE = 1

#: Recordings of the linear networks, the first at this part of the time.
TIMES, EARLY = 25, 0.01

#: Those that are shown, and compared over many labels.
SHOWN = [4, 12, 24]


def crops(rng: np.random.Generator, num: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Square crops of scikit-learn's two photographs in grey and at half the resolution, and which one each is of.

    The mean of every crop and of every pixel is taken out; the mean variance is 1.
    """
    from sklearn.datasets import load_sample_images

    photographs: Any = load_sample_images()
    found, labels = [], np.arange(num) % len(photographs.images)
    for label in labels:
        grey = np.asarray(photographs.images[label], float).mean(-1)
        rows, columns = grey.shape[0] // 2, grey.shape[1] // 2
        grey = grey[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean((1, 3))
        top, left = rng.integers(0, rows - side + 1), rng.integers(0, columns - side + 1)
        found.append(grey[top : top + side, left : left + side].ravel())
    return standardised(np.array(found)), labels


def standardised(images: np.ndarray) -> np.ndarray:
    """Without the mean of each image and of each pixel, at a mean variance of 1."""
    images = images - images.mean(1, keepdims=True)
    images = images - images.mean(0)
    return images / images.std()


def components_of(images: np.ndarray, side: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Variances and principal components of all patches, the largest first, from the patches themselves."""
    windows = np.lib.stride_tricks.sliding_window_view(images.reshape(-1, side, side), (size, size), axis=(1, 2))
    patches = windows.reshape(-1, size * size)
    variances, components = np.linalg.eigh(patches.T @ patches / len(patches))
    return variances[::-1], components[:, ::-1]


def paper_profile(variances: np.ndarray, clock: float) -> np.ndarray:
    """The paper's profile, the root of the energy, (1 - e^(-v t)) / sqrt(v); 1 / sqrt(v) at infinity."""
    return -np.expm1(-variances * clock) / np.sqrt(variances)


def best_fit(profile: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """The largest correlation of a root energy profile with the paper's over all times, and the time."""
    clocks = [*np.geomspace(1e-2 / variances[0], 1e3 / variances[-1], 80), np.inf]
    found = [np.corrcoef(profile, paper_profile(variances, clock))[0, 1] for clock in clocks]
    return float(np.max(found)), float(clocks[int(np.argmax(found))])


def root_energy(filters: np.ndarray, components: np.ndarray) -> np.ndarray:
    """The root of the energy of filters `"... channel tap"` along components."""
    return np.sqrt(np.sum((filters @ components) ** 2, axis=-2))


def spread_of_passed(energy: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """How unequal is what filters pass on along components, e v: the standard deviation of its logarithm."""
    return np.std(np.log(energy * variances), axis=-1)


def mean_energy(
    images: np.ndarray, readout: np.ndarray, pixels: np.ndarray, components: np.ndarray, t: float, labels: np.ndarray
) -> np.ndarray:
    """The energy of linear filters from zero at a time, the mean over labels, by the kernel of the filters' features.

    Args:
        images: `"image pixel"`.
        readout: output weights of one output, `"channel place"`, which stay.
        pixels: what a filter reads, `"place tap"`.
        components: `"tap component"`.
        t: the learning time.
        labels: `"image draw"`.
    """
    num, channels = len(images), len(readout)
    features = np.einsum("cj,njd->ncd", readout, images[:, pixels] @ components).reshape(num, -1)
    values, vectors = np.linalg.eigh(features @ features.T / num)
    values = np.maximum(values, 1e-12 * values[-1])
    weights = vectors @ ((-np.expm1(-values * t) / values)[:, None] * (vectors.T @ labels)) / num
    filters = (features.T @ weights).reshape(channels, components.shape[1], -1)
    return np.mean(np.sum(filters**2, axis=0), axis=-1)


def _data(config: FirstLayerEnergy, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images `"problem kind image pixel"` and centred one-hot labels of all kinds (true ones use two classes)."""
    images, labels = [], []
    for _ in range(config.seeds):
        shown, true = crops(rng, config.images, config.side)
        white = standardised(rng.normal(size=shown.shape))
        drawn = rng.integers(0, CLASSES, config.images)
        images.append([shown, shown, white])
        labels.append([true, drawn, drawn])
    targets = np.eye(CLASSES)[np.array(labels)]
    return np.array(images), targets - targets.mean(2, keepdims=True)


def _linear(config: FirstLayerEnergy, images: np.ndarray, labels: np.ndarray, key: PRNGKey) -> xr.Dataset:
    """Linear networks from photographs whose output weights stay, even and random: profiles trained and predicted."""
    places = config.side - config.size + 1
    side = (config.side, config.side)
    shape = (2, config.channels, places, places)
    x, y = jnp.asarray(images), jnp.asarray(labels[..., :2])
    variances, _ = components_of(images[0, 0], config.side, config.size)
    ts = config.duration / variances[0] * np.concatenate([[0.0], np.geomspace(EARLY, 1, TIMES - 1)])

    def parts(key: PRNGKey, problem: Any, kind: Any, even: Any) -> tuple[nn.LinearCNN, Any]:
        first, second = jr.split(jr.fold_in(key, problem))
        drawn = jr.normal(second, (config.channels, 2 * places**2)) / jnp.sqrt(config.channels)
        # Orthogonal columns are even output weights: filters then see every output and place alike.
        readout = jnp.where(even == 1, jnp.linalg.qr(drawn)[0], drawn).T
        readout = jnp.moveaxis(readout.reshape(2, places, places, config.channels), -1, 1).reshape(shape)
        filters = 0.01 * jr.normal(first, (config.channels, config.size, config.size))
        network = nn.LinearCNN(filters, readout, circular=False)
        return network, tasks.Batch(x[problem, kind], y[problem, kind]).moments()

    def rule(network: nn.LinearCNN) -> learn.GradientFlow:
        rates = eqx.tree_at(lambda net: (net.filters, net.output_weights), network, (1.0, 0.0))
        return learn.GradientFlow(rates=rates)

    def make(_: PRNGKey, **values: Any) -> tuple:
        network, moments = parts(key, **values)
        return network, moments, rule(network)

    axes = {"problem": np.arange(config.seeds), "kind": np.arange(2), "even": np.arange(2)}
    trained = learn.ensemble(make, ts, axes, key=key, observe=[learn.EnergyProfile()], members_per_chunk=ONE)

    @eqx.filter_jit
    def predict(ts: Array, *values: Array) -> tuple[Array, Array]:
        def one(problem: Any, kind: Any, even: Any) -> tuple[Array, Array]:
            network, moments = parts(key, problem, kind, even)
            solved = theory.FirstLayerEnergy().solve(network, moments, ts)["energy_profile"]
            power = jnp.sum(network.output_weights**2) / (2 * places**2)
            xx: Any = moments.xx
            mean = jax.vmap(lambda t: theory.energy_from_images(xx, side, (config.size, config.size), power * t))(ts)
            return solved, mean

        grid = jnp.stack([place.ravel() for place in jnp.meshgrid(*values, indexing="ij")], axis=1)
        shape = tuple(len(value) for value in values)
        found = jax.lax.map(lambda place: one(*place), grid)
        return tuple(part.reshape(*shape, *part.shape[1:]) for part in found)  # pyright: ignore[reportReturnType]

    predicted, mean = map(np.asarray, predict(jnp.asarray(ts), *map(jnp.asarray, axes.values())))
    readout = np.asarray(parts(key, 0, 1, 1)[0].output_weights)[0].reshape(config.channels, -1)
    pixels = np.arange(config.side**2).reshape(side)
    pixels = np.lib.stride_tricks.sliding_window_view(pixels, (config.size, config.size)).reshape(places**2, -1)
    components = components_of(images[0, 1], config.side, config.size)[1]
    draws = np.random.default_rng(np.asarray(jr.key_data(key))).normal(size=(config.images, DRAWS))
    drawn = [mean_energy(images[0, 1], readout, pixels, components, float(t), draws) for t in ts[SHOWN]]
    power = np.sum(readout**2) / places**2 * config.images
    dims = ("problem", "kind", "even", "time", "component")
    return xr.Dataset(
        {"trained": (dims, np.asarray(trained["energy_profile"])), "predicted": (dims, predicted),
         "mean_over_labels": (("shown", "component"), mean[0, 1, 1, SHOWN] / power),
         "drawn": (("shown", "component"), np.array(drawn))},
        {"time": ts, "kind": list(KINDS[:2])},
    )  # fmt: skip


def _nonlinear(config: FirstLayerEnergy, images: np.ndarray, labels: np.ndarray, key: PRNGKey) -> xr.Dataset:
    """ReLU networks of two convolutional layers: root energy of the change of their first filters, and of the first."""
    x, y = jnp.asarray(images, jnp.float32), jnp.asarray(labels, jnp.float32)
    space, size = (config.side, config.side), (config.size, config.size)

    def make(_: PRNGKey, problem: Any, kind: Any) -> tuple:
        settings: Any = {"dtype": jnp.float32, "key": jr.fold_in(key, problem)}
        network = nn.CNN(space, config.nonlinear, size, CLASSES, jax.nn.relu, **settings)
        return network, tasks.Batch(x[problem, kind], y[problem, kind]), learn.Descent(config.learning_rate)

    axes = {"problem": np.arange(config.seeds), "kind": np.arange(len(KINDS))}
    ts = jnp.asarray([0.0, config.learning_rate * config.steps], jnp.float32)
    trained = learn.ensemble(make, ts, axes, key=key, members_per_chunk=ONE)
    taps = config.size**2
    last = np.asarray(trained.network.filters[0], float).reshape(config.seeds, len(KINDS), -1, taps)
    first = np.stack([np.asarray(make(key, p, 0)[0].filters[0], float).reshape(-1, taps) for p in range(config.seeds)])
    profiles, variances = [], []
    for problem in range(config.seeds):
        # White images have no components of their own: theirs are those of the photographs.
        variance, components = components_of(images[problem, 0], config.side, config.size)
        changes = root_energy(last[problem] - first[problem], components)
        profiles.append(np.concatenate([changes, root_energy(first[problem], components)[None]]))
        variances.append(variance)
    dims = ("problem", "filters", "component")
    return xr.Dataset(
        {"profile": (dims, np.array(profiles)), "variances": (("problem", "component"), np.array(variances)),
         "loss": (("problem", "kind", "when"), np.asarray(trained["loss"]))},
        {"filters": [*KINDS, "before learning"]},
    )  # fmt: skip


@cite("chowers2023what")
def first_layer_energy(config: FirstLayerEnergy, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """The first layer of convolutional networks becomes what second moments of image patches say, whatever the labels.

    Images are crops of the two photographs that come with scikit-learn, labels which of the two a crop is of, or random
    ones. As in the paper the profile of a network is the root of the energy of the change of its filters along the
    components of patches, and the learning time of the linear formula that it is held against is fitted; so it is for
    the filters before learning.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    images, labels = _data(config, rng)
    first, second = jr.split(key)
    progress("linear networks")
    linear = _linear(config, images, labels, first)
    progress("ReLU networks")
    nonlinear = _nonlinear(config, images, labels, second)

    trained, predicted = linear.trained.values, linear.predicted.values
    largest = predicted.max((-2, -1), keepdims=True)
    gap = np.max(np.abs(trained - predicted) / largest, axis=(-2, -1))
    roots = np.sqrt(trained[:, :, :, 1:]), np.sqrt(predicted[:, :, :, 1:])

    def correlations(some: np.ndarray, others: np.ndarray) -> np.ndarray:
        pairs = zip(some.reshape(-1, some.shape[-1]), others.reshape(-1, others.shape[-1]), strict=True)
        return np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs])

    rough = correlations(roots[0][:, :, 0], roots[1][:, :, 0])
    drawn = float(np.max(np.abs(linear.drawn / linear.mean_over_labels - 1).values))
    variances = nonlinear.variances.values
    spreads = spread_of_passed(trained[:, 1, 1, 1:], variances[:, None])
    whitened = float(np.max(spreads[:, -1] / spreads[:, 0]))
    profile = nonlinear.profile.values
    fits = np.array([[best_fit(p, v)[0] for p in row] for row, v in zip(profile, variances, strict=True)])
    alike = correlations(profile[:, 0], profile[:, 1])
    uneven = profile.std(-1) / profile.mean(-1)
    claims = (
        Claim("Linear networks, even output weights: the energy profile of the filters is that of the formula, with "
              "true and with random labels (largest gap, relative to the largest energy)", 0.0,
              float(gap[..., 1].max()), 1e-4, "at most"),
        Claim(f"... and nearly so for random output weights of {config.channels} channels (mean correlation of "
              "profiles)", 0.9, float(rough.mean()), 0.0, "at least"),
        Claim(f"The mean over {DRAWS} random labels is the formula in the second moments of images (largest relative "
              "gap of an energy)", 0.0, drawn, 0.25, "at most"),
        Claim("Filters go towards whitening: what they pass on becomes more equal over components (largest ratio of "
              "the spread of its logarithm, late to early)", 0.7, whitened, 0.0, "at most"),
        Claim("ReLU networks, true labels: the first layer has the profile of the linear formula in the second moments "
              "of patches (smallest correlation)", 0.8, float(fits[:, 0].min()), 0.0, "at least"),
        Claim("... and with random labels", 0.8, float(fits[:, 1].min()), 0.0, "at least"),
        Claim("... where that of filters before learning is far from it (mean correlation after learning less that "
              "before)", 0.3, float(fits[:, :2].mean() - fits[:, 3].mean()), 0.0, "at least", control=True),
        Claim("True and random labels lead to one profile (smallest correlation)", 0.7, float(alike.min()), 0.0,
              "at least"),
        Claim("White images instead of photographs: the profile is not that of photographs (largest correlation)", 0.6,
              float(fits[:, 2].max()), 0.0, "at most", control=True),
        Claim("... but flat (its relative spread over components, in units of that of photographs with as random "
              "labels, largest)", 0.6, float(np.max(uneven[:, 2] / uneven[:, 1])), 0.0, "at most", control=True),
    )  # fmt: skip
    figure = draw(
        "energy",
        "Left: energy profiles of the filters of a linear network with random labels at three times; lines are the "
        "formula, dots training. Middle: profiles of the first layers of ReLU networks and the paper's formula in the "
        "variances of patches (lines). Right: correlation of such profiles with the formula.",
        lambda canvas: _plot(canvas, linear, nonlinear, fits),
        height=3.0,
    )
    return Findings(claims, (figure,), {"linear": linear, "nonlinear": nonlinear})


def _plot(canvas: Canvas, linear: xr.Dataset, nonlinear: xr.Dataset, fits: np.ndarray) -> None:
    left, middle, right = canvas.subplots(1, 3)
    shown = linear.isel(problem=0, kind=1, even=1)
    number = np.arange(1, linear.sizes["component"] + 1)
    for place, colour in zip(SHOWN, COLOURS, strict=False):
        scale = float(shown.predicted[place].max())
        left.plot(number, shown.predicted[place] / scale, color=colour, label=f"t = {float(shown.time[place]):.2g}")
        left.plot(number, shown.trained[place] / scale, "o", color=colour, markersize=3)
    left.set(xlabel="component", ylabel="energy, relative", title="linear, random labels", yscale="log")
    left.legend(loc="best")
    variances = nonlinear.variances.values[0]
    for index, colour in zip((0, 1, 3), COLOURS, strict=False):
        profile = nonlinear.profile.values[0, index]
        middle.plot(number, profile / profile.max(), "o", color=colour, markersize=3,
                    label=str(nonlinear.filters.values[index]))  # fmt: skip
        if index < 2:
            formula = paper_profile(variances, best_fit(profile, variances)[1])
            slope = np.sum(formula * profile) / np.sum(formula**2) / profile.max()
            middle.plot(number, slope * formula, color=colour)
    middle.set(xlabel="component", ylabel="root energy, relative", title="ReLU, first layer", ylim=(0, 1.5))
    middle.legend(loc="upper right")
    names = [str(name).replace(" ", "\n") for name in nonlinear.filters.values]
    for index, column in enumerate(fits.T):
        right.plot(np.full(len(column), index), column, "o", color=COLOURS[0], markersize=4)
    right.axhline(0, color=GUIDE, linewidth=1)
    right.set(ylabel="correlation with the formula", title="consistency", ylim=(-0.3, 1.05), xlim=(-0.5, 3.5))
    right.set_xticks(range(len(names)), names, fontsize=7.5)
