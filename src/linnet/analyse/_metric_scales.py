"""What a metric's number means: the same metric of the truth against itself, and of models that know little."""

import dataclasses
import functools as ft
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._forecasts import prediction_error
from ._power_spectrum import power_spectrum_distance
from ._state_space_divergence import state_space_divergence

#: The scales, with what each one is.
SCALES = {
    "floor": "the truth against itself: another stretch of it; for the error, what followed the nearest point there",
    "gaussian": "independent Gaussian numbers with the mean and the variance of each coordinate",
    "correlated": "Gaussian numbers with the truth's covariance, independent in time",
    "shifted": "the truth itself, shifted in every coordinate",
    "persistence": "the last known point, for ever",
    "linear": "a linear map with its noise, left to itself; for the error, the best linear map over n steps",
}
#: For how many points, evenly spread over time, the nearest point of the past is looked for.
_REFERENCES = 2000
METRICS = ("state_space_divergence", "power_spectrum_distance", "prediction_error")


@dataclasses.dataclass(frozen=True)
class MetricScales:
    """Metrics of a truth against itself and against simple models, to read the same metrics of a model by.

    Args:
        scales: the metrics by scale and name; the names of scales are those of `SCALES`.
        n: the steps of the prediction error.
        shift: how far the shifted copy is shifted, in standard deviations.
    """

    scales: Mapping[str, Mapping[str, float]]
    n: int
    shift: float

    def to_dict(self) -> dict[str, dict[str, float | None]]:
        """All numbers as plain ones, by scale and metric; `None` for what is not finite."""
        return {
            scale: {name: float(value) if np.isfinite(value) else None for name, value in row.items()}
            for scale, row in self.scales.items()
        }

    def table(self, values: Mapping[str, Any] | None = None) -> str:
        """A table of text, a line for each metric: its value, if given, and all scales.

        Args:
            values: values of a model by the names of the metrics; one may be missing.

        Raises:
            ValueError: if there is no metric of this name.
        """
        values = {} if values is None else values
        unknown = [name for name in values if name not in METRICS]
        if unknown:
            raise ValueError(f"There are scales for {', '.join(METRICS)}, got {', '.join(unknown)}.")
        head = ["metric", *(["value"] if values else []), *self.scales]
        rows = [head]
        for name in METRICS:
            label = f"{name} ({self.n} steps)" if name == "prediction_error" else name
            own = [_text(float(values[name])) if name in values else "-"] if values else []
            rows.append([label, *own, *(_text(row[name]) for row in self.scales.values())])
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
        return "\n".join(line.rstrip() for line in lines)

    def __str__(self) -> str:
        return self.table()


