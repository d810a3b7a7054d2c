"""Where a linear recurrent network begins to use its recurrence: three transitions that are often taken for one."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Canvas

from .. import learn, nn, tasks, theory
from .._cite import cite
from .._types import PRNGKey
from ..config import Proca2025Transition
from ..report import COLOURS, draw
from ._study import Claim, Findings, silent

#: From this recurrent weight on a solution is called recurrent, as in `theory.dynamical_transition`.
THRESHOLD = 0.1
#: Small against the inverse sharpness of all feedforward solutions here; what diverges at it has become recurrent.
RATE = 0.004


def _train(
    key: PRNGKey, windows: Any, axes: dict[str, Any], duration: float, constant: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Recurrent strength b and input-output strength u = ca of trained networks, the first axis over the windows.

    The targets are s_1 = early (with `constant`, at all steps but the last) and s_T = late. Shorter sequences are those
    of the longest that are silent before: what cannot enter has neither loss nor gradient.
    """
    steps = max(windows)
    place = jnp.arange(steps)

    def make(key: PRNGKey, window: Any, early: Any, strength: Any, late: Any = 1.0) -> tuple:
        first = steps - window
        driven = (place >= first) if constant else (place == first)
        yx = (early * driven).at[-1].set(late).reshape(-1, 1, 1)
        xx = jnp.diag(1.0 * (place >= first)).reshape(steps, steps, 1, 1)
        task = tasks.TemporalMoments(xx, yx, jnp.sum(yx**2).reshape(1, 1))
        # One unit for the one mode: with a spare one, rounding errors grow until both share the task between them.
        weight = jnp.reshape(strength, (1, 1)).astype(yx.dtype)
        return nn.LinearRNN(weight, weight, weight), task, learn.Descent(RATE)

    ts = jnp.array([0.0, duration])
    network = learn.ensemble(make, ts, {"window": np.asarray(windows)} | axes, key=key).network
    recurrent = network.recurrent_weights[..., 0, 0]
    product = (network.output_weights @ network.input_weights)[..., 0, 0]
    return np.asarray(recurrent), np.asarray(product)


def _least_energy(window: int, ratios: np.ndarray, largest: float) -> np.ndarray:
    """The recurrent strength of least energy on a grid, by brute force in NumPy (u minimised out)."""
    b = np.linspace(0, largest, 4001)
    lags = np.arange(window)
    gram = np.sum(b[:, None] ** (2 * lags), axis=1)
    drive = 1 + ratios[:, None] * b ** (window - 1)
    return b[np.argmin(1 + ratios[:, None] ** 2 - drive**2 / gram, axis=1)]


def _crossing(ratios: np.ndarray, recurrent: np.ndarray) -> float:
    """The ratio (between two of the grid) at which trained networks become recurrent; infinite if none does."""
    above = ~(recurrent <= THRESHOLD)
    if not above.any():
        return np.inf
    first = int(np.argmax(above))
    return float(ratios[0] if first == 0 else np.sqrt(ratios[first - 1] * ratios[first]))


