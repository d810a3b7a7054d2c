"""The phase portrait of a reduction to two dimensions: its field, its fixed points, and where they lead."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

#: Newton steps from the middle of every cell.
_STEPS = 40

KINDS = ("stable node", "stable focus", "saddle", "unstable node", "unstable focus", "marginal")


@dataclasses.dataclass(frozen=True)
class PhasePortrait:
    """A field on a grid and its fixed points.

    Args:
        x: the grid of the first coordinate.
        y: that of the second.
        field: $(\\dot x, \\dot y)$ on the grid; where either changes sign runs its nullcline.
        fixed_points: where the field vanishes within the grid, `"point 2"`.
        eigenvalues: of the Jacobian at each, complex, `"point 2"`.
        kinds: what each is: "stable node", "saddle", ...; "marginal" where an eigenvalue is on the imaginary axis.
    """

    x: Float[np.ndarray, " x"]
    y: Float[np.ndarray, " y"]
    field: Float[np.ndarray, "2 y x"]
    fixed_points: np.ndarray
    eigenvalues: np.ndarray
    kinds: tuple[str, ...]

    def to_xarray(self) -> xr.Dataset:
        """The portrait as labelled arrays."""
        return xr.Dataset(
            {
                "field": (("component", "y", "x"), self.field),
                "fixed_points": (("point", "component"), self.fixed_points),
                "eigenvalues_real": (("point", "eigenvalue"), self.eigenvalues.real),
                "eigenvalues_imaginary": (("point", "eigenvalue"), self.eigenvalues.imag),
                "kind": ("point", np.array(self.kinds, dtype=np.str_)),
            },
            {"x": self.x, "y": self.y, "component": ["x", "y"]},
        )


def phase_portrait(
    field: Callable[[Float[Array, "2"]], Float[Array, "2"]],
    x: Float[Array | np.ndarray, " x"],
    y: Float[Array | np.ndarray, " y"],
    *,
    tolerance: float = 1e-8,
) -> PhasePortrait:
    r"""The phase portrait of $\dot z = f(z)$ in two dimensions.

    Fixed points are found by Newton's method from the middle of every cell of the grid, all at once; two closer
    together than a cell from which neither is reached may be missed, so take the grid as fine as they lie.

    Args:
        field: $f$, a JAX function of one point, such as the slopes of two mode strengths.
        x: the grid of the first coordinate, rising.
        y: that of the second, rising.
        tolerance: how small the field is at a fixed point, relative to its largest value on the grid.

    Returns:
        The portrait, with every fixed point within the grid.

    Raises:
        ValueError: if a grid does not rise or has less than two points.

    !!! example
        ```python
        def race(z):  # two pathways of two layers for one mode of strength 1
            left = 1 - z[0] ** 2 - z[1] ** 2
            return z * left

        portrait = ln.analyse.phase_portrait(race, np.linspace(0, 2, 21), np.linspace(0, 2, 21))
        portrait.to_xarray()
        ```
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    for name, grid in (("x", x), ("y", y)):
        if len(grid) < 2 or not np.all(np.diff(grid) > 0):
            raise ValueError(f"The grid {name} needs two or more rising values, got {len(grid)}.")
    points = np.stack(np.meshgrid(x, y), axis=-1)
    middles = np.stack(np.meshgrid((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2), axis=-1).reshape(-1, 2)
    values, found, jacobians, rest = (np.asarray(part) for part in _solve(field, points, middles))
    scale = np.max(np.abs(values[np.isfinite(values)]), initial=0) or 1.0
    cell = np.array([np.min(np.diff(x)), np.min(np.diff(y))])
    low, high = np.array([x[0], y[0]]) - 1e-6 * cell, np.array([x[-1], y[-1]]) + 1e-6 * cell
    good = np.isfinite(found).all(1) & (rest <= tolerance * scale) & np.all((found >= low) & (found <= high), axis=1)
    kept: list[int] = []
    for index in np.flatnonzero(good):
        if not any(np.all(np.abs(found[index] - found[other]) < 1e-3 * cell) for other in kept):
            kept.append(int(index))
    kept.sort(key=lambda index: tuple(np.round(found[index] / cell, 3)))
    eigenvalues = np.linalg.eigvals(jacobians[kept]).astype(complex) if kept else np.zeros((0, 2), complex)
    kinds = tuple(_kind(pair) for pair in eigenvalues)
    return PhasePortrait(x, y, np.moveaxis(values, -1, 0), found[kept], eigenvalues, kinds)


@eqx.filter_jit
def _solve(field: Any, points: Array, middles: Array) -> tuple[Array, Array, Array, Array]:
    jacobian = jax.jacfwd(field)

    def newton(start: Array) -> Array:
        def step(_: Any, z: Array) -> Array:
            slope = jacobian(z)
            # A line of fixed points has a singular Jacobian: the least-norm step goes straight to it.
            return z - jnp.linalg.pinv(slope, rtol=1e-10) @ field(z)

        return jax.lax.fori_loop(0, _STEPS, step, start)

    found = jax.vmap(newton)(middles)
    rest = jnp.linalg.norm(jax.vmap(field)(found), axis=-1)
    return jax.vmap(jax.vmap(field))(points), found, jax.vmap(jacobian)(found), rest


def _kind(eigenvalues: np.ndarray) -> str:
    scale = max(float(np.max(np.abs(eigenvalues))), 1e-12)
    if np.any(np.abs(eigenvalues.real) < 1e-6 * scale):
        return "marginal"
    real = np.sort(eigenvalues.real)
    if real[0] < 0 < real[1]:
        return "saddle"
    shape = "focus" if np.any(np.abs(eigenvalues.imag) > 1e-9 * scale) else "node"
    return f"{'stable' if real[1] < 0 else 'unstable'} {shape}"
