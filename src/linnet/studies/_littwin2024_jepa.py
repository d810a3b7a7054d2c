"""Which features are learned first: predicted codes favour large regression coefficients, views covariance."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
import scipy.signal
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ..config import Littwin2024Jepa
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: Settings, and kinds of features: those of one covariance; of coefficients that rise as covariances fall, or are
#: shuffled, or all the same; and samples of the second kind, of noisy views and of successive frames.
SETTINGS = ("codes", "views")
KINDS = ("equal", "opposed", "shuffled", "same", "noisy views", "frames")

#: The largest covariance over the smallest, by kind: below what coefficients make up for at depth 2, and for the
#: shuffled ones above what they can do to reconstruction.
SPREAD = {"shuffled": 2.0, "equal": 1.0}
CLOSE = 1.05

#: Part of the final strength at which a feature counts as learned.
LEARNED = 0.5


class EncoderMap(learn.AbstractObserver):
    """The encoder itself."""

    @property
    def name(self) -> str:
        return "encoder"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("latent", "in")

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return network.encoding()


class Unstopped(tasks.AbstractSetting):
    """Self-distillation whose gradient goes through the target too."""

    moments: tasks.Moments

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        code = network.encoding()
        both = network.decoder @ code
        moments = self.moments
        return 0.5 * jnp.trace(
            both @ moments.xx @ both.T - 2 * both @ moments.yx.T @ code.T + code @ moments.yy @ code.T
        )


def features(config: Littwin2024Jepa, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Covariances and regression coefficients, each "seed kind mode"."""
    num = config.modes
    lam = np.stack([np.geomspace(1, 1 / SPREAD.get(kind, CLOSE), num) for kind in KINDS])
    rising = np.linspace(config.least, 1, num)
    pairs = []
    for _ in range(config.seeds):
        by_kind = {"equal": rising[::-1], "shuffled": rng.permutation(rising), "same": np.full(num, 0.7)}
        # A coefficient of 1 is a feature that never changes, whose variance no single series has.
        by_kind["frames"] = 0.9 * rising
        pairs.append(np.stack([by_kind.get(kind, rising) for kind in KINDS]))
    return np.broadcast_to(lam, (config.seeds, *lam.shape)), np.stack(pairs)


