"""What every system has: a name, parameters that can be replaced, an initial state, time scales, and an orbit."""

import abc
import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import PRNGKey
from ._orbit import Orbit, check_request, with_noise

_S = TypeVar("_S", bound="AbstractSystem")


class AbstractSystem(eqx.Module):
    """A dynamical system: a right-hand side with its parameters, an initial state and time scales."""

    name: eqx.AbstractVar[str]
    function: eqx.AbstractVar[Callable[..., Any]]
    parameters: eqx.AbstractVar[dict[str, Array]]
    initial: eqx.AbstractVar[Float[Array, " state"]]
    period: eqx.AbstractVar[float]
    dt: eqx.AbstractVar[float]
    flags: eqx.AbstractVar[tuple[str, ...]]
    unbounded: eqx.AbstractVar[tuple[int, ...]]
    citation: eqx.AbstractVar[str]
    shapes: eqx.AbstractVar[tuple[tuple[str, tuple[int, ...]], ...]]

    @abc.abstractmethod
    def orbit(
        self,
        num: int,
        *,
        points_per_period: float | None = None,
        dt: float | None = None,
        initial: Any = None,
        noise: float = 0.0,
        key: PRNGKey | None = None,
        transient: float = 0.0,
    ) -> Orbit:
        """Computes the states at `num` equally spaced times."""

    @property
    def dimension(self) -> int:
        """How many coordinates the state has (of a delay flow: the state at one time)."""
        return self.initial.shape[-1]

    def replace(self: _S, **fields: Any) -> _S:
        """The same system with other fields."""
        return dataclasses.replace(self, **fields)

    def with_parameters(self: _S, **values: Any) -> _S:
        """The same system with other parameters; leading axes make a batch of systems.

        Args:
            **values: new values by name; a number's place may be taken by an array of numbers, that of a matrix by an
                array of matrices.

        Raises:
            ValueError: if a name is not one of the parameters or a value does not have its shape.
        """
        shapes = dict(self.shapes)
        for name, value in values.items():
            if name not in shapes:
                raise ValueError(
                    f"{self.name} has no parameter {name!r}{closest(name, shapes)}; it has"
                    f" {', '.join(shapes) or 'none'}."
                )
            shape = jnp.shape(value)
            if shape[len(shape) - len(shapes[name]) :] != shapes[name]:
                raise ValueError(
                    f"The parameter {name!r} of {self.name} needs the shape {shapes[name]}, with batch axes before it"
                    f" if any, got {shape}."
                )
        new = {name: jnp.asarray(value, self.initial.dtype) for name, value in values.items()}
        return self.replace(parameters={**self.parameters, **new})


def prepare(
    system: AbstractSystem,
    num: int,
    *,
    points_per_period: float | None,
    dt: float | None,
    initial: Any,
    noise: float,
    key: PRNGKey | None,
    transient: float,
) -> tuple[Array, float]:
    """The checked initial states and the spacing of an orbit that was asked for."""
    check_request(num, points_per_period, dt, noise, key, transient)
    start = system.initial if initial is None else jnp.asarray(initial, system.initial.dtype)
    size = start.shape[-1] if start.ndim else 0
    if size != system.dimension and not ("any_size" in system.flags and size >= system.dimension):
        least = "at least " if "any_size" in system.flags else ""
        raise ValueError(
            f"An initial state of {system.name} has {least}{system.dimension} coordinates, got an array of shape"
            f" {start.shape}; its last axis is the state, batch axes come before it."
        )
    return start, float(dt if dt is not None else system.period / (points_per_period or 100))


def finish(
    system: AbstractSystem, times: Array, states: Array, result: Array, *, dt: float, noise: float, key: Any
) -> Orbit:
    """The orbit from what was solved, with its noise."""
    noisy = with_noise(states, noise, key) if noise > 0 else states
    return Orbit(times, noisy, system=system.name, dt=dt, noise=float(noise), result=result)


def closest(name: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """The names most like one that is not known, as the end of a sentence; empty if there is none."""
    folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)
    inside = [other for low, other in folded.items() if name and name.lower() in low and low not in near]
    found = [folded[low] for low in near] + inside[:3]
    return f" (closest: {', '.join(found)})" if found else ""


def stack(values: Any, dtype: Any) -> Array:
    """One array from what an equation has returned, a tuple of coordinates or an array."""
    if isinstance(values, tuple):
        return jnp.stack([jnp.asarray(value, dtype) for value in values])
    return jnp.asarray(values, dtype)