@cite("proca2025learning")
def proca2025_transition(
    config: Proca2025Transition, *, key: PRNGKey, progress: Callable[[str], None] = silent
) -> Findings:
    """Feedforward and recurrent solutions are apart by a transition whose place depends on the initial weights.

    The paper's single critical point is taken apart: where the recurrent solution has less energy (energetic), where
    the feedforward one becomes unstable (spinodal), and where training from given weights ends recurrent (dynamical).
    """
    ratios = np.geomspace(config.lowest, config.highest, config.points)
    strengths = np.asarray(config.strengths)
    learned, predicted, energetic = {}, {}, {}
    progress("training networks on sequences of all lengths")
    found = _train(key, config.windows, {"early": ratios, "strength": strengths}, config.duration)
    for index, window in enumerate(config.windows):
        progress(f"predicting the transitions of {window} steps")
        learned[window] = found[0][index], found[1][index]
        predicted[window] = np.asarray(theory.dynamical_transition(window, strengths, duration=config.duration))
        energetic[window] = float(theory.energetic_transition(window))
    # The grid's own resolution is part of what a crossing on it can be off by.
    spacing = ratios[1] / ratios[0] - 1
    long = max(window for window in config.windows if window > 3)
    weak, strong = int(np.argmin(strengths)), int(np.argmax(strengths))
    crossings = {w: np.array([_crossing(ratios, learned[w][0][:, i]) for i in range(strengths.size)]) for w in learned}
    claims = [
        Claim("Three steps: in the long run the mode ODE turns recurrent at 1/2 for all initial weights", 0.0,
              float(np.max(np.abs(theory.dynamical_transition(3, strengths, duration=1e4) - 0.5))), 0.01),
    ]  # fmt: skip
    for window in config.windows:
        for i, x in enumerate(strengths):
            bound = predicted[window][i]
            if config.lowest * (1 + spacing) < bound < config.highest:
                statement = f"{window} steps, initial strength {x:g}: training turns recurrent where the mode ODE does"
                claims.append(Claim(statement, bound, crossings[window][i], bound * (0.03 + spacing)))
    progress("searching the least energy by brute force")
    fine = np.linspace(0.3, 2.0, 1701)
    least = _least_energy(20, fine, 2.0)
    bounded = float(theory.energetic_transition(20, b_max=2.0))
    delayed = float(crossings[long][weak] / energetic[long])
    progress("doubling both targets")
    targets = {"early": np.array([0.2, 0.4]), "strength": np.array([0.5]), "late": np.array([1.0, 2.0])}
    b, u = (found[0, :, 0] for found in _train(key, [6], targets, config.duration, constant=True))
    claims += [
        Claim("The paper's critical beta of 1.08 is that of a search bounded at b = 2: brute force finds it",
              (1 - 1 / 4) ** -0.25, float(np.sqrt(fine[np.argmax(least > THRESHOLD)])), 0.005),
        Claim("The energetic transition of a bounded search equals brute force", bounded,
              float(fine[np.argmax(least > THRESHOLD)]), 2e-3),
        Claim(f"{long} steps, weak initial weights: the feedforward solution is metastable, training turns "
              "recurrent only well beyond the energetic transition", 1.5, min(delayed, 1e3), 0.0, "at least"),
        Claim("Three steps: nothing is metastable, weak and strong weights turn recurrent at one ratio", 1.0,
              float(crossings[3][weak] / crossings[3][strong]), 0.02 + spacing, control=True),
        Claim("Only the ratio matters: doubling both of two constant targets leaves b where it was",
              float(b[0, 0]), float(b[1, 1]), 1e-3),
        Claim("Doubling both targets doubles u = ca", 2 * float(u[0, 0]), float(u[1, 1]), 2e-3),
        Claim("Doubling the early target alone moves b", 0.1,
              abs(float(b[1, 0] - b[0, 0])), 0.0, "at least", control=True),
    ]  # fmt: skip
    data = {}
    for window, (b, u) in learned.items():
        variables = {
            "recurrent": (("ratio", "strength"), b),
            "input_output": (("ratio", "strength"), u),
            "learned_transition": (("strength",), crossings[window]),
            "predicted_transition": (("strength",), predicted[window]),
        }
        data[f"steps_{window}"] = xr.Dataset(variables, {"ratio": ratios, "strength": strengths})
    figure = draw(
        "transition",
        "The recurrent weight that training ends at, against the ratio of early to late importance, for weak to "
        "strong initial weights. Dotted: the predicted learned transition; grey: where the recurrent solution begins "
        "to have less energy. For three steps both agree for all weights; beyond, weak weights stay feedforward.",
        lambda canvas: _plot(canvas, ratios, strengths, learned, predicted, energetic),
        height=3.2,
    )
    return Findings(tuple(claims), (figure,), data)


def _plot(canvas: Canvas, ratios: Any, strengths: Any, learned: dict, predicted: dict, energetic: dict) -> None:
    panels = canvas.subplots(1, len(learned), sharey=True, squeeze=False)[0]
    for panel, (window, (recurrent, _)) in zip(panels, learned.items(), strict=True):
        panel.axvline(energetic[window], color="0.8", linewidth=4, label="energetic")
        for i, (strength, colour) in enumerate(zip(strengths, COLOURS * 3, strict=False)):
            width = 1 + len(strengths) - i  # where they agree all are seen
            curve = np.clip(recurrent[:, i], -0.1, 3)
            panel.plot(ratios, curve, color=colour, linewidth=width, label=f"initial {strength:g}")
            if np.isfinite(predicted[window][i]):
                panel.axvline(predicted[window][i], color=colour, linestyle=":")
        panel.set(xscale="log", title=f"{window} steps", xlabel="early / late $s_1 / s_T$")
        panel.set_xticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
        panel.set_xlim(ratios[0], ratios[-1])
        panel.minorticks_off()
    panels[0].set(ylabel="learned recurrent weight $b$ (cut at 3)")
    handles, labels = panels[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside upper center", ncols=len(labels))