def two_frames(rng: np.random.Generator, num: int, lam: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A stationary first-order process of each feature, and the same a step later."""
    shocks = rng.normal(size=(num + 1, len(lam))) * np.sqrt(lam / rho * np.maximum(1 - rho**2, 0))
    start = rng.normal(size=len(lam)) * np.sqrt(lam / rho)
    path = np.stack(
        [scipy.signal.lfilter([1], [1, -r], e, zi=[r * s])[0] for r, e, s in zip(rho, shocks.T, start, strict=True)]
    )
    return path.T[:-1], path.T[1:]


def two_noisy_views(
    rng: np.random.Generator, num: int, lam: np.ndarray, rho: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A signal of each feature under independent noise."""
    signal = rng.normal(size=(num, len(lam))) * np.sqrt(lam)
    noise = np.sqrt(np.maximum(lam / rho - lam, 0))
    return signal + noise * rng.normal(size=signal.shape), signal + noise * rng.normal(size=signal.shape)


def passing_times(ts: np.ndarray, strengths: np.ndarray, level: np.ndarray) -> np.ndarray:
    """When each curve "*batch time mode" first passes its level "*batch mode", by interpolation in log t."""
    above = strengths >= level[..., None, :]
    place = np.maximum(above.argmax(axis=-2), 1)
    after, before = (np.take_along_axis(strengths, (place - k)[..., None, :], -2)[..., 0, :] for k in (0, 1))
    part = np.clip((level - before) / np.where(after == before, 1, after - before), 0, 1)
    logs = np.log(np.maximum(ts, ts[1] / 2))
    return np.where(above.any(axis=-2), np.exp(logs[place - 1] + part * (logs[place] - logs[place - 1])), np.nan)


def in_order(times: np.ndarray, by: np.ndarray) -> float:
    """The least share, over members, of pairs of modes in which the one with the larger value is learned first."""
    first, last = np.triu_indices(times.shape[-1], 1)
    early = np.sign(times[..., last] - times[..., first])
    larger = np.sign(by[..., first] - by[..., last])
    return float(np.min(np.mean(early * larger > 0, axis=-1)))


def _moments(
    config: Littwin2024Jepa, rng: np.random.Generator, lam: np.ndarray, rho: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bases "seed in mode", and moments of both views, "seed kind in in"."""
    size, num = config.modes, config.samples
    bases = np.stack([np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(config.seeds)])
    xx, yx, yy = (np.zeros((*lam.shape, size)) for _ in range(3))
    for seed, basis in enumerate(bases):
        for index, kind in enumerate(KINDS):
            values = lam[seed, index], rho[seed, index]
            if kind in ("noisy views", "frames"):
                x, y = (two_frames if kind == "frames" else two_noisy_views)(rng, num, *values)
                inner = x.T @ x / num, y.T @ x / num, y.T @ y / num
            else:
                inner = np.diag(values[0] / values[1]), np.diag(values[0]), np.diag(values[0] / values[1])
            for whole, part in zip((xx, yx, yy), inner, strict=True):
                whole[seed, index] = basis @ part @ basis.T
    return bases, xx, yx, yy


def expected_times(setting: str, lam: np.ndarray, rho: np.ndarray, start: Any, depth: int) -> np.ndarray:
    """The times of theory."""
    time = theory.self_distillation_time if setting == "codes" else theory.reconstruction_time
    return np.asarray(time(lam, rho, start, depth=depth, reached=LEARNED))


@eqx.filter_jit
def _predicted(setting: str, ts: Array, lam: Array, variance: Array, each: Array, depth: int) -> Array:
    """Encoder strengths of one balanced start."""
    if setting == "codes":
        layers = jnp.broadcast_to(each, (depth, *lam.shape))
        return jnp.prod(
            theory.distilled_layers(ts, lam, variance, layers, jnp.broadcast_to(each, lam.shape))[0], axis=0
        )
    both = theory.mode_strength(ts, lam, each ** (depth + 1), depth=depth + 1, variance=variance)
    return both ** (depth / (depth + 1))


def _train(
    config: Littwin2024Jepa, rng: np.random.Generator, key: PRNGKey, progress: Callable[[str], None]
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Times at which all features are learned, trained and predicted, and the curves of some of them."""
    lam, rho = features(config, rng)
    bases, xx, yx, yy = _moments(config, rng, lam, rho)
    size, seeds = config.modes, np.arange(config.seeds)
    turns = np.stack(
        [[np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(config.depths[-1])] for _ in seeds]
    )
    data, rotations = tuple(map(jnp.asarray, (xx, yx, yy))), jnp.asarray(turns)
    axes = {"rotation": seeds, "kind": np.arange(len(KINDS)), "strength": np.array(config.strengths)}
    times, expected, gaps, curves = [], [], [], {}
    for setting in SETTINGS:
        for depth in config.depths:
            progress(f"predicting {setting} by encoders of depth {depth}")
            power = depth if setting == "codes" else depth / (depth + 1)
            theirs = np.stack([expected_times(setting, lam, rho, w, depth) for w in config.strengths], axis=2)
            ts = np.concatenate([[0], np.geomspace(theirs.min() / 3, 2 * theirs.max(), config.times)])

            def make(key: PRNGKey, rotation: Any, kind: Any, strength: Any, setting: str = setting, depth: int = depth):
                each = strength ** (1 / depth)
                encoder = nn.DeepLinear([each * rotations[rotation, layer] for layer in range(depth)])
                # Orthogonal layers and a decoder that undoes them are aligned with any features.
                back = jnp.eye(size) if setting == "codes" else encoder.end_to_end().T / strength
                views = tasks.Moments(*(part[rotation, kind] for part in data))
                made = (tasks.SelfDistillation if setting == "codes" else tasks.Reconstruction)(views)
                return nn.EncoderDecoder(encoder, each * back), made, learn.GradientFlow()

            trained = learn.ensemble(make, ts, axes, key=key, observe=[EncoderMap()])
            maps = np.asarray(trained["encoder"])
            strengths = np.linalg.norm(np.einsum("rkstli,rim->rkstlm", maps, bases), axis=-2)
            level = LEARNED * rho**power
            times.append(passing_times(ts, strengths, np.broadcast_to(level[:, :, None], theirs.shape)))
            expected.append(theirs)
            # While a feature of small coefficient is learned and one of a large one is not, codes are unstable.
            stable = [k for k in range(4) if setting == "views" or KINDS[k] != "shuffled"]
            exact, each = strengths[0, stable], np.array(config.strengths) ** (1 / depth)
            moments = [
                tuple(map(jnp.asarray, (ts, l, l / r))) for l, r in zip(lam[0, stable], rho[0, stable], strict=True)
            ]
            wanted = np.stack([[_predicted(setting, *known, jnp.asarray(w), depth) for w in each] for known in moments])
            gaps.append(float(np.max(np.abs(exact - wanted)) / np.max(wanted)))
            curves[setting] = ts, strengths[0, KINDS.index("opposed"), 0] / rho[0, 1] ** power
    dims = ("setting", "depth", "rotation", "kind", "strength", "mode")
    shape = len(SETTINGS), len(config.depths)
    coords = {
        "setting": list(SETTINGS),
        "depth": list(config.depths),
        "kind": list(KINDS),
        "strength": list(config.strengths),
    }
    found = xr.Dataset(
        {
            "learned": (dims, np.stack(times).reshape(*shape, *times[0].shape)),
            "expected": (dims, np.stack(expected).reshape(*shape, *times[0].shape)),
            "gap": (dims[:2], np.array(gaps).reshape(shape)),
            "covariance": (("rotation", "kind", "mode"), lam),
            "coefficient": (("rotation", "kind", "mode"), rho),
        },
        coords,
    )
    return found, curves


def _collapse(config: Littwin2024Jepa, key: PRNGKey) -> float:
    """The largest encoder strength at the end, over that at the start, where the gradient is not stopped."""
    rho = np.linspace(config.least, 1, config.modes)
    start = 0.3
    views = tasks.Moments(*(jnp.diag(jnp.asarray(d)) for d in (1 / rho, np.ones_like(rho), 1.2 / rho)))
    eye = start**0.5 * jnp.eye(config.modes)

    def make(key: PRNGKey, stopped: Any) -> tuple:
        return nn.EncoderDecoder(nn.DeepLinear([eye, eye]), eye), Unstopped(views), learn.GradientFlow()

    trained = learn.ensemble(make, jnp.array([0.0, 3e3]), {"stopped": np.zeros(1)}, key=key, observe=[EncoderMap()])
    return float(np.max(np.abs(trained["encoder"][0, -1])) / start)


def _mixing(key: PRNGKey) -> tuple[float, float, float]:
    """How fast the code of a learned feature takes up one of larger, or of smaller, coefficient; and the theory."""
    lam, depth = np.array([2.0, 0.5]), 2
    pairs = np.array([[0.6, 0.95], [0.95, 0.6]])
    steps = jnp.array([1e-7, 0.0])
    ts = np.linspace(0, 30, 31)

    def make(key: PRNGKey, pair: Any) -> tuple:
        learned = jnp.asarray(pairs)[pair, 0]
        first = jnp.diag(jnp.stack([learned, jnp.asarray(1e-3)])) + jnp.outer(jnp.array([1.0, 0.0]), steps[::-1])
        second = jnp.diag(jnp.stack([learned, jnp.asarray(1e-3)]))
        rho = jnp.asarray(pairs)[pair]
        views = tasks.Moments(jnp.diag(lam / rho), jnp.diag(jnp.asarray(lam)), jnp.diag(lam / rho))
        return (
            nn.EncoderDecoder(nn.DeepLinear([first, second]), second),
            tasks.SelfDistillation(views),
            learn.GradientFlow(),
        )

    trained = learn.ensemble(make, ts, {"pair": np.arange(2)}, key=key, observe=[EncoderMap()])
    mixed = np.log(np.abs(np.asarray(trained["encoder"])[:, :, 0, 1]))
    up, down = (float(np.polyfit(ts, row, 1)[0]) for row in mixed)
    learned, other = pairs[0]
    return up, down, float(learned ** (2 * depth - 1) * lam[1] / other * (other - learned))


def integrated_time(setting: str, lam: float, rho: float, start: float, depth: int) -> float:
    """The time to half the final strength, by SciPy's integration of log w."""
    power = 3 - 1 / depth if setting == "codes" else 2 - 1 / depth
    final = rho ** (depth if setting == "codes" else depth / (depth + 1))

    def speed(_: float, z: Any) -> Any:
        return depth * lam * (np.exp((power - 1) * z) - np.exp(2 * z) / rho)

    def there(_: float, z: Any) -> Any:
        return z[0] - np.log(LEARNED * final)

    there.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    solved = scipy.integrate.solve_ivp(speed, (0, 1e15), [np.log(start)], "LSODA", rtol=1e-9, atol=1e-10, events=there)
    return float(solved.t_events[0][0])


def _leading_error(config: Littwin2024Jepa) -> float:
    """The largest relative error of the critical times of small weights, against integration."""
    errors, start = [], 1e-6
    for depth in config.depths:
        for rho in (config.least, 1.0):
            leading = theory.critical_time_of_self_distillation(0.8, rho, start, depth=depth)
            errors.append(float(leading) / integrated_time("codes", 0.8, rho, start, depth) - 1)
            if depth > 1:
                leading = theory.critical_time_of_reconstruction(0.8, start, depth=depth)
                errors.append(float(leading) / integrated_time("views", 0.8, rho, start, depth) - 1)
    return float(np.max(np.abs(errors)))


@cite("littwin2024jepa")
def littwin2024_jepa(config: Littwin2024Jepa, *, key: PRNGKey, progress: Callable[[str], None] = silent) -> Findings:
    """Self-distillation learns features by regression coefficient, reconstruction by covariance.

    All layers of the encoder begin as multiples of random orthogonal matrices. What the coefficient does to the time of
    self-distillation grows without bound as the initial strength falls, but its part of the time falls with it: the
    ratio of times is 1 in the limit at any depth, and largest for deep encoders of moderate initial strength.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    found, curves = _train(config, rng, key, progress)
    progress("without the stop-gradient, and small weights")
    collapse, leading = _collapse(config, key), _leading_error(config)
    up, down, growth = _mixing(key)

    def of(setting: str, kind: str, variable: str = "learned") -> np.ndarray:
        """depth, rotation, strength, mode"""
        return found[variable].sel(setting=setting, kind=kind).transpose("depth", "rotation", "strength", "mode").values

    def by(name: str, kind: str) -> np.ndarray:
        return found[name].sel(kind=kind).values[None, :, None]

    deep = slice(1, None)
    ratio = {s: of(s, "equal")[..., -1] / of(s, "equal")[..., 0] for s in SETTINGS}  # depth, rotation, strength
    ratio_expected = of("codes", "equal", "expected")[..., -1] / of("codes", "equal", "expected")[..., 0]
    gap = of("codes", "equal")[..., -1] - of("codes", "equal")[..., 0]
    sampled = [
        in_order(of("codes", kind)[deep, ..., [0, -1]], by("coefficient", kind)[..., [0, -1]]) for kind in KINDS[4:]
    ]
    gaps = found.gap.max("depth").values
    claims = (
        Claim("Self-distillation of all layers, with the stop-gradient, gives the encoder strengths of the mode "
              "equations (largest gap over time, relative to the largest)", 0.0, float(gaps[0]), 1e-4, "at most"),
        Claim("... and so does reconstruction", 0.0, float(gaps[1]), 1e-4, "at most"),
        Claim("Where a feature is learned before another one of larger coefficient its code takes that up, at the rate "
              "of the linearised flow: features are independent only until then (measured rate over predicted)", 1.0,
              up / growth, 0.02),
        Claim("... and not where the coefficient of the other is smaller (rate)", 0.0, down, 0.0, "at most",
              control=True),
        Claim("Without the stop-gradient the encoder collapses (its largest weight over that at the start)", 0.0,
              collapse, 0.05, "at most", control=True),
        Claim("Among equal covariances self-distillation by two and more layers learns the larger regression "
              "coefficient first (share of pairs)", 1.0,
              in_order(of("codes", "equal")[deep], by("coefficient", "equal")), 0.0, "at least"),
        Claim("... also against the order of covariances", 1.0,
              in_order(of("codes", "opposed")[deep], by("coefficient", "opposed")), 0.0, "at least"),
        Claim("Of one regression coefficient it learns by covariance (share of pairs)", 1.0,
              in_order(of("codes", "same"), by("covariance", "same")), 0.0, "at least", control=True),
        Claim("Reconstruction learns the larger covariance first where coefficients oppose it (share of pairs)", 1.0,
              in_order(of("views", "opposed"), by("covariance", "opposed")), 0.0, "at least"),
        Claim("... and where they are shuffled", 1.0,
              in_order(of("views", "shuffled"), by("covariance", "shuffled")), 0.0, "at least"),
        Claim(f"The time of the coefficient {config.least:g} over that of 1, at one covariance, grows with every depth "
              "of self-distillation (smallest growth)", 0.05, float(np.min(np.diff(ratio["codes"], axis=0))), 0.0,
              "at least"),
        # Times are interpolated between records a percent apart, of curves that are all but steps.
        Claim("... as the implicit solution says (largest difference of the ratios)", 0.0,
              float(np.max(np.abs(ratio["codes"] - ratio_expected))), 5e-3, "at most"),
        # What is left of the coefficient is O(1) in a time that is the longer the smaller the initial strength.
        Claim("In reconstruction by two and more layers that ratio is 1, up to what the initial strength leaves "
              "(largest difference from 1)", 0.0, float(np.max(np.abs(ratio["views"][deep] - 1))), 0.06, "at most"),
        Claim("One layer has next to no such bias (largest difference of the ratio of self-distillation from 1)", 0.0,
              float(np.max(np.abs(ratio["codes"][0] - 1))), 0.03, "at most", control=True),
        Claim("From smaller initial strength the gap between these times grows (smallest factor)", 1.5,
              float(np.min(gap[deep, :, 1:] / gap[deep, :, :-1])), 0.0, "at least"),
        Claim("... but their ratio falls: the bias is one of moderate initial strengths (smallest fall)", 0.02,
              float(np.min(-np.diff(ratio["codes"][deep], axis=-1))), 0.0, "at least"),
        Claim("The critical times are those of integration in log w from 1e-6 (largest relative error)", 0.0, leading,
              1e-2, "at most"),
        Claim("From samples of noisy views self-distillation learns the clean feature of the smallest covariance "
              "before the noisy one of the largest (share of encoders)", 1.0, sampled[0], 0.0, "at least"),
        Claim("... and from successive frames the slow feature before the fast one", 1.0, sampled[1], 0.0, "at least"),
    )  # fmt: skip
    figure = draw(
        "order",
        "Left and middle: encoder strength of features whose regression coefficient rises (dark to light) as their "
        "covariance falls, relative to the final one, for the deepest encoder. Codes are predicted in the order of "
        "coefficients, views in that of covariances. Right: the learning time of the smallest coefficient over that of "
        "1 at equal covariance, against depth; lines are the exact times of theory.",
        lambda canvas: _plot(canvas, config, found, curves, ratio, ratio_expected),
        height=3.0,
    )
    return Findings(claims, (figure,), {"times": found})


def _plot(
    canvas: Canvas,
    config: Littwin2024Jepa,
    found: xr.Dataset,
    curves: dict[str, Any],
    ratio: dict[str, np.ndarray],
    expected: np.ndarray,
) -> None:
    left, middle, right = canvas.subplots(1, 3)
    rho = found.coefficient.sel(kind="opposed").values[0]
    for panel, setting in zip((left, middle), SETTINGS, strict=True):
        ts, strengths = curves[setting]
        for mode, curve in enumerate(strengths.T):
            shade = 0.15 + 0.7 * mode / (len(rho) - 1)
            label = f"$\\rho = {rho[mode]:.2g}$" if mode in (0, len(rho) - 1) else None
            panel.plot(ts, curve, color=(0.1 + 0.6 * shade, 0.25 + 0.5 * shade, 0.7), label=label)
        panel.set(
            xlabel="learning time", ylabel="encoder strength / final", title=f"predicting {setting}", ylim=(0, 1.05)
        )
        shown = ts[strengths.min(axis=1) < 0.95]
        panel.set_xlim(0, 1.2 * shown[-1])
    middle.legend(loc="upper left")
    for index, strength in enumerate(config.strengths):
        colour = COLOURS[index % len(COLOURS)]
        right.plot(config.depths, expected[:, 0, index], color=colour, label=f"codes, {strength:g}")
        for place, depth in enumerate(config.depths):
            values = ratio["codes"][place, :, index]
            right.plot(np.full(len(values), depth), values, "o", color=colour, markersize=4)
    views = ratio["views"].mean(axis=1)[:, 0]
    right.plot(
        config.depths,
        views,
        color="0.4",
        marker="s",
        linestyle="--",
        markersize=4,
        label=f"views, {config.strengths[0]:g}",
    )
    right.set(xlabel="layers of the encoder", ylabel="ratio of times", title=f"coefficient {config.least:g} over 1")
    right.set_xticks(config.depths)
    right.legend(loc="upper left")
