"""The labelled trajectory that both roads return: named arrays over learning time, and what they were made under."""

import functools as ft
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

if TYPE_CHECKING:
    import xarray as xr

#: What each result code means and what to do about it.
RESULTS = {
    0: "The run was successful.",
    1: "The run diverged: the loss or a weight is no longer finite. Use a smaller learning rate "
    "(see `linnet.analyse.largest_stable_rate`) or smaller initial weights.",
    2: "The solver reached its maximal number of steps. Use a stiff solver "
    "(`GradientFlow(solver=diffrax.Kvaerno5())`), looser tolerances or more `max_steps`.",
}


class Dims(Mapping[str, tuple[str, ...]]):
    """Names of quantities with the names of their axes; hashable, so that it can be static in a compiled program."""

    def __init__(self, dims: Mapping[str, tuple[str, ...]]) -> None:
        self._axes = {name: tuple(axes) for name, axes in dims.items()}

    def __getitem__(self, name: str) -> tuple[str, ...]:
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._axes.items())))

    def __repr__(self) -> str:
        return f"Dims({self._axes})"


def check_times(ts: Any) -> Float[Array, " time"]:
    """Learning times as an array: finite, ascending, not negative.

    Raises:
        ValueError: if they are not.
    """
    array = np.asarray(ts)
    if (
        array.ndim != 1
        or array.size < 1
        or not np.all(np.isfinite(array))
        or np.any(np.diff(array) < 0)
        or array[0] < 0
    ):
        raise ValueError(
            f"Learning times must be a 1-d array of finite, ascending, non-negative numbers, got shape {array.shape}."
        )
    ts = jnp.asarray(ts)
    return ts if jnp.issubdtype(ts.dtype, jnp.floating) else ts.astype(jnp.result_type(float))


def half_times(
    ts: Float[Array, " time"], strengths: Float[Array, "time *rest"], final: Float[Array, "*rest"] | None = None
) -> Float[Array, "*rest"]:
    """The first time at which each strength passes half its final value, by linear interpolation.

    Args:
        ts: learning times, ascending.
        strengths: strengths over time.
        final: the final values; by default the last of `strengths`.

    Returns:
        The half times; NaN where the strength never passes, the first time where it begins beyond half.
    """
    final = strengths[-1] if final is None else jnp.asarray(final, strengths.dtype)
    # A weak final value has a sign of its own; dividing by it lets "passes" mean "rises through 1/2" for both signs.
    scale = jnp.where(final == 0, 1, final)
    progress = jnp.where(final == 0, -jnp.inf, strengths / scale)
    above = progress >= 0.5
    index = jnp.argmax(above, axis=0)
    before = jnp.maximum(index - 1, 0)
    take = ft.partial(jnp.take_along_axis, axis=0)
    low, high = take(progress, before[None])[0], take(progress, index[None])[0]
    fraction = jnp.where(high > low, (0.5 - low) / jnp.where(high > low, high - low, 1), 0)
    fraction = jnp.where(index == 0, 0, fraction)
    times = ts[before] + fraction * (ts[index] - ts[before])
    return jnp.where(jnp.any(above, axis=0), times, jnp.nan)


class Trajectory(eqx.Module):
    """Named quantities over learning time, from the simulated or the predicted road.

    Args:
        ts: learning time, `"time"`; `"*axes time"` where members of an ensemble have times of their own.
        values: quantities by name, each with the axes `axes + dims[name]`.
        dims: the axes of each quantity, `("time", "mode")`, without those of the ensemble.
        coords: coordinates by axis name.
        axes: names of the leading axes of an ensemble, `()` for one run.
        task: the task it was made under.
        rule: the learning rule it was made under.
        loss: the loss it was made under.
        network: the network at the last time of a simulation, else `None`.
        result: the code of how it ended, see `RESULTS`.
        theory: the name of the theory that predicted it, `None` for a simulation.
        assumptions: the theory's measured assumptions.
    """

    ts: Float[Array, "... time"]
    values: dict[str, Array]
    dims: Dims = eqx.field(static=True, converter=Dims)
    coords: dict[str, Any] = eqx.field(default_factory=dict)
    axes: tuple[str, ...] = eqx.field(default=(), static=True)
    task: Any = None
    rule: Any = None
    loss: Any = None
    network: Any = None
    result: Int[Array, "..."] | None = None
    theory: str | None = eqx.field(default=None, static=True)
    assumptions: tuple = ()

    def __getitem__(self, name: str) -> Array:
        if name not in self.values:
            raise KeyError(f"This trajectory has no quantity {name!r}; it has {', '.join(self.names())}.")
        return self.values[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def names(self) -> tuple[str, ...]:
        """The names of the recorded quantities."""
        return tuple(self.values)

    @property
    def message(self) -> str:
        """How the run ended, as a sentence (of the worst member of an ensemble)."""
        return RESULTS[0 if self.result is None else int(np.max(np.asarray(self.result)))]

    def half_times(self, name: str = "mode_strengths", final: Array | None = None) -> Array:
        """The time at which each mode passes half its final value (see `half_times`).

        Args:
            name: the quantity, with "time" as its first axis.
            final: the values at which learning ends; by default those of the last time.

        Returns:
            An array with the axes of the ensemble and of the quantity, less "time".
        """
        values = self[name]
        if self.dims[name][:1] != ("time",):
            raise ValueError(f"half_times needs a quantity over time; {name!r} has the axes {self.dims[name]}.")
        function = half_times if final is None else ft.partial(half_times, final=final)
        for _ in self.axes:
            function = jax.vmap(function, in_axes=(None if self.ts.ndim == 1 else 0, 0))
        return function(self.ts, values)

    def to_xarray(self) -> "xr.Dataset":
        """The trajectory as an `xarray.Dataset` with named dimensions and coordinates."""
        import xarray as xr

        shared_time = self.ts.ndim == 1
        data = {name: (self.axes + self.dims[name], np.asarray(value)) for name, value in self.values.items()}
        used = {axis for axes, _ in data.values() for axis in axes} | ({"time"} if shared_time else set())
        coords: dict[str, Any] = {name: np.asarray(value) for name, value in self.coords.items() if name in used}
        if shared_time:
            coords["time"] = np.asarray(self.ts)
        else:
            coords["learning_time"] = (self.axes + ("time",), np.asarray(self.ts))
        if self.result is not None:
            data["result"] = (self.axes, np.asarray(self.result))
        attrs = {"theory": self.theory} if self.theory else {}
        attrs["time"] = "learning time = sum of learning rates over steps"
        return xr.Dataset(data, coords, attrs)
