"""The predicted road of `linnet learn`: half times, strengths and held-out loss of every member of an ensemble."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from .. import tasks, theory as theories
from .._trajectory import half_times
from ..config import LearnConfig
from ._choose import choose, expected_end, expected_strengths, solve, wanted_modes
from ._networks import Spec, draw_members
from ._problem import Problem

#: Training goes on for this many times the half time of the slowest mode.
BEYOND = 1.6

#: Where the slowest mode may be learned on the axis of time, so that it need not be computed anew.
EARLIEST, LATEST = 0.4, 0.8

#: Every round of the search for the end reaches this much further.
FURTHER = 4.0
ROUNDS = 8

#: A recurrent network counts as done when in the last three quarters of the time the loss falls by less than this part.
SETTLED = 1e-2

#: The name under which expected strengths are stored; they are no theory of one network.
EXPECTED = "ExpectedStrengths"


def predict_spec(spec: Spec, problem: Problem, config: LearnConfig) -> xr.Dataset:
    """Predicts what the ensemble of a linear network will do.

    Args:
        spec: the network.
        problem: the data.
        config: the settings.

    Returns:
        `mode_strengths`, `loss`, `validation_loss` and `test_loss` (where there are such parts) over "seed" and "time",
        `half_times` over "seed" and "mode", and the measured assumptions; the theory's name is an attribute. A
        prediction about random weights in general has a single "seed".
    """
    begin = expected_strengths(spec, problem, config)
    if begin is not None:
        end = config.time or BEYOND * expected_end(spec, problem, config)
        ts = jnp.linspace(0.0, end, config.times)
        return _dataset(_expected(spec, problem, begin, ts), ts, problem, EXPECTED, ())
    networks = draw_members(spec, config.seed, config.seeds)
    duration = config.time or BEYOND * expected_end(spec, problem, config)
    theory, assumptions = choose(networks, problem.moments, duration)
    values, ts = _search(theory, networks, spec, problem, config)
    return _dataset(values, ts, problem, type(theory).__name__, assumptions)


def halves(problem: Problem, ts: Any, strengths: Any, ends: np.ndarray | None = None) -> np.ndarray:
    """The half time of every mode of every member, "seed mode".

    Learning ends at the least-squares solution; over a sequence, where a network of limited size may not reach it,
    at the given ends, else where the strength itself ends.
    """
    final = ends if problem.is_series else problem.target
    final = None if final is None else jnp.asarray(final)
    along = jnp.asarray(strengths)[..., : problem.num_modes].astype(float)
    return np.asarray(_halves(jnp.asarray(ts), along, final))


@eqx.filter_jit
def _halves(
    ts: Float[Array, " time"], strengths: Float[Array, "seed time mode"], final: Float[Array, " mode"] | None
) -> Float[Array, "seed mode"]:
    return jax.vmap(lambda member: half_times(ts, member, final))(strengths)


def _search(
    theory: Any, networks: Any, spec: Spec, problem: Problem, config: LearnConfig
) -> tuple[dict[str, Array], Array]:
    """The prediction, on an axis of time on which the slowest mode of any note is learned."""
    wanted = wanted_modes(spec, problem, config)
    end = config.time or BEYOND * expected_end(spec, problem, config)
    best = None
    for _ in range(ROUNDS):
        ts = jnp.linspace(0.0, end, config.times)
        values = solve(theory, networks, problem.moments, ts)
        loss = np.median(np.asarray(values["loss"]), axis=0)
        if best is not None and not np.isfinite(loss[-1]):
            break  # The solver went as far as it could; the round before is what there is.
        best = values, ts
        if config.time or not np.isfinite(loss[-1]):
            break
        found = np.median(np.nan_to_num(halves(problem, ts, values["mode_strengths"]), nan=np.inf), axis=0)[wanted]
        last = float(np.max(found))
        if problem.is_series:
            if loss[len(loss) // 4] - loss[-1] <= SETTLED * (loss[0] - loss[-1]) and np.isfinite(last) and last > 0:
                # What happens at first happens fast, and the slow end still belongs to it: half of the times for each.
                early = min(BEYOND * last, end / 2)
                half = config.times // 2
                first = jnp.linspace(0.0, early, half, endpoint=False)
                ts = jnp.append(first, jnp.linspace(early, end, config.times - half))
                return solve(theory, networks, problem.moments, ts), ts
            end *= FURTHER
        elif not np.isfinite(last):
            end *= FURTHER
        elif EARLIEST * end <= last <= LATEST * end or last == 0:
            break
        else:
            end = BEYOND * last
    if best is None:
        raise ValueError(f"{type(theory).__name__} gave no prediction.")
    return best


def _expected(spec: Spec, problem: Problem, begin: np.ndarray, ts: Array) -> dict[str, Array]:
    """The curves of balanced modes that begin at expected strengths."""
    strengths = _curves(ts, problem.modes, jnp.asarray(begin), spec.depth or 2)[None]
    parts = {"loss": "train", "validation_loss": "validation", "test_loss": "test"}
    held = {name: getattr(problem.moments, part) for name, part in parts.items()}
    losses = {name: _loss(moments, problem.modes, strengths) for name, moments in held.items() if moments is not None}
    return {"mode_strengths": strengths, **losses}


@eqx.filter_jit
def _curves(
    ts: Float[Array, " time"], modes: tasks.SingularModes, begin: Float[Array, " mode"], depth: int
) -> Float[Array, "time mode"]:
    values, variances = modes.singular_values, modes.input_variances
    strengths = theories.mode_strength(ts, values, begin, depth=depth, variance=variances)
    return jnp.where(values > 0, strengths, 0)


def _dataset(values: dict[str, Array], ts: Array, problem: Problem, name: str, assumptions: tuple) -> xr.Dataset:
    num, strengths = problem.num_modes, values["mode_strengths"]
    data: dict[str, Any] = {
        "mode_strengths": (("seed", "time", "mode"), np.asarray(strengths)[..., :num]),
        "half_times": (("seed", "mode"), halves(problem, ts, strengths)),
    }
    for loss in ("loss", "validation_loss", "test_loss"):
        if loss in values:
            data[loss] = (("seed", "time"), np.asarray(values[loss]))
    coords: dict[str, Any] = {"time": np.asarray(ts), "mode": np.arange(1, num + 1)}
    if assumptions:
        data["assumption_value"] = ("assumption", np.array([float(a.value) for a in assumptions]))
        data["assumption_threshold"] = ("assumption", np.array([float(a.threshold) for a in assumptions]))
        data["statement"] = ("assumption", np.array([a.statement for a in assumptions]))
        coords["assumption"] = np.array([a.name for a in assumptions])
    return xr.Dataset(data, coords, {"theory": name})


@eqx.filter_jit
def _loss(
    moments: tasks.AbstractMoments, modes: tasks.SingularModes, strengths: Float[Array, "seed time mode"]
) -> Float[Array, "seed time"]:
    """The loss on moments of the linear map that predicted strengths add up to."""
    form = moments.residual_form()

    def loss(along: Float[Array, " mode"]) -> Float[Array, ""]:
        return form((modes.left * along) @ modes.right.T)

    return jax.lax.map(lambda member: jax.lax.map(loss, member), strengths)
