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
from ._networks import Spec, draw_members
from ._problem import Problem

#: Modes weaker than this part of the strongest do not decide how long is trained: their time goes as one over strength.
WEAKEST = 1e-3

#: Training goes on for this many times the half time of the slowest mode.
BEYOND = 1.6

#: Every round of the search for the end reaches this much further.
FURTHER = 4.0
ROUNDS = 14


def predict_spec(spec: Spec, problem: Problem, config: LearnConfig) -> xr.Dataset:
    """Predicts what the ensemble of a linear network will do.

    Args:
        spec: the network.
        problem: the data.
        config: the settings.

    Returns:
        `mode_strengths`, `loss`, `validation_loss` and `test_loss` (where there are such parts) over "seed" and "time",
        `half_times` over "seed" and "mode", and the measured assumptions; the theory's name is an attribute.
    """
    networks = draw_members(spec, config.seed, config.seeds)
    moments = problem.moments.train
    first = jax.tree.map(lambda leaf: leaf[0], networks)
    chosen = theories.predict(first, moments, jnp.linspace(0.0, 1.0, 3))
    name = str(chosen.theory)
    theory = next(t for t in theories.THEORIES if type(t).__name__ == name)
    end = config.time or _find_end(theory, networks, problem, config.times)
    ts = jnp.linspace(0.0, end, config.times)
    values = _solve(theory, networks, moments, ts)
    return _dataset(values, ts, problem, name, chosen.assumptions)


def halves(problem: Problem, ts: Any, strengths: Any) -> np.ndarray:
    """The half time of every mode of every member, "seed mode".

    Learning ends at the least-squares solution; over a sequence, where a network of limited size may not reach it,
    where the strength itself ends.
    """
    num = problem.num_modes
    final = None if problem.is_series else jnp.asarray(problem.target)
    members = jax.vmap(lambda s: half_times(jnp.asarray(ts), s, final))
    return np.asarray(members(jnp.asarray(strengths, jnp.float64)[..., :num]))


@eqx.filter_jit
def _solve(theory: Any, networks: Any, moments: Any, ts: Float[Array, " time"]) -> dict[str, Array]:
    return eqx.filter_vmap(lambda network: theory.solve(network, moments, ts).values)(networks)


def _find_end(theory: Any, networks: Any, problem: Problem, times: int) -> float:
    """The time at which the slowest mode of any note is learned, by looking further and further."""
    values = np.asarray(problem.modes.singular_values)[: problem.num_modes]
    wanted = values >= WEAKEST * values[0]
    fractions = jnp.concatenate([jnp.zeros(1), jnp.geomspace(1e-3, 1.0, times - 1)])
    end, last = 10.0 / float(values[0]), 0.0
    for _ in range(ROUNDS):
        ts = end * fractions
        solved = _solve(theory, networks, problem.moments.train, ts)
        found = np.median(np.nan_to_num(halves(problem, ts, solved["mode_strengths"]), nan=np.inf), axis=0)[wanted]
        finite = found[np.isfinite(found)]
        last = float(np.max(finite, initial=0.0)) or last
        if np.all(np.isfinite(found)) and last * BEYOND <= end and _settled(solved, fractions):
            return last * BEYOND if not problem.is_series else max(last * BEYOND, end / FURTHER)
        end *= FURTHER
    return last * BEYOND or end / FURTHER


def _settled(solved: dict[str, Array], fractions: Array) -> bool:
    """Whether the loss hardly falls any more from a quarter of the time on."""
    loss = np.median(np.asarray(solved["loss"]), axis=0)
    quarter = int(np.searchsorted(np.asarray(fractions), 1 / FURTHER))
    return bool(loss[quarter] - loss[-1] <= 1e-2 * (loss[0] - loss[-1]))


def _dataset(values: dict[str, Array], ts: Array, problem: Problem, name: str, assumptions: tuple) -> xr.Dataset:
    num, strengths = problem.num_modes, values["mode_strengths"]
    data: dict[str, Any] = {
        "loss": (("seed", "time"), np.asarray(values["loss"])),
        "mode_strengths": (("seed", "time", "mode"), np.asarray(strengths)[..., :num]),
        "half_times": (("seed", "mode"), halves(problem, ts, strengths)),
    }
    profile = values.get("step_mode_strengths")
    for part in ("validation", "test"):
        moments = getattr(problem.moments, part)
        if moments is not None and (profile is not None or not problem.is_series):
            along = strengths[:, :, None, :] if profile is None else profile
            data[f"{part}_loss"] = (("seed", "time"), np.asarray(_held_out(moments, problem.modes, along)))
    if assumptions:
        data["assumption_value"] = ("assumption", np.array([float(np.max(a.value)) for a in assumptions]))
        data["assumption_threshold"] = ("assumption", np.array([float(a.threshold) for a in assumptions]))
        data["statement"] = ("assumption", np.array([a.statement for a in assumptions]))
    coords: dict[str, Any] = {"time": np.asarray(ts), "mode": np.arange(1, num + 1)}
    if assumptions:
        coords["assumption"] = np.array([a.name for a in assumptions])
    return xr.Dataset(data, coords, {"theory": name})


@eqx.filter_jit
def _held_out(
    moments: tasks.AbstractMoments, modes: tasks.SingularModes, strengths: Float[Array, "seed time step mode"]
) -> Float[Array, "seed time"]:
    """The loss on held-out moments of the linear map that predicted strengths add up to."""
    form = moments.residual_form()

    def loss(along: Float[Array, "step mode"]) -> Float[Array, ""]:
        linear_map = jnp.einsum("om,tm,im->oti", modes.left, along, modes.right)
        return form(linear_map.reshape(linear_map.shape[0], -1))

    return jax.lax.map(lambda member: jax.lax.map(loss, member), strengths)