def _text(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "inf"


@cite("hess2023generalized")
def metric_scales(
    truth: Float[Array | np.ndarray, "time state"],
    *,
    past: Float[Array | np.ndarray, "past other_state"] | None = None,
    n: int = 20,
    shift: float = 0.2,
    sigma: float = 20.0,
    divergence: Mapping[str, Any] | None = None,
    key: PRNGKey,
) -> MetricScales:
    r"""The scales of `state_space_divergence`, `power_spectrum_distance` and `prediction_error` for a series.

    A model is good where its numbers are near the floor, and says nothing that a cloud of independent Gaussian numbers
    would not say where they are near theirs. The floor is not 0, for two stretches of one orbit differ; of shorter
    stretches it is higher.

    Args:
        truth: the series against which models are measured.
        past: another stretch of it, such as the training series: the floor is the truth's distance from it, and linear
            maps are fitted on it. By default the truth is cut in halves, and the second one measured against the first.
        n: the steps of the prediction error.
        shift: how far the shifted copy is shifted, in standard deviations of each coordinate.
        sigma: the smoothing of power spectra.
        divergence: arguments of `state_space_divergence`, such as `{"method": "mixture", "variance": 0.1}`.
        key: the key of all surrogates.

    Returns:
        The scales; `print` shows them as a table.

    Raises:
        ValueError: if a series is too short, or an argument is not what it must be.

    !!! example
        ```python
        scales = ln.analyse.metric_scales(test, past=train, key=jax.random.key(0))
        found = ln.analyse.state_space_divergence(test, generated)
        print(scales.table({"state_space_divergence": found}))
        ```
    """
    truth = jnp.asarray(truth)
    truth = truth if jnp.issubdtype(truth.dtype, jnp.floating) else truth.astype(jnp.result_type(float))
    if past is None:
        past, truth = truth[: len(truth) // 2], truth[len(truth) // 2 :]
    else:
        past = jnp.asarray(past, truth.dtype)
    least = 2 * n + 2 * truth.shape[-1] + 4
    if truth.ndim != 2 or past.ndim != 2 or past.shape[1] != truth.shape[1] or min(len(truth), len(past)) < least:
        raise ValueError(
            f"Scales need a series (time, state) and a past of {least} points or more each (without a past, twice as"
            f" many), got the shapes {truth.shape} and {past.shape}."
        )
    keys = jr.split(key, 4)
    generated = _surrogates(truth, past, shift, *keys[:3])
    options = {"key": keys[3], **(divergence or {})}
    errors = _errors(truth, past, generated, n)
    scales = {
        scale: {
            "state_space_divergence": float(state_space_divergence(truth, generated[scale], **options)),
            "power_spectrum_distance": float(power_spectrum_distance(truth, generated[scale], sigma=sigma)),
            "prediction_error": float(errors[scale]),
        }
        for scale in SCALES
    }
    return MetricScales(scales, n, shift)


def _surrogates(
    truth: Array, past: Array, shift: float, own: PRNGKey, joint: PRNGKey, driven: PRNGKey
) -> dict[str, Array]:
    """What each simple model generates, as long as the truth."""
    mean, spread = jnp.mean(truth, axis=0), jnp.std(truth, axis=0)
    white = jr.normal(joint, truth.shape, truth.dtype)
    centred = truth - mean
    return {
        "floor": past,
        "gaussian": mean + spread * jr.normal(own, truth.shape, truth.dtype),
        "correlated": mean + white @ _root(centred.T @ centred / len(truth)),
        "shifted": truth + shift * spread,
        "persistence": jnp.broadcast_to(past[-1], truth.shape),
        "linear": _linear_orbit(past, jr.normal(driven, truth.shape, truth.dtype)),
    }


def _root(covariance: Array) -> Array:
    """A symmetric root, also of a covariance that is singular."""
    values, vectors = jnp.linalg.eigh(covariance)
    return (vectors * jnp.sqrt(jnp.maximum(values, 0))) @ vectors.T


def _linear_map(past: Array, n: int) -> tuple[Array, Array]:
    """The best affine map over n steps, "in out" with the offset in the last row, and its residuals."""
    inputs = jnp.concatenate([past[:-n], jnp.ones((len(past) - n, 1), past.dtype)], axis=1)
    weights = jnp.linalg.lstsq(inputs, past[n:])[0]
    return weights, past[n:] - inputs @ weights


@jax.jit
def _linear_orbit(past: Array, white: Array) -> Array:
    """The best affine map over one step, driven by noise with the covariance of its residuals."""
    weights, residuals = _linear_map(past, 1)
    noise = white @ _root(residuals.T @ residuals / len(residuals))

    def step(x, kick):
        x = x @ weights[:-1] + weights[-1] + kick
        return x, x

    return jax.lax.scan(step, past[-1], noise)[1]


def _errors(truth: Array, past: Array, generated: Mapping[str, Array], n: int) -> dict[str, Array]:
    """What each simple model's forecasts of the truth's points n steps later are off."""
    starts, (weights, _) = truth[:-n], _linear_map(past, n)
    forecasts = {scale: generated[scale][n:] for scale in ("gaussian", "correlated", "shifted")}
    forecasts |= {"persistence": starts, "linear": starts @ weights[:-1] + weights[-1]}
    found = {scale: prediction_error(forecast, truth, n) for scale, forecast in forecasts.items()}
    references = jnp.asarray(np.unique(np.linspace(0, len(starts) - 1, _REFERENCES).round().astype(int)))
    return {"floor": _analogue_error(truth, past, references, n), **found}


@ft.partial(jax.jit, static_argnums=3)
def _analogue_error(truth: Array, past: Array, references: Array, n: int) -> Array:
    """The mean squared error of what followed the nearest point of the past."""

    def one(reference):
        nearest = jnp.argmin(jnp.sum((past[:-n] - truth[reference]) ** 2, axis=1))
        return jnp.mean((past[nearest + n] - truth[reference + n]) ** 2)

    return jnp.mean(jax.lax.map(one, references))
