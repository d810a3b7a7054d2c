"""Fixed points and slow points of flows, maps and recurrent networks, with what is stable about them."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Bool, Complex, Float, Int

from .._cite import cite
from .._types import PRNGKey
from ..systems import AbstractSystem
from ._speed import derivatives, speed_minima
from ._state_function import StateFunction, state_function, states_as_vectors, vector_as_state

#: The slope and the least eigenvalue, relative to the largest, that a minimum of the speed may have.
_SLOPE, _CURVATURE = 1e-6, -1e-8
#: Points whose derivatives are computed by one call; their number changes, the program does not.
_CHUNK = 16


class FixedPoints(eqx.Module):
    r"""Fixed points and slow points, those that most starts have led to first; NumPy arrays in float64.

    Args:
        points: the fixed points.
        speeds: $q$ at each, the rest that is left.
        eigenvalues: of the Jacobian, of largest real part first (of a map: of largest modulus first).
        num_starts: how many starts have led to each.
        slow_points: minima of the speed that are no fixed points.
        slow_speeds: $q$ at each.
        slow_eigenvalues: of the Jacobian at slow points.
        slow_num_starts: how many starts have led to each.
        num_unconverged: how many starts have led nowhere; they are in none of the lists.
        kind: whether time is continuous.
        margin: eigenvalues so close to the border of stability count as on it (of a flow: relative to the largest).
    """

    points: Float[np.ndarray, "point state"]
    speeds: Float[np.ndarray, " point"]
    eigenvalues: Complex[np.ndarray, "point state"]
    num_starts: Int[np.ndarray, " point"]
    slow_points: Float[np.ndarray, "slow state"]
    slow_speeds: Float[np.ndarray, " slow"]
    slow_eigenvalues: Complex[np.ndarray, "slow state"]
    slow_num_starts: Int[np.ndarray, " slow"]
    num_unconverged: int
    kind: Literal["flow", "map"] = eqx.field(static=True)
    margin: float = eqx.field(static=True)
    system: Any = eqx.field(repr=False, default=None)

    @property
    def num(self) -> int:
        """How many fixed points there are."""
        return len(self.points)

    @property
    def unstable_dimension(self) -> Int[np.ndarray, " point"]:
        """How many eigenvalues of each fixed point lead away from it."""
        return np.sum(self._growth(self.eigenvalues) > self._margins(self.eigenvalues), axis=1)

    @property
    def is_stable(self) -> Bool[np.ndarray, " point"]:
        """Whether all directions lead to the fixed point; false where one neither does nor leads away."""
        return np.all(self._growth(self.eigenvalues) < -self._margins(self.eigenvalues), axis=1)

    def state(self, index: int) -> Any:
        """A fixed point as the state that the network has, such as the pair of arrays of an LSTM."""
        with jax.enable_x64(True):
            return vector_as_state(self.system, jnp.asarray(self.points[index]))

    def _growth(self, eigenvalues: Any) -> Any:
        return eigenvalues.real if self.kind == "flow" else np.abs(eigenvalues) - 1

    def _margins(self, eigenvalues: Any) -> Any:
        largest = np.max(np.abs(eigenvalues), axis=1, keepdims=True, initial=0.0)
        return self.margin * (largest if self.kind == "flow" else np.ones_like(largest))


@cite("sussillo2013opening", "golub2018fixedpointfinder")
def fixed_points(
    system: Any,
    starts: Any = None,
    *,
    num_starts: int = 1024,
    key: PRNGKey | None = None,
    inputs: Any = None,
    tolerance: float = 1e-20,
    separation: float = 1e-5,
    margin: float = 1e-6,
    max_steps: int = 100,
    batch_size: int | None = None,
) -> FixedPoints:
    r"""The fixed points and slow points that searches from many starts lead to.

    Each search goes down the speed $q(x) = \frac12 |F(x) - x|^2$ of a map $F$, or $\frac12 |f(x)|^2$ of a flow
    $\dot x = f(x)$. Sussillo and Barak's $q$ is the same; they go down by gradients, this by the Levenberg-Marquardt
    method with the whole Jacobian, in float64 whatever the dtype of the system. So the fixed points are zeros to
    rounding, and a search that has not ended at one is either at a minimum of the speed, a slow point, or counted as
    unconverged. Nothing says that all fixed points are found.

    Args:
        system: a flow or map of `linnet.systems`, a recurrent network, or a function from a state to the next.
        starts: where to start, an array (start, state) or a tree of arrays like the state of the network with one
            axis before; states that the network passes through, with noise, are the custom. By default Gaussian: of a
            system with the mean and twice the standard deviation of its orbit, of a network around its initial state
            with standard deviation 1.
        num_starts: how many starts there are where they are not given.
        key: of the randomness of the starts that are not given.
        inputs: the constant input of a recurrent network.
        tolerance: the speed $q$ up to which a point is a fixed point; one where rounding allows no less is too. None
            is where the next Newton step would still go farther than `separation`, as towards infinity.
        separation: two points are the same where no coordinate differs by more, relative to the largest number in
            all points and starts.
        margin: how near to the border of stability an eigenvalue counts as on it.
        max_steps: of the Levenberg-Marquardt method, and of Newton's method after it.
        batch_size: how many searches run side by side; by default all on an accelerator, on a processor the fewer
            the larger the state is.

    Returns:
        The points, each once.

    Raises:
        ValueError: if an argument is not what it must be.

    !!! example
        ```python
        found = ln.analyse.fixed_points(ln.systems.get("Lorenz"), key=jr.key(0))
        found.points, found.unstable_dimension  # the origin (1) and the centres of both lobes (2)
        ```
    """
    if not (tolerance >= 0 and separation > 0 and margin >= 0 and max_steps >= 1):
        raise ValueError(
            "`tolerance` and `margin` must not be negative, `separation` must be positive and `max_steps` at least 1,"
            f" got {tolerance}, {margin}, {separation} and {max_steps}."
        )
    with jax.enable_x64(True):
        moves = state_function(system, inputs, "Fixed points")
        if starts is None:
            rows = _draw(system, moves, num_starts, key)
        else:
            rows = states_as_vectors(starts, None if moves.start is None else moves.start.size)
        num = rows.shape[0]
        size = _batch(num, rows.shape[1]) if batch_size is None else min(max(1, batch_size), num)
        padded = jnp.concatenate([rows, jnp.broadcast_to(rows[:1], (-num % size, rows.shape[1]))])
        moves = eqx.tree_at(lambda moves: moves.start, moves, None, is_leaf=lambda leaf: leaf is None)
        ends = speed_minima(moves, padded, jnp.asarray(float(tolerance)), max_steps, size)
        points, speeds, is_zero, slopes = (
            np.asarray(leaf)[:num] for leaf in (ends.point, ends.speed, ends.is_zero, ends.slope)
        )
        finite = np.all(np.isfinite(points), axis=1) & np.isfinite(speeds)
        is_zero = is_zero & finite
        scale = separation * max(np.max(np.abs(points[finite]), initial=0.0), float(jnp.max(jnp.abs(rows))))
        first, counts = _distinct(points, speeds, is_zero, scale)
        slow, slow_counts = _distinct(points, speeds, finite & ~is_zero & (slopes <= _SLOPE), scale)
        jacobians, _, velocities = _derivatives(moves, points[first])
        slow_jacobians, hessians, _ = _derivatives(moves, points[slow])
    settled = _newton_step(jacobians, velocities, moves.kind) <= scale
    first, counts, jacobians = first[settled], counts[settled], jacobians[settled]
    curvatures = np.linalg.eigvalsh(hessians)
    minimal = curvatures[:, 0] >= _CURVATURE * np.abs(curvatures[:, -1])
    slow, slow_counts, slow_jacobians = slow[minimal], slow_counts[minimal], slow_jacobians[minimal]
    return FixedPoints(
        points=points[first],
        speeds=speeds[first],
        eigenvalues=_eigenvalues(jacobians, moves.kind),
        num_starts=counts,
        slow_points=points[slow],
        slow_speeds=speeds[slow],
        slow_eigenvalues=_eigenvalues(slow_jacobians, moves.kind),
        slow_num_starts=slow_counts,
        num_unconverged=num - int(counts.sum() + slow_counts.sum()),
        kind=moves.kind,
        margin=margin,
        system=system,
    )


def _draw(system: Any, moves: StateFunction, num: int, key: Any) -> Any:
    """Starts around the orbit of a system, or around the initial state of a network."""
    if num < 1:
        raise ValueError(f"Fixed points need at least one start, got num_starts={num}.")
    if moves.start is None:
        raise ValueError("The fixed points of a function need states to start from; give them as `starts`.")
    if key is None:
        raise ValueError("Starts are drawn at random: give a `key`, such as `jax.random.key(0)`, or `starts`.")
    centre, spread = moves.start, jnp.ones_like(moves.start)
    if isinstance(system, AbstractSystem):
        orbit = system.orbit(1000, points_per_period=None if moves.kind == "map" else 20)
        states = np.asarray(orbit.states, float)
        states = states[np.all(np.isfinite(states), axis=1)]
        centre, spread = jnp.asarray(states.mean(axis=0)), 2 * jnp.asarray(states.std(axis=0))
    return centre + spread * jr.normal(key, (num, centre.size), jnp.float64)


def _batch(num: int, size: int) -> int:
    """Side by side until the Jacobians of a batch fill the cache; then matrices are large enough for one search."""
    return num if jax.default_backend() != "cpu" else int(np.clip(4096 // size**2, 1, num))


def _distinct(points: Any, speeds: Any, among: Any, scale: float) -> tuple[Any, Any]:
    """The indices of points of which no two are the same, the slowest of each, and how many are the same as each."""
    left = np.flatnonzero(among)
    left = left[np.argsort(speeds[left], kind="stable")]
    found, counts = [], []
    while len(left):
        same = np.max(np.abs(points[left] - points[left[0]]), axis=1) <= scale
        found.append(left[0])
        counts.append(np.sum(same))
        left = left[~same]
    order = np.argsort(-np.array(counts, int), kind="stable")
    return np.array(found, int)[order], np.array(counts, int)[order]


def _derivatives(moves: StateFunction, points: Any) -> tuple[Any, Any, Any]:
    """Jacobians, Hessians and velocities at any number of points by one program for a fixed number of them."""
    size = points.shape[1]
    jacobians, hessians, velocities = *np.zeros((2, len(points), size, size)), np.zeros((len(points), size))
    for first in range(0, len(points), _CHUNK):
        part = points[first : first + _CHUNK]
        padded = np.concatenate([part, np.broadcast_to(part[:1], (_CHUNK - len(part), size))])
        for whole, found in zip((jacobians, hessians, velocities), derivatives(moves, jnp.asarray(padded))):
            whole[first : first + len(part)] = found[: len(part)]
    return jacobians, hessians, velocities


def _newton_step(jacobians: Any, velocities: Any, kind: str) -> Any:
    """How far the next Newton step would go: far, where the speed is small only because all is slow there."""
    slopes = jacobians if kind == "flow" else jacobians - np.eye(jacobians.shape[-1])
    steps = np.linalg.pinv(slopes, rcond=1e-10) @ velocities[..., None]
    return np.max(np.abs(steps), axis=(1, 2), initial=0.0)


def _eigenvalues(jacobians: Any, kind: str) -> Any:
    values = np.linalg.eigvals(jacobians).astype(complex)
    keys = values.real if kind == "flow" else np.abs(values)
    return np.take_along_axis(values, np.argsort(-keys, axis=1, kind="stable"), axis=1)
