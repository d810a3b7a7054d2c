"""Which frequencies a convolutional network learns a data set by: patterns with one dominant wave each."""

import math
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
from .._types import PRNGKey
from ..config import Pinson2023Frequency
from ..report import COLOURS, GUIDE, draw
from ._study import Claim, Findings, silent

#: Waves that dominate the three classes, in cycles over the sequence and over the image.
WAVES = ((2,), (5,), (9,)), ((1, 0), (2, 1), (0, 3))

#: Norms of the three classes; how much of each one's power its wave has: the same for all, or least in the strongest.
NORMS, SHARES = (6.0, 5.0, 4.0), ((0.3, 0.3, 0.3), (0.05, 0.5, 0.9))

#: Learning time of three classes, in units of one over the largest singular value.
STAGES = 10.0

#: Networks that learn one pattern: channels, over which the chances of the first weights average out, and the standard
#: deviation of these where learning is to be lazy.
CHANNELS, LAZY = 8, 0.4

#: Of the ReLU networks: factor on the weights before learning, and the learning rate.
WEAK, RATE = 0.01, 0.05


def patterns(
    rng: np.random.Generator, space: tuple[int, ...], waves: tuple[tuple[int, ...], ...], shares: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Images of norm 1 in two parts, a wave with a share of the power and all other frequencies at equal power.

    Phases are random, means are 0. Returns the waves and the rests, each `"class pixel"`.
    """
    grid, axes = np.indices(space), tuple(range(len(space)))
    parts: tuple[list, list] = [], []
    for wave, share in zip(waves, shares, strict=True):
        phase = sum(cycles * place / size for cycles, place, size in zip(wave, grid, space, strict=True))
        dominant = np.cos(2 * np.pi * (phase + rng.uniform())).ravel()
        spectrum = np.fft.fftn(rng.normal(size=space))
        spectrum = spectrum / np.abs(spectrum)
        for gone in (np.zeros(len(space), int), np.array(wave), -np.array(wave)):
            spectrum[tuple(np.mod(gone, space))] = 0
        rest = np.fft.ifftn(spectrum, axes=axes).real.ravel()
        parts[0].append(np.sqrt(share) * dominant / np.linalg.norm(dominant))
        parts[1].append(np.sqrt(1 - share) * rest / np.linalg.norm(rest))
    return np.stack(parts[0]), np.stack(parts[1])


def places(space: tuple[int, ...], wave: tuple[int, ...]) -> list[int]:
    """Where a wave and its mirror image are in a flat Fourier transform."""
    return [int(np.ravel_multi_index(tuple(np.mod(w, space)), space)) for w in (wave, tuple(-np.array(wave)))]


def power_shares(rows: np.ndarray, space: tuple[int, ...], waves: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """The part of the power of each row that its own wave has, `"*batch class pixel"` to `"*batch class"`."""
    axes = tuple(range(-len(space), 0))
    power = np.abs(np.fft.fftn(rows.reshape(*rows.shape[:-1], *space), axes=axes)) ** 2
    power = power.reshape(rows.shape) / np.sum(power, axis=axes)[..., None]
    return np.stack([power[..., i, places(space, wave)].sum(-1) for i, wave in enumerate(waves)], axis=-1)


def dominant_shares(rows: np.ndarray, space: tuple[int, ...], waves: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """The part of the power of each row that the waves of all classes have together."""
    shares = [power_shares(np.roll(rows, shift, axis=-2), space, waves) for shift in range(len(waves))]
    return sum(np.roll(share, -shift, axis=-1) for shift, share in enumerate(shares))


def maps_of(filters: np.ndarray, readout: np.ndarray, dims: int) -> np.ndarray:
    """The maps of linear convolutional networks: `"*batch channel *space"` and `"*batch out channel *space"`."""
    axes = tuple(range(-dims, 0))
    spectra = np.fft.fftn(np.expand_dims(filters, -dims - 2), axes=axes) * np.fft.fftn(readout, axes=axes)
    found = np.fft.ifftn(spectra, axes=axes).real.sum(-dims - 1)
    return found.reshape(*found.shape[:-dims], -1)


def passing(ts: np.ndarray, curve: np.ndarray, level: float) -> float:
    """The first time at which a curve is above a level, between two times by a straight line; NaN if never."""
    above = np.flatnonzero(curve >= level)
    if not above.size or above[0] == 0:
        return float(ts[0]) if above.size else np.nan
    i = int(above[0])
    return float(np.interp(level, curve[i - 1 : i + 1], ts[i - 1 : i + 1]))


def plateau(ts: np.ndarray, losses: np.ndarray) -> float:
    """When a loss has fallen by a twentieth, relative to when all but a twentieth of it has fallen (to zero)."""
    return passing(ts, -losses, -0.95 * losses[0]) / passing(ts, -losses, -0.05 * losses[0])


def _random_network(key: PRNGKey, out: int, channels: int, space: tuple[int, ...], scale: Any) -> nn.LinearCNN:
    first, second = jr.split(key)
    filters, readout = jr.normal(first, (channels, *space)), jr.normal(second, (out, channels, *space))
    return nn.LinearCNN(scale * filters, scale * readout)


def _single(config: Pinson2023Frequency, rng: np.random.Generator, key: PRNGKey) -> xr.Dataset:
    """One pattern alone: what its wave contributes when it is learned, and when, trained and by the clock."""
    space, waves = (config.pixels,), (WAVES[0][1],)
    images = [[sum(patterns(rng, space, waves, (share,)))[0] for share in config.shares] for _ in range(config.seeds)]
    stacked, scales = jnp.asarray(np.array(images)), np.array([config.small, LAZY])
    ts = config.duration * np.linspace(0, 1, 201) ** 2
    where = np.array(places(space, waves[0]))

    def parts(key: PRNGKey, problem: Any, share: Any, scale: Any) -> tuple[nn.LinearCNN, tasks.Moments]:
        image = stacked[problem, share]
        moments = tasks.Moments(jnp.outer(image, image), image[None], jnp.ones((1, 1)))
        return _random_network(jr.fold_in(key, problem), 1, CHANNELS, space, scale), moments

    def make(_: PRNGKey, **values: Any) -> tuple:
        return (*parts(key, **values), learn.GradientFlow())

    axes = {"problem": np.arange(config.seeds), "share": np.arange(len(config.shares)), "scale": scales}
    trained = learn.ensemble(make, ts, axes, key=key, observe=[learn.FrequencyStrengths(space)])

    @eqx.filter_jit
    def predict(problem: Any, share: Any, scale: Any) -> Any:
        def one(problem: Any, share: Any, scale: Any) -> Any:
            race = theory.frequency_race(*parts(key, problem, share, scale))
            return race.strengths(0.0), race.strengths(race.final_clock()), race.time_at(0.5)

        for axis in (2, 1, 0):
            one = jax.vmap(one, in_axes=tuple(0 if i == axis else None for i in range(3)))
        return one(problem, share, scale)

    start, end, half = map(np.asarray, predict(*map(jnp.asarray, axes.values())))
    measured = np.asarray(trained["frequency_strengths"])[..., 0, :]
    strengths = np.asarray(trained["mode_strengths"])[..., 0]
    halves = np.array([passing(ts, curve, 0.5) for curve in strengths.reshape(-1, len(ts))]).reshape(half.shape)

    def share_of(begin: np.ndarray, done: np.ndarray) -> np.ndarray:
        """The part of what was learned that is the wave's."""
        return (done - begin)[..., where].sum(-1) / (done - begin).sum(-1)

    dims = ("problem", "share", "scale")
    return xr.Dataset(
        {"wave_predicted": (dims, share_of(start, end)),
         "wave_trained": (dims, share_of(measured[..., 0, :], measured[..., -1, :])),
         "half_time_predicted": (dims, half), "half_time_trained": (dims, halves)},
        {"share": list(config.shares), "scale": scales},
    )  # fmt: skip


def _classes(
    config: Pinson2023Frequency, rng: np.random.Generator, key: PRNGKey, dim: int
) -> tuple[xr.Dataset, np.ndarray]:
    """Three classes, as sequences (`dim=0`) or images: modes and maps over time, of small and large weights."""
    space = ((config.pixels,), (config.side, config.side))[dim]
    num, waves, kinds = math.prod(space), WAVES[dim], SHARES if dim == 0 else SHARES[:1]
    norms = np.array(NORMS)[:, None]
    split = np.array([[patterns(rng, space, waves, shares) for shares in kinds] for _ in range(config.seeds)])
    split = split * norms  # problem, kind, part, class, pixel
    images = jnp.asarray(split.sum(2))
    scales = np.array([config.small, config.large])
    ts = STAGES * 3 / NORMS[0] * np.linspace(0, 1, 301)
    eye = jnp.eye(len(waves))

    def make(_: PRNGKey, problem: Any, kind: Any, scale: Any) -> tuple:
        network = _random_network(jr.fold_in(key, problem), len(waves), 1, space, scale)
        return network, tasks.Batch(images[problem, kind], eye).moments(), learn.GradientFlow()

    axes = {"problem": np.arange(config.seeds), "kind": np.arange(len(kinds)), "scale": scales}
    trained = learn.ensemble(make, ts, axes, key=key, observe=[learn.FrequencyStrengths(space)])
    maps = maps_of(np.asarray(trained.network.filters), np.asarray(trained.network.output_weights), len(space))

    predicted = theory.predict(*make(key, 0, 0, config.small)[:2], ts, theory=theory.FourierRace())
    gap = jnp.max(jnp.abs(predicted["frequency_strengths"] - trained["frequency_strengths"][0, 0, 0]))
    gap = float(gap / jnp.max(jnp.abs(predicted["frequency_strengths"])))

    strengths = np.asarray(trained["mode_strengths"])
    left, values, right_t = np.linalg.svd(np.swapaxes(split.sum(2), -1, -2) / 3, full_matrices=False)
    # Samples are the columns, so that the image of a mode is its left vector here and its class the right one.
    rows = np.einsum("pkac,pkscn->pksan", right_t, maps)
    least = np.einsum("pkac,pkcn->pkan", right_t, np.swapaxes(np.linalg.pinv(split.sum(2)), -1, -2))
    variances = np.einsum("pkna,pkcn,pkcm,pkma->pka", left, split.sum(2), split.sum(2), left) / 3
    final = values / variances
    low, half, high = (
        np.array([passing(ts, curve, part * end) for curve, end in zip(
            np.moveaxis(strengths, -2, -1).reshape(-1, len(ts)),
            np.broadcast_to(final[:, :, None], strengths.shape[:3] + final.shape[-1:]).ravel(), strict=True)
        ]).reshape(*strengths.shape[:3], -1)
        for part in (0.1, 0.5, 0.9)
    )  # fmt: skip
    losses = np.asarray(trained["loss"])
    waiting = np.array([plateau(ts, curve) for curve in losses.reshape(-1, len(ts))]).reshape(losses.shape[:-1])
    dims = ("problem", "kind", "scale")
    found = xr.Dataset(
        {"strengths": ((*dims, "time", "mode"), strengths), "half_time": ((*dims, "mode"), half),
         "rise": ((*dims, "mode"), high - low), "plateau": (dims, waiting),
         "final": (("problem", "kind", "mode"), final),
         "singular_values": (("problem", "kind", "mode"), values),
         "share_trained": ((*dims, "mode"), power_shares(rows, space, waves)),
         "share_of_all": ((*dims, "mode"), dominant_shares(rows, space, waves)),
         "share_of_all_least_norm": (("problem", "kind", "mode"), dominant_shares(least, space, waves)),
         "share_least_norm": (("problem", "kind", "mode"), power_shares(least, space, waves)),
         "rows": ((*dims, "mode", "pixel"), rows), "rows_least_norm": (("problem", "kind", "mode", "pixel"), least),
         "predicted": (("time", "mode"), np.asarray(predicted["mode_strengths"])), "gap": ((), gap)},
        {"time": ts, "scale": scales, "pixel": np.arange(num)},
    )  # fmt: skip
    return found, split


def _dense(config: Pinson2023Frequency, images: np.ndarray, key: PRNGKey) -> xr.Dataset:
    """Two dense layers on the same sequences: when modes are learned, and how far the map is from the least norm."""
    stacked = jnp.asarray(images)
    # From small weights dense layers take several times as long.
    ts = 5 * STAGES * 3 / NORMS[0] * np.linspace(0, 1, 301)
    out, num = images.shape[-2:]

    def make(_: PRNGKey, problem: Any, kind: Any) -> tuple:
        first, second = jr.split(jr.fold_in(key, problem))
        network = nn.DeepLinear((config.small * jr.normal(first, (8, num)), config.small * jr.normal(second, (out, 8))))
        return network, tasks.Batch(stacked[problem, kind], jnp.eye(out)).moments(), learn.GradientFlow()

    axes = {"problem": np.arange(len(images)), "kind": np.arange(images.shape[1])}
    trained = learn.ensemble(make, ts, axes, key=key)
    first, last = map(np.asarray, trained.network.weights)
    maps = last @ first
    least = np.swapaxes(np.linalg.pinv(images), -1, -2)
    gap = np.linalg.norm(maps - least, axis=(-2, -1)) / np.linalg.norm(least, axis=(-2, -1))
    strengths = np.asarray(trained["mode_strengths"])
    half = np.array([[[passing(ts, strengths[p, k, :, a], 0.5 * strengths[p, k, -1, a]) for a in range(out)]
                      for k in range(images.shape[1])] for p in range(len(images))])  # fmt: skip
    return xr.Dataset({"gap": (("problem", "kind"), gap), "half_time": (("problem", "kind", "mode"), half)})


def _hybrids(config: Pinson2023Frequency, split: np.ndarray, key: PRNGKey) -> xr.Dataset:
    """ReLU networks on the images: what they answer to hybrids, the wave of one class in the rest of another."""
    images = jnp.asarray(split.sum(2)[:, 0], jnp.float32)  # problem, class, pixel
    num, classes = images.shape[0], images.shape[1]
    space, eye = (config.side, config.side), jnp.eye(images.shape[1], dtype=jnp.float32)
    pairs = [(a, b) for a in range(classes) for b in range(classes) if a != b]
    probes = jnp.asarray(np.stack([split[:, 0, 0, a] + split[:, 0, 1, b] for a, b in pairs], axis=1), jnp.float32)
    of_wave, of_rest = (np.array(side) for side in zip(*pairs, strict=True))

    def convolutional(key: PRNGKey) -> Any:
        settings: Any = {"circular": True, "use_bias": False, "dtype": jnp.float32, "key": key}
        return nn.CNN(space, (config.channels,), space, classes, jax.nn.relu, **settings)

    def dense(key: PRNGKey) -> Any:
        sizes = (images.shape[2], 4 * config.channels, classes)
        return nn.MLP(sizes, jax.nn.relu, use_bias=False, dtype=jnp.float32, key=key)

    found = []
    for build in (convolutional, dense):

        def make(_: PRNGKey, problem: Any, build: Callable = build) -> tuple:
            network = build(jr.fold_in(key, problem))
            weak = jtu.tree_map(lambda leaf: WEAK * leaf if eqx.is_inexact_array(leaf) else leaf, network)
            return weak, tasks.Batch(images[problem], eye), learn.Descent(RATE)

        ts = jnp.asarray([0.0, RATE * config.steps], jnp.float32)
        trained = learn.ensemble(make, ts, {"problem": np.arange(num)}, key=key)
        answers = eqx.filter_jit(eqx.filter_vmap(lambda net, xs: jax.vmap(net)(xs)))(trained.network, probes)
        answers = np.asarray(answers)
        hybrids = np.arange(len(pairs))
        found.append((answers[:, hybrids, of_wave], answers[:, hybrids, of_rest], np.asarray(trained["loss"][:, -1])))
    wave, rest, loss = (np.stack(part) for part in zip(*found, strict=True))
    dims = ("network", "problem", "hybrid")
    return xr.Dataset({"wave": (dims, wave), "rest": (dims, rest), "loss": (dims[:2], loss)},
                      {"network": ["convolutional", "dense"]})  # fmt: skip


@cite("pinson2023linear")
def pinson2023_frequency(
    config: Pinson2023Frequency, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Linear convolutional networks learn each mode in a stage of its own, by its dominant frequency alone.

    Every class is one image: a wave with a small share of the power, and all other frequencies at equal power. The
    least-norm map that tells the classes apart uses all of them; which of them a convolutional network uses depends on
    the size of its first weights. Departs from the paper in one point: a weaker mode does not land on its own dominant
    wave alone. Filters are shared, so it also reads the waves that stronger modes have grown.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    keys = jr.split(key, 4)
    progress("one pattern at a time")
    single = _single(config, rng, keys[0])
    progress("three classes of sequences")
    sequences, split = _classes(config, rng, keys[1], 0)
    dense = _dense(config, split.sum(2), keys[1])
    progress("three classes of images")
    images, split = _classes(config, rng, keys[2], 1)
    progress("ReLU networks on the images")
    hybrids = _hybrids(config, split, keys[3])

    small, large = 0, 1
    shares = np.array(config.shares)
    apart = float(np.max(np.abs(single.wave_trained - single.wave_predicted).values))
    late = np.abs(single.half_time_trained / single.half_time_predicted - 1).values[..., small]
    half = single.half_time_trained.values[..., small].mean(0)
    rough = single.wave_trained.values[..., large].mean(0)
    gap = max(float(sequences.gap), float(images.gap))
    rise = max(float((d.rise / d.half_time)[:, 0, small].max()) for d in (sequences, images))
    waiting = max(float(d.plateau[:, 0, large].max()) for d in (sequences, images))
    learned = np.concatenate([d.share_trained.values[:, 0, small].ravel() for d in (sequences, images)])
    least = np.concatenate([d.share_least_norm.values[:, 0].ravel() for d in (sequences, images)])
    together, untouched = (
        np.concatenate([d.share_of_all.values[:, 0, which].ravel() for d in (sequences, images)])
        for which in (small, large)
    )
    all_least = np.concatenate([d.share_of_all_least_norm.values[:, 0].ravel() for d in (sequences, images)])
    reversed_order, dense_order = (
        float(np.mean(half_time[:, 1, 0] > half_time[:, 1, -1]))
        for half_time in (sequences.half_time.values[:, :, small], dense.half_time.values)
    )
    picks = (hybrids.wave > hybrids.rest).mean(("problem", "hybrid")).values
    claims = (
        Claim("One pattern: what its dominant wave contributes when it is learned is what the clock of the closed form "
              "says (largest gap)", 0.0, apart, 1e-3, "at most"),
        Claim("... and half of it is learned when the closed form says (largest relative gap, small weights)", 0.0,
              float(np.max(late)), 0.01, "at most"),
        Claim(f"From small weights a wave with {shares[-2]:g} of the power contributes nearly all (mean)", 1.0,
              float(single.wave_trained.values[:, -2, small].mean()), 0.05),
        Claim("From large weights it contributes as much as it has of the power (largest gap of means over networks)",
              0.0, float(np.max(np.abs(rough - shares))), 0.1, "at most", control=True),
        Claim("The more of the power is in one wave, the sooner a pattern of the same strength is learned (half time "
              f"at {shares[0]:g} over that at {shares[-1]:g} of the power)", 1.5, float(half[0] / half[-1]), 0.0,
              "at least"),
        Claim("Three classes, sequences and images: the race in the Fourier domain is the training of filters and "
              "weights (largest gap of frequency strengths, relative to the largest)", 0.0, gap, 1e-5, "at most"),
        Claim("Small weights: every mode is learned in a stage (longest rise from 10 to 90 percent, relative to the "
              "half time; 3.2 in a single layer)", 1.0, rise, 0.0, "at most"),
        Claim("Large weights: no plateau (longest time until a twentieth of the loss is gone, relative to the time "
              "until all but a twentieth is)", 0.1, waiting, 0.0, "at most", control=True),
        Claim("Where the strongest of three modes has the flattest spectrum, the weakest and most wave-like one is "
              "half learned before it (part of the data sets)", 1.0, reversed_order, 0.0, "at least"),
        Claim("... but after it by two dense layers (part of the data sets where it is before)", 0.0, dense_order, 0.0,
              "at most", control=True),
        Claim("All that modes read lies on the dominant waves: the share of the three waves in the power (smallest)",
              1.0, float(np.min(together)), 0.05),
        Claim("... and mostly on the mode's own: its share, relative to that in the least-norm map (median)", 2.0,
              float(np.median(learned / least)), 0.0, "at least"),
        Claim("Two dense layers from weights as small land on the least-norm map (largest relative gap)", 0.0,
              float(dense.gap.max()), 0.01, "at most", control=True),
        Claim("... in which the three waves have little of the power (largest share)", 0.7, float(np.max(all_least)),
              0.0, "at most", control=True),
        Claim("Large weights do not land on the waves either (largest share of the three)", 0.7,
              float(np.max(untouched)), 0.0, "at most", control=True),
        Claim("A ReLU network of convolutions on the same images takes the wave of one class in the rest of another "
              "for the wave's class (part of the hybrids)", 0.9, float(picks[0]), 0.0, "at least"),
        Claim("A dense ReLU network takes it for the rest's class (part taken for the wave's)", 0.1, float(picks[1]),
              0.0, "at most", control=True),
    )  # fmt: skip
    race = draw(
        "race",
        "Left: mode strengths of three classes of sequences, relative to what is learned; lines are the race in the "
        "Fourier domain, dots are training. Middle: power over frequencies of what the first mode reads, learned "
        "(bars) and in the least-norm map (dots). Right: what the dominant wave of one pattern contributes against its "
        "share of the power; lines are the closed form, dots trained networks.",
        lambda canvas: _plot_race(canvas, sequences, single, config),
        height=3.0,
    )
    bias = draw(
        "bias",
        "Left: when three modes are half learned, where the strongest has the flattest spectrum: convolutions reverse "
        "the order of dense layers. Right: what ReLU networks answer to the wave of one class in the rest of another; "
        "above the diagonal the wave decides.",
        lambda canvas: _plot_bias(canvas, sequences, dense, hybrids),
        height=3.0,
    )
    datasets = {"single": single, "sequences": sequences, "dense": dense, "images": images, "hybrids": hybrids}
    return Findings(claims, (race, bias), datasets)


def _plot_race(canvas: Canvas, sequences: xr.Dataset, single: xr.Dataset, config: Pinson2023Frequency) -> None:
    left, middle, right = canvas.subplots(1, 3)
    ts, first = sequences.time.values, sequences.isel(problem=0, kind=0)
    for mode, colour in zip(range(3), COLOURS, strict=False):
        final = float(first.final[mode])
        left.plot(ts, first.predicted[:, mode] / final, color=colour, label=f"mode {mode + 1}")
        left.plot(ts[::12], first.strengths[0, ::12, mode] / final, "o", color=colour, markersize=3)
    left.set(xlabel="learning time", ylabel="strength", title="stages", xlim=(0, ts[-1] / 2))
    left.legend(loc="upper left", bbox_to_anchor=(0, 0.95))
    cycles = np.arange(config.pixels // 2 + 1)

    def power(row: np.ndarray) -> np.ndarray:
        found = np.abs(np.fft.rfft(row)) ** 2
        return found / found.sum()

    middle.bar(cycles, power(first.rows.values[0, 0]), color=COLOURS[0], label="learned")
    middle.plot(cycles, power(first.rows_least_norm.values[0]), "o", color=COLOURS[1], markersize=3, label="least norm")
    middle.set(xlabel="cycles", ylabel="part of the power", title="what mode 1 reads")
    middle.legend(loc="upper right")
    for index, (scale, marker) in enumerate(zip(single.scale.values, "os", strict=False)):
        colour, shares = COLOURS[index], single.share.values
        predicted, trained = (single[f"wave_{road}"].values[..., index] for road in ("predicted", "trained"))
        right.plot(shares, predicted.mean(0), color=colour, label=f"std {scale:g}")
        right.plot(np.repeat(shares[None], len(trained), 0), trained, marker, color=colour, markersize=3)
    right.plot([0, 1], [0, 1], color=GUIDE, linestyle="--", linewidth=1)
    right.set(xlabel="share of the power", ylabel="contribution of the wave", title="one pattern", xlim=(0, 1))
    right.legend(loc="lower right", bbox_to_anchor=(1.03, 0))


def _plot_bias(canvas: Canvas, sequences: xr.Dataset, dense: xr.Dataset, hybrids: xr.Dataset) -> None:
    left, right = canvas.subplots(1, 2)
    for index, (label, times) in enumerate(
        (("convolutional", sequences.half_time.values[:, 1, 0]), ("dense", dense.half_time.values[:, 1]))
    ):
        left.plot(np.arange(1, 4), times.T, "os"[index] + "-", color=COLOURS[index], markersize=4, linewidth=0.8)
        left.plot([], [], "os"[index] + "-", color=COLOURS[index], label=label)
    left.set(xlabel="mode, by singular value", ylabel="half time", title="order", ylim=(0, None), xticks=(1, 2, 3))
    left.legend(loc="best")
    for index, label in enumerate(hybrids.network.values):
        wave, rest = (hybrids[name].values[index].ravel() for name in ("wave", "rest"))
        right.plot(rest, wave, "os"[index], color=COLOURS[index], markersize=4, label=str(label))
    right.plot([0, 1], [0, 1], color=GUIDE, linestyle="--", linewidth=1)
    right.set(xlabel="answer for the rest's class", ylabel="answer for the wave's class", title="hybrids (ReLU)",
              xlim=(-0.15, 1.25), ylim=(-0.15, 1.25))  # fmt: skip
    right.legend(loc="upper right")
