"""Hold two trajectories side by side."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array

from .. import tasks
from .._rule import Descent
from .._trajectory import Trajectory


class Difference(eqx.Module):
    """How far two trajectories are apart, for each quantity that both have.

    Args:
        ts: the times at which they are compared (those of the first within the range of the second).
        absolute: $|a - b|$ over time, by name.
        relative: the largest $|a - b|$ over the largest $|a|$, one number by name.
        half_times: the half times of the modes in the first and in the second, where both have mode strengths.
    """

    ts: Array
    absolute: dict[str, Array]
    relative: dict[str, float]
    half_times: tuple[Array, Array] | None

    def __str__(self) -> str:
        lines = [f"{name}: at most {value:.3g} of its largest value apart" for name, value in self.relative.items()]
        if self.half_times is not None:
            first, second = (np.asarray(t) for t in self.half_times)
            shift = np.nanmax(np.abs(second - first) / np.where(first > 0, first, np.nan), initial=0.0)
            lines.append(f"half times: at most {100 * shift:.2g} % apart")
        return "\n".join(lines)


def difference(a: Trajectory, b: Trajectory, *, allow: Sequence[str] = ()) -> Difference:
    """The difference of two trajectories of the same task, rule and loss (and one set of members).

    Args:
        a: one trajectory, usually the simulated one.
        b: the other, interpolated linearly to the times of `a`.
        allow: which of "task", "rule" and "loss" may differ.

    Returns:
        The difference of every quantity that both have with the same axes.

    Raises:
        ValueError: if they were made under different conditions, or have no time or quantity in common.
    """
    for what in ("task", "rule", "loss"):
        if what not in allow and not _same(what, getattr(a, what), getattr(b, what)):
            raise ValueError(
                f"These trajectories were made under a different {what} ({_name(a, what)} and {_name(b, what)}), so "
                f'their difference means little. Make both alike, or pass `allow=("{what}",)` to compare all the same.'
            )
    if a.ts.ndim != 1 or b.ts.ndim != 1:
        raise ValueError("difference needs trajectories with one time axis for all members; select members first.")
    inside = np.asarray((a.ts >= b.ts[0]) & (a.ts <= b.ts[-1] * (1 + 1e-6)))
    ts = a.ts[inside]
    names = [name for name in a.names() if name in b and a.dims[name] == b.dims[name] and a.dims[name][:1] == ("time",)]
    if not names or ts.size == 0:
        raise ValueError(f"These trajectories have no quantity over a common time: {a.names()} and {b.names()}.")
    absolute, relative = {}, {}
    for name in names:
        first = a[name][(slice(None),) * len(a.axes) + (inside,)]
        second = _interpolate(b, name, ts)
        absolute[name] = jnp.abs(first - second)
        scale = float(jnp.max(jnp.abs(first)))
        relative[name] = float(jnp.max(absolute[name])) / (scale if scale > 0 else 1.0)
    both = "mode_strengths" in names
    return Difference(ts, absolute, relative, (a.half_times(), b.half_times()) if both else None)


def _interpolate(trajectory: Trajectory, name: str, ts: Array) -> Array:
    values = trajectory[name]
    axis = len(trajectory.axes)
    flat = jnp.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
    result = jax.vmap(lambda row: jnp.interp(ts, trajectory.ts, row))(flat)
    shape = (*values.shape[:axis], *values.shape[axis + 1 :], ts.size)
    return jnp.moveaxis(result.reshape(shape), -1, axis)


def _name(trajectory: Trajectory, what: str) -> str:
    return type(getattr(trajectory, what)).__name__


def _same(what: str, a: Any, b: Any) -> bool:
    if what == "task":
        return same_task(a, b)
    if type(a) is not type(b):
        return False
    if what == "rule":
        # A solver and its tolerances are how a flow is computed, not what it is.
        return not isinstance(a, Descent) or _equal(a, b)
    return _equal(a, b)


def _equal(a: Any, b: Any) -> bool:
    return bool(np.all(np.asarray(eqx.tree_equal(a, b))))


def same_task(a: Any, b: Any) -> bool:
    """Whether two tasks are the same to a learner: the same arrays, or the same moments to rounding."""
    if a is b or _equal(a, b):
        return True
    try:
        first, second = tasks.as_moments(a), tasks.as_moments(b)
    except ValueError:
        return False
    leaves = list(zip(jtu.tree_leaves(first), jtu.tree_leaves(second), strict=False))
    if type(first) is not type(second) or jtu.tree_structure(first) != jtu.tree_structure(second):
        return False
    if any(x.shape != y.shape for x, y in leaves):
        return False
    return all(bool(jnp.max(jnp.abs(x - y)) <= 1e-5 * jnp.max(jnp.abs(x)) + 1e-12) for x, y in leaves)
